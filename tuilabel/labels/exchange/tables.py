"""Tables of labels: the columns shared by csv, jsonl and parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from tuilabel.datasets.ids import file_id
from tuilabel.datasets.sources.file_refs import FileRef
from tuilabel.datasets.sources.tables import LABELS, PATHS, Record, position, read_records
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.labels.exchange.base import ImportedLabel, ImportOptions
from tuilabel.labels.exchange.formulas import unguard
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.values import marks_of, text_value, time_value

COLUMNS = ("id", "path", "label", "annotator", "labelled_at", "seconds")
MARKS = ("flagged", "flagged_by", "note", "noted_by")
"""Columns after `COLUMNS` where any image has a flag or a note."""
ID_LENGTH = 32
_SMALL = 2**14  # bytes: small images are kept, as they may be rows of an array; others are found by their id
_LABEL_STUDIO = {"id", "annotator", "annotation_id"}
_OF_LABEL_STUDIO = {*_LABEL_STUDIO, "created_at", "updated_at", "lead_time", "agreement", "history"}


@dataclass(frozen=True)
class TableRows:
    """The rows of a table, and which columns they need beyond `COLUMNS`."""

    rows: Iterable[LabelRow]
    confidence: bool = False
    probabilities: bool = False
    marks: bool = False

    @classmethod
    def of(cls, rows: Iterable[LabelRow]) -> TableRows:
        """Predictions, which may be many, are known by the first one; labels are all looked at."""
        rest = iter(rows)
        first = next(rest, None)
        if first is None:
            return cls(())
        if first.confidence is not None:
            return cls(chain([first], rest), True, first.probabilities is not None)
        labels = [first, *rest]
        return cls(labels, marks=any(row.flagged or row.note for row in labels))


def read_table(source: Path, options: ImportOptions, kind: str) -> Iterator[ImportedLabel]:
    """The labels in a table of the kind csv, jsonl or parquet.

    Raises
    ------
    UsageError : if a column that `options` name does not exist, or none has a usual name.
    TuilabelError : if it is damaged, or has no columns at all.
    """
    if source.is_dir():
        raise TuilabelError(f"{source} is a folder, but {kind} is a file: choose another `file_format`")
    choose = partial(choose_columns, options=options, source=source)
    labels = map(imported_row, read_records(FileRef(str(source), str(source)), choose, kind))
    return map(unguard, labels) if kind == "csv" else labels


def choose_columns(names: Sequence[str], options: ImportOptions, source: Path) -> dict[str, int]:
    """The positions of the columns of a table of labels, for `read_records`; raises like `read_table`."""
    if not any(name.strip() for name in names):
        raise TuilabelError(f"{source} has no columns: pass a table with a header")
    available = printable(", ".join(names))

    def find(parameter: str, wanted: str | None, usual: Sequence[str]) -> int | None:
        k = position(names, usual if wanted is None else (wanted,))
        if k is None and wanted is not None:
            raise UsageError(f"{source} has no column {wanted!r} for `{parameter}`: its columns are {available}")
        return k

    path = find("path_column", options.path_column, PATHS)
    label = find("label_column", options.label_column, LABELS)
    label = _only_control(names, path) if label is None else label
    if label is None:
        raise UsageError(f"{source} has no column called label: set `label_column` to one of {available}")
    found = {"id": position(names, ("item", "id"))}
    if path is None and found["id"] is None:
        raise UsageError(f"{source} has no column called path or id: set `path_column` to one of {available}")
    times = ("labelled_at", "created_at") if _is_of_label_studio(names) else ("labelled_at",)
    found |= {"path": path, "label": label, "annotator": position(names, ("annotator",)), "at": position(names, times)}
    found |= {name: k for name in MARKS if (k := position(names, (name,))) not in (path, label)}
    return {role: k for role, k in found.items() if k is not None}


def imported_row(record: Record) -> ImportedLabel:
    """The label in a row of a table."""
    cells = record.cells
    item, content = text_value(cells.get("id")), cells.get("content")
    embedded = content if isinstance(content, bytes) else None
    return ImportedLabel(
        where=record.where,
        label=record.label or "",
        id=file_id(embedded) if embedded is not None and len(item) != ID_LENGTH else item,
        # Without paths the ids may be names of files; numbers are rather those of rows.
        path=cells.get("path", "" if item.isdigit() else item),
        annotator=text_value(cells.get("annotator")),
        at=time_value(cells.get("at")),
        problem=record.problem,
        is_odd=record.is_odd,
        content=None if embedded is None or len(embedded) > _SMALL else partial(bytes, embedded),
        **marks_of(cells),
    )


def _is_of_label_studio(names: Sequence[str]) -> bool:
    return set(names) >= _LABEL_STUDIO


def _only_control(names: Sequence[str], path: int | None) -> int | None:
    """The column of the one control in a table of Label Studio, which names it as its author called it."""
    if not _is_of_label_studio(names):
        return None
    controls = [k for k, name in enumerate(names) if k != path and name not in _OF_LABEL_STUDIO]
    begin, end = names.index("id"), names.index("annotator")
    between = [k for k in controls if begin < k < end]  # before `id` are the data of the task
    return next((found[0] for found in (between, controls) if len(found) == 1), None)

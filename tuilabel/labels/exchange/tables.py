"""Tables of labels: the columns shared by csv, jsonl and parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels.exchange.base import ImportedLabel, ImportOptions
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.values import text_value, time_value

COLUMNS = ("id", "path", "label", "annotator", "labelled_at", "seconds")
LABEL_COLUMNS = ("label", "class", "class_name", "category", "choice", "target")
PATH_COLUMNS = ("path", "file_name", "filename", "filepath", "file", "image")


def peek(rows: Iterable[LabelRow]) -> tuple[Iterable[LabelRow], bool, bool]:
    """The rows, and whether they have confidences and probabilities, according to the first one."""
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return (), False, False
    return chain([first], rest), first.confidence is not None, first.probabilities is not None


def find_columns(names: Iterable[str], options: ImportOptions, source: Path) -> tuple[str | None, str]:
    """The column with the path, if there is one, and the column with the label.

    Raises
    ------
    UsageError : if a column that `options` name does not exist, or none has a usual name.
    TuilabelError : if there are no columns at all.
    """
    names = list(names)
    if not names:
        raise TuilabelError(f"{source} has no columns: pass a table with a header")
    available = ", ".join(names)

    def find(parameter: str, wanted: str | None, usual: tuple[str, ...]) -> str | None:
        if wanted is not None and wanted not in names:
            raise UsageError(f"{source} has no column {wanted!r} for `{parameter}`: its columns are {available}")
        return wanted or next((name for name in usual if name in names), None)

    path = find("path_column", options.path_column, PATH_COLUMNS)
    label = find("label_column", options.label_column, LABEL_COLUMNS)
    if label is None:
        raise UsageError(f"{source} has no column called label: set `label_column` to one of {available}")
    if path is None and "id" not in names:
        raise UsageError(f"{source} has no column called path or id: set `path_column` to one of {available}")
    return path, label


def imported_row(row: Mapping[str, Any], where: str, path: str | None, label: str) -> ImportedLabel:
    """The label in a row of a table, given its columns for the path and the label."""
    return ImportedLabel(
        where=where,
        label=text_value(row.get(label)),
        id=text_value(row.get("id")),
        path="" if path is None else str(row.get(path) or ""),
        annotator=text_value(row.get("annotator")),
        at=time_value(row.get("labelled_at")),
    )

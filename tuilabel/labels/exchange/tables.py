"""Labels as tables: csv, jsonl, parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write
from tuilabel.labels.exchange.rows import LabelRow

COLUMNS = ("id", "path", "label", "annotator", "labelled_at", "seconds")
CHUNK = 20_000  # rows of Parquet that are put together at once


def write_csv(rows: Iterable[LabelRow], classes: Sequence[str], file: TextIO) -> int:
    """Write the columns `COLUMNS` and, where the first row has them, confidence and a `p_CLASS` for each class.

    Returns how many rows.
    """
    rows, confidence, probabilities = _look(rows)
    writer = csv.writer(file, lineterminator="\n")
    extra = [*(["confidence"] if confidence else []), *(f"p_{name}" for name in classes if probabilities)]
    writer.writerow((*COLUMNS, *extra))
    written = 0
    for written, row in enumerate(rows, 1):  # noqa: B007
        at = "" if row.labelled_at is None else row.labelled_at.isoformat(timespec="milliseconds")
        seconds = "" if row.seconds is None else f"{row.seconds:.3f}"
        line: list[str] = [row.id, row.path, row.label, row.annotator, at, seconds]
        if confidence:
            line.append("" if row.confidence is None else f"{row.confidence:.6f}")
        if probabilities:
            line.extend(f"{p:.6f}" for p in row.probabilities or ())
        writer.writerow(line)
    return written


def write_jsonl(rows: Iterable[LabelRow], classes: Sequence[str], file: TextIO) -> int:
    """Write one object a line, with the same names; `probabilities` is an object by class. Returns how many."""
    written = 0
    for written, row in enumerate(rows, 1):  # noqa: B007
        document: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS}
        if row.labelled_at is not None:
            document["labelled_at"] = row.labelled_at.isoformat(timespec="milliseconds")
        if row.confidence is not None:
            document["confidence"] = row.confidence
        if row.probabilities is not None:
            document["probabilities"] = dict(zip(classes, row.probabilities, strict=True))
        file.write(json.dumps(document) + "\n")
    return written


def write_parquet(rows: Iterable[LabelRow], classes: Sequence[str], out: Path) -> int:
    """Write the columns of `write_csv` with their types: text, a time in UTC, double, float. Returns how many rows."""
    import pyarrow as pa
    from pyarrow import parquet

    rows, confidence, probabilities = _look(rows)
    fields = [
        *((name, pa.string()) for name in COLUMNS[:4]),
        ("labelled_at", pa.timestamp("ms", tz="UTC")),
        ("seconds", pa.float64()),
        *([("confidence", pa.float32())] if confidence else []),
        *((f"p_{name}", pa.float32()) for name in classes if probabilities),
    ]
    schema = pa.schema([pa.field(_utf8(name), kind) for name, kind in fields])
    written = 0
    with atomic_write(out) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for chunk in _chunks(rows):
            columns: list[list[Any]] = [[_utf8(getattr(row, name)) for row in chunk] for name in COLUMNS[:4]]
            columns += [[row.labelled_at for row in chunk], [row.seconds for row in chunk]]
            if confidence:
                columns.append([row.confidence for row in chunk])
            if probabilities:
                columns += [[(row.probabilities or ())[k] for row in chunk] for k in range(len(classes))]
            arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            written += len(chunk)
    return written


def open_text(path: Path) -> TextIO:
    """A file for writing text; file names that are no UTF-8 are written as the bytes they are."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def check_new(out: Path, force: bool) -> None:
    """Raise `TuilabelError` where there is something at `out` that must not be overwritten."""
    if out.is_dir():
        raise TuilabelError(f"{out} is a directory, and this format is one file: name another --out")
    if (out.exists() or out.is_symlink()) and not force:
        raise TuilabelError(f"{out} is there already: give --force to overwrite it, or another --out")


def _look(rows: Iterable[LabelRow]) -> tuple[Iterable[LabelRow], bool, bool]:
    """The rows, and whether they have confidences and probabilities, as the first one says."""
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return (), False, False
    return chain([first], rest), first.confidence is not None, first.probabilities is not None


def _chunks(rows: Iterable[LabelRow]) -> Iterator[list[LabelRow]]:
    chunk: list[LabelRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _utf8(text: str) -> str:
    """The text without what UTF-8 cannot say: a byte of a file name that is none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

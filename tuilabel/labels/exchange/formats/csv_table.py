"""`csv`: a table in text."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange.base import Format, ImportedLabel, ImportOptions
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import COLUMNS, find_columns, imported_row, peek
from tuilabel.labels.exchange.text_files import text_file_writer


def write_csv(rows: Iterable[LabelRow], classes: Sequence[str], file: TextIO) -> int:
    """Write the columns `COLUMNS` and, if the first row has them, confidence and a `p_CLASS` for each class.

    Returns the number of rows.
    """
    rows, confidence, probabilities = peek(rows)
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


def read_csv(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read a table with a header; the delimiter is a comma, a semicolon or a tab."""
    csv.field_size_limit(2**31 - 1)
    with source.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        table = csv.DictReader(file, delimiter=delimiter)
        path, label = find_columns(table.fieldnames or (), options, source)
        try:
            for row in table:
                yield imported_row(row, f"line {table.line_num}", path, label)
        except csv.Error as error:
            raise TuilabelError(f"{source}, line {table.line_num}, is not CSV: {error}") from error


FORMAT = Format(
    "csv",
    "file",
    writer=text_file_writer(write_csv),
    reader=read_csv,
    stream=write_csv,
    suffixes=(".csv", ".tsv", ".txt"),
)

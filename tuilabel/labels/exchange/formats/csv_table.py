"""`csv`: a table in text."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TextIO

from tuilabel.labels.exchange.base import Format
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import COLUMNS, MARKS, TableRows, read_table
from tuilabel.labels.exchange.text_files import text_file_writer


def write_csv(rows: Iterable[LabelRow], classes: Sequence[str], file: TextIO) -> int:
    """Write the columns `COLUMNS` and, where there are any, `MARKS`; for predictions confidence and `p_CLASS` by class.

    Returns the number of rows with a label.
    """
    table = TableRows.of(rows)
    writer = csv.writer(file, lineterminator="\n")
    extra = ["confidence"] if table.confidence else [*MARKS] if table.marks else []
    writer.writerow((*COLUMNS, *extra, *(f"p_{name}" for name in classes if table.probabilities)))
    written = 0
    for row in table.rows:
        written += bool(row.label)
        at = "" if row.labelled_at is None else row.labelled_at.isoformat(timespec="milliseconds")
        seconds = "" if row.seconds is None else f"{row.seconds:.3f}"
        line: list[str] = [row.id, row.path, row.label, row.annotator, at, seconds]
        if table.confidence:
            line.append("" if row.confidence is None else f"{row.confidence:.6f}")
        if table.marks:
            line += [str(row.flagged).lower(), row.flagged_by, row.note, row.noted_by]
        if table.probabilities:
            line.extend(f"{p:.6f}" for p in row.probabilities or ())
        writer.writerow(line)
    return written


FORMAT = Format(
    "csv",
    "file",
    writer=text_file_writer(write_csv),
    reader=partial(read_table, kind="csv"),
    stream=write_csv,
    suffixes=(".csv", ".tsv", ".txt"),
    without_label=True,
)

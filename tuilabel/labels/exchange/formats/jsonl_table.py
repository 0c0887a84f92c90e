"""`jsonl`: a table of one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TextIO

from tuilabel.labels.exchange.base import Format
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import COLUMNS, MARKS, TableRows, read_table
from tuilabel.labels.exchange.text_files import text_file_writer


def write_jsonl(rows: Iterable[LabelRow], classes: Sequence[str], file: TextIO) -> int:
    """Write the columns of `csv` as keys; `probabilities` is an object by class. Returns the number with a label."""
    written = 0
    table = TableRows.of(rows)
    names = (*COLUMNS, *MARKS) if table.marks else COLUMNS
    for row in table.rows:
        written += bool(row.label)
        document: dict[str, Any] = {name: getattr(row, name) for name in names}
        if row.labelled_at is not None:
            document["labelled_at"] = row.labelled_at.isoformat(timespec="milliseconds")
        if row.confidence is not None:
            document["confidence"] = row.confidence
        if row.probabilities is not None:
            document["probabilities"] = dict(zip(classes, row.probabilities, strict=True))
        file.write(json.dumps(document) + "\n")
    return written


FORMAT = Format(
    "jsonl",
    "file",
    writer=text_file_writer(write_jsonl),
    reader=partial(read_table, kind="jsonl"),
    stream=write_jsonl,
    suffixes=(".jsonl", ".ndjson"),
    without_label=True,
)

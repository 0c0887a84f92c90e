"""`jsonl`: a table of one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from tuilabel.labels.exchange.base import Format, ImportedLabel, ImportOptions
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import COLUMNS, find_columns, imported_row
from tuilabel.labels.exchange.text_files import json_lines, text_file_writer


def write_jsonl(rows: Iterable[LabelRow], classes: Sequence[str], file: TextIO) -> int:
    """Write the columns of `csv` as keys; `probabilities` is an object by class. Returns the number of rows."""
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


def read_jsonl(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read one object per line; the first one determines the columns."""
    columns: tuple[str | None, str] | None = None
    for where, row in json_lines(source):
        columns = columns or find_columns(row, options, source)
        yield imported_row(row, where, *columns)


FORMAT = Format(
    "jsonl",
    "file",
    writer=text_file_writer(write_jsonl),
    reader=read_jsonl,
    stream=write_jsonl,
    suffixes=(".jsonl", ".ndjson"),
)

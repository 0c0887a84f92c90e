"""`parquet`: a table with types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.extras import require
from tuilabel.files import atomic_write
from tuilabel.labels.exchange.base import ExportOptions, Format, WriteResult
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import COLUMNS, MARKS, TableRows, read_table
from tuilabel.labels.exchange.text_files import check_new_file

CHUNK = 20_000  # rows per row group, which bounds the memory


def write_parquet(
    rows: Iterable[LabelRow], classes: Sequence[str], _files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write the columns of `csv` with their types: text, a time in UTC, double, float."""
    require("pyarrow", "writing Parquet files")
    import pyarrow as pa
    from pyarrow import parquet

    check_new_file(out, options.force)
    table = TableRows.of(rows)
    marks = [(name, pa.bool_() if name == "flagged" else pa.string()) for name in MARKS if table.marks]
    fields = [
        *((name, pa.string()) for name in COLUMNS[:4]),
        ("labelled_at", pa.timestamp("ms", tz="UTC")),
        ("seconds", pa.float64()),
        *([("confidence", pa.float32())] if table.confidence else marks),
        *((f"p_{name}", pa.float32()) for name in classes if table.probabilities),
    ]
    schema = pa.schema([pa.field(utf8(name), kind) for name, kind in fields])
    written = 0
    with atomic_write(out) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for chunk in _chunks(table.rows):
            columns: list[list[Any]] = [[utf8(getattr(row, name)) for row in chunk] for name in COLUMNS[:4]]
            columns += [[row.labelled_at for row in chunk], [row.seconds for row in chunk]]
            if table.confidence:
                columns.append([row.confidence for row in chunk])
            if table.marks:
                columns.append([row.flagged for row in chunk])
                columns += [[utf8(getattr(row, name)) for row in chunk] for name in MARKS[1:]]
            if table.probabilities:
                columns += [[(row.probabilities or ())[k] for row in chunk] for k in range(len(classes))]
            arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            written += sum(bool(row.label) for row in chunk)
    return WriteResult(written)


def _chunks(rows: Iterable[LabelRow]) -> Iterator[list[LabelRow]]:
    chunk: list[LabelRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def utf8(text: str) -> str:
    """Text with escapes for the bytes of a file name that are not valid UTF-8: Parquet cannot hold those."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


FORMAT = Format(
    "parquet",
    "file",
    writer=write_parquet,
    reader=partial(read_table, kind="parquet"),
    suffixes=(".parquet",),
    without_label=True,
)

"""Latents in Parquet files, with pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.tables.base import (
    IDS,
    PATHS,
    Rows,
    TableFile,
    as_float32,
    check_shape,
    damaged,
    first_of,
    pick_vectors,
)
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.extras import require
from tuilabel.files import open_file

COMPACT = "tuilabel.compact"
"""What the metadata of a file call the number of columns that compare images best."""


class ParquetFile(TableFile):
    """A table with a column of vectors, and perhaps of ids and paths."""

    def __init__(self, path: Path) -> None:
        with self._parquet(path) as (file, pa):
            schema = file.schema_arrow
            lists = [field.name for field in schema if _is_list_of_numbers(pa, field.type)]
            available = [f"{field.name}: {str(field.type)[:30]}" for field in schema]
            self._vectors = pick_vectors(path, lists, "column", available)
            keys = [field.name for field in schema if _is_key(pa, field.type)]
            self._ids, self._paths = (first_of(words, keys) for words in (IDS, PATHS))
            self._columns = [name for name in (self._ids, self._paths, self._vectors) if name is not None]
            dims = (self._dim(pa, batch) for batch in file.iter_batches(64, columns=[self._vectors]))
            dim = next((dim for dim in dims if dim), 0)
            n_rows = int(file.metadata.num_rows)
            noted = (schema.metadata or {}).get(COMPACT.encode(), b"")
        check_shape(path, (n_rows, dim))
        super().__init__(path, n_rows, dim, has_keys=bool(self._ids or self._paths))
        self.compact = int(noted) if noted.isdigit() and 0 < int(noted) <= dim else None

    @classmethod
    def of_shard(cls, path: Path) -> ParquetFile | None:
        """One file of a folder; None if none of its images could be read, so that it has no rows."""
        with cls._parquet(path) as (file, _):
            is_empty = file.metadata.num_rows == 0
        return None if is_empty else cls(path)

    def rows(self) -> Iterator[Rows]:
        """See `TableFile.rows`."""
        start = 0
        with self._parquet(self.path) as (file, pa):
            for batch in file.iter_batches(self._chunk, columns=self._columns):
                ids, paths = (None if name is None else _column_texts(batch[name]) for name in (self._ids, self._paths))
                yield Rows(start, self._float32(pa, batch[self._vectors], start), ids, paths)
                start += batch.num_rows

    def _float32(self, pa: Any, column: Any, start: int) -> NDArray[np.float32]:
        """A chunk of the vectors, NaN where there is none."""
        import pyarrow.compute as pc

        column = column.storage if isinstance(column, pa.ExtensionArray) else column
        lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        there = np.flatnonzero(lengths)
        wrong = there[lengths[there] != self.dim]
        if len(wrong):
            raise UsageError(
                f"{self.path} has vectors of different lengths: {self.dim}, and {lengths[wrong[0]]} in row "
                f"{start + wrong[0]:,}"
            )
        values = column.flatten().to_numpy(zero_copy_only=False)
        if len(there) == len(column):
            return as_float32(values.reshape(-1, self.dim))
        vectors = np.full((len(column), self.dim), np.nan, dtype=np.float32)
        vectors[there] = as_float32(values.reshape(-1, self.dim))
        return vectors

    @staticmethod
    def _dim(pa: Any, batch: Any) -> int:
        import pyarrow.compute as pc

        column = batch.column(0)
        column = column.storage if isinstance(column, pa.ExtensionArray) else column
        return int(pc.max(pc.list_value_length(column)).as_py() or 0)

    @staticmethod
    @contextmanager
    def _parquet(path: Path) -> Iterator[tuple[Any, Any]]:
        """The open file, and pyarrow, which takes 0.1 s to import and is rarely needed."""
        require("pyarrow", "reading Parquet files")
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with open_file(path) as file:
                # with other settings it would hold a whole row group, which may be the file
                yield parquet.ParquetFile(file, buffer_size=2**20, pre_buffer=False), pa
        except TuilabelError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise damaged(path, error) from error


def _is_list_of_numbers(pa: Any, kind: Any) -> bool:
    kind = getattr(kind, "storage_type", kind)
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return False
    return bool(pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))


def _is_key(pa: Any, kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_integer)
    return any(check(kind) for check in checks)


def _column_texts(column: Any) -> list[str]:
    """Ids or paths as text; numbers in decimal, "" for null."""
    return [
        "" if value is None
        else value.decode("utf-8", "surrogateescape") if isinstance(value, bytes)
        else str(value)
        for value in column.to_pylist()
    ]  # fmt: skip

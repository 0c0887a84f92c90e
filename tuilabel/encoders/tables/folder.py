"""Latents in a folder of Parquet files, as `tuilabel encode` writes them for many images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tuilabel.encoders.tables.base import Rows, TableFile
from tuilabel.encoders.tables.parquet import ParquetFile
from tuilabel.errors import TuilabelError, UsageError

_END = 2**13  # bytes


class FolderOfTables(TableFile):
    """All `.parquet` files in a folder, sorted by name, as one table; hidden ones, with a `.` or `_`, are left out.

    Raises
    ------
    UsageError : if there are none, they do not have ids or paths, or their vectors differ in length.
    TuilabelError : if one is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            files = sorted(
                file for file in path.iterdir() if file.suffix.lower() == ".parquet" and file.name[0] not in "._"
            )
        except OSError as error:
            raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
        self._tables = [table for file in files if (table := ParquetFile.of_shard(file)) is not None]
        if not self._tables:
            raise UsageError(f"latents must be a table of numbers, or a folder of .parquet files: {path} has none")
        first = self._tables[0]
        for table in self._tables:
            if not table.has_keys:
                raise UsageError(f"{table.path} must have ids or paths: the files of a folder have no order")
            if table.dim != first.dim:
                raise UsageError(
                    f"latents must all be of one length: {first.path} has {first.dim:,} numbers in a row, {table.path} "
                    f"{table.dim:,}"
                )
        super().__init__(path, sum(table.n_rows for table in self._tables), first.dim, has_keys=True)
        self.compact = first.compact

    def rows(self) -> Iterator[Rows]:
        """See `TableFile.rows`."""
        start = 0
        for table in self._tables:
            for rows in table.rows():
                yield replace(rows, start=start + rows.start)
            start += table.n_rows


def folder_digest(path: Path) -> str:
    """A digest of the tables in a folder, 16 hexadecimal digits: of names, sizes and ends of the files.

    The end of a Parquet file says where its columns are and between which values, which reads faster than gigabytes.

    Raises
    ------
    TuilabelError : if a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    try:
        for file in _files(path):
            with file.open("rb") as opened:
                size = opened.seek(0, os.SEEK_END)
                opened.seek(max(0, size - _END))
                digest.update(f"{file.name}|{size}|".encode(errors="surrogateescape") + opened.read())
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.suffix.lower() == ".parquet" and file.name[0] not in "._")

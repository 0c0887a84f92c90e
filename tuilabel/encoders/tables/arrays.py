"""Latents in numpy's files: .npy, memory-mapped, and .npz, read as a stream."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.storage import HALF, SINGLE
from tuilabel.encoders.tables.base import (
    IDS,
    PATHS,
    Rows,
    TableFile,
    as_float32,
    check_shape,
    damaged,
    first_of,
    holds_objects,
    pick_vectors,
)
from tuilabel.errors import UsageError
from tuilabel.files import open_file

_NO_KEYS = ("label", "labels", "class", "classes", "target", "targets", "y", "split")
_MAX_HEADER = 10_000  # bytes of a .npy header that numpy parses
_ZIP_ERRORS = (ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class _Header:
    """The header of an array in numpy's format."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def read(cls, file: IO[bytes]) -> _Header:
        """Read it; raises ValueError if it is damaged."""
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError("not a plain array")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read(file, max_header_size=_MAX_HEADER)
        return cls(shape, fortran_order, dtype, file.tell())

    @property
    def is_table(self) -> bool:
        """Whether it is an array of numbers (N, D)."""
        return len(self.shape) == 2 and self.dtype.kind in "fiu"

    @property
    def stored(self) -> np.dtype[Any]:
        """In which its numbers are kept: half precision as it is, all others in single precision."""
        return HALF if self.dtype.kind == "f" and self.dtype.itemsize == HALF.itemsize else SINGLE

    @property
    def is_text(self) -> bool:
        """Whether it is a list of texts (N,)."""
        return len(self.shape) == 1 and self.dtype.kind in "US"

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def check_length(self, size: int) -> None:
        """Raise ValueError if the array does not fit in `size` bytes."""
        if self.offset + math.prod(self.shape) * self.dtype.itemsize > size:
            raise ValueError("truncated")

    def __str__(self) -> str:
        return f"{self.dtype} {' × '.join(map(str, self.shape)) or 'single value'}"


class NpyFile(TableFile):
    """One array (N, D), memory-mapped."""

    def __init__(self, path: Path) -> None:
        try:
            with open_file(path) as file:
                header = _Header.read(file)
                header.check_length(os.fstat(file.fileno()).st_size)
        except (ValueError, EOFError, OSError) as error:
            raise damaged(path, error) from error
        if header.dtype.hasobject:
            raise holds_objects(path)
        if not header.is_table:
            raise UsageError(f"{path} must hold a table of numbers (N, D), not {header}: save one with numpy.save")
        check_shape(path, header.shape)
        super().__init__(path, *header.shape, has_keys=False)
        self.dtype = header.stored

    def rows(self) -> Iterator[Rows]:
        """See `TableFile.rows`."""
        try:
            mapped: NDArray[Any] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise damaged(self.path, error) from error
        for start in range(0, self.n_rows, self._chunk):
            yield Rows(start, as_float32(mapped[start : start + self._chunk]), None, None)


class NpzFile(TableFile):
    """An array (N, D) and perhaps ids and names, (N,) each, in a .npz file, read as a stream."""

    def __init__(self, path: Path) -> None:
        try:
            with open_file(path) as file, zipfile.ZipFile(file) as archive:
                headers = {name: _member(archive, info) for name, info in _members(archive).items()}
        except (*_ZIP_ERRORS, OSError) as error:
            raise damaged(path, error) from error
        tables = [name for name, header in headers.items() if header.is_table]
        if not tables and any(header.dtype.hasobject for header in headers.values()):
            raise holds_objects(path)
        available = [f"{name}: {header}" for name, header in headers.items()]
        self._vectors = pick_vectors(path, tables, "array", available)
        header = headers[self._vectors]
        n_rows, dim = header.shape
        check_shape(path, (n_rows, dim))
        self._ids, self._paths = self._keys(path, headers, n_rows)
        self._in_order = not header.fortran_order
        super().__init__(path, n_rows, dim, has_keys=bool(self._ids or self._paths))
        self.dtype = header.stored

    @staticmethod
    def _keys(path: Path, headers: dict[str, _Header], n_rows: int) -> tuple[str | None, str | None]:
        """The arrays of ids and of paths."""
        keys = []
        for words in (IDS, PATHS):
            name = first_of(words, headers)
            if name is not None and headers[name].dtype.hasobject:
                raise holds_objects(path, name)
            if name is not None and headers[name].is_table:
                name = None  # `images`, perhaps
            if name is not None and headers[name].shape != (n_rows,):
                raise UsageError(f"{path} has {n_rows:,} vectors, but {name} is {headers[name]}: save one for each row")
            keys.append(name if name is not None and headers[name].dtype.kind in "USiu" else None)
        texts = [
            name
            for name, header in headers.items()
            if header.is_text and header.shape == (n_rows,) and name.lower() not in _NO_KEYS
        ]
        if keys == [None, None] and len(texts) == 1:
            return None, texts[0]
        return keys[0], keys[1]

    def rows(self) -> Iterator[Rows]:
        """See `TableFile.rows`."""
        try:
            with open_file(self.path) as file, zipfile.ZipFile(file) as archive:
                blocks = [
                    repeat(None) if name is None else _blocks(archive, name, self._chunk)
                    for name in (self._vectors, self._ids, self._paths)
                ]
                start = 0
                for vectors, ids, paths in zip(*blocks):  # noqa: B905 - those that are None have no end
                    yield Rows(start, as_float32(vectors), _texts(ids), _texts(paths))
                    start += len(vectors)
        except (*_ZIP_ERRORS, OSError) as error:
            raise damaged(self.path, error) from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Header:
    with archive.open(info) as file:
        header = _Header.read(file)
    if not header.dtype.hasobject:
        header.check_length(info.file_size)
    return header


def _blocks(archive: zipfile.ZipFile, name: str, n: int) -> Iterator[NDArray[Any]]:
    """The rows of an array, n at a time."""
    with archive.open(f"{name}.npy") as file:
        header = _Header.read(file)
        whole = None
        if header.fortran_order and len(header.shape) > 1:  # its rows do not follow one another
            whole = np.frombuffer(file.read(), header.dtype).reshape(header.shape, order="F")
        for start in range(0, header.shape[0], n):
            shape = (min(n, header.shape[0] - start), *header.shape[1:])
            if whole is not None:
                yield whole[start : start + n]
                continue
            data = file.read(shape[0] * header.row_bytes)
            yield np.frombuffer(data, header.dtype).reshape(shape)  # ValueError if the file ends before


def _texts(block: NDArray[Any] | None) -> list[str] | None:
    """Ids or paths as text; numbers in decimal."""
    if block is None:
        return None
    if block.dtype.kind == "S":
        return [text.decode("utf-8", "surrogateescape") for text in block.tolist()]
    return [str(value) for value in block.tolist()]

"""Files of latents, .npy, .npz and .parquet: read and written in chunks of rows. Nothing is ever unpickled."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.files import atomic_write, open_file

SUFFIXES = (".npy", ".npz", ".parquet")

_OURS = ("vectors", "vector", "latents", "latent")
_VECTORS = ("embeddings", "embedding", "emb", "features", "feature", "feats", "x", "z", "arr_0")
_IDS = ("id", "ids", "item", "items", "item_id", "item_ids", "image_id", "image_ids")
_PATHS = (
    *("path", "paths", "name", "names", "file_name", "file_names", "filename", "filenames", "file", "files"),
    *("filepath", "file_path", "image_path", "image_paths", "img_path", "image", "images", "img"),
)
_NO_KEYS = ("label", "labels", "class", "classes", "target", "targets", "y", "split")
_CHUNK = 2**21  # numbers that are read at a time
_MAX_HEADER = 10_000  # bytes of a .npy header that numpy parses
_ZIP_ERRORS = (ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, one after another.

    Attributes
    ----------
    start : the position of the first one in the table.
    vectors : float32 (n, D); NaN where a row has no vector.
    ids, paths : of each row, "" where it has none; None if the table has no such column.
    """

    start: int
    vectors: NDArray[np.float32]
    ids: Sequence[str] | None
    paths: Sequence[str] | None


class TableFile(ABC):
    """A table of latents in a file, of which only the header has been read.

    Attributes
    ----------
    n_rows, dim : its shape.
    has_keys : whether its rows have an id or a path; else only their order says which images they are.
    """

    def __init__(self, path: Path, n_rows: int, dim: int, *, has_keys: bool) -> None:
        self.path, self.n_rows, self.dim, self.has_keys = path, n_rows, dim, has_keys

    @abstractmethod
    def rows(self) -> Iterator[Rows]:
        """All rows, a few megabytes at a time; raises `TuilabelError` if the file is damaged."""

    def array(self) -> NDArray[np.float32] | None:
        """The whole table, memory-mapped, if it is stored as one array float32 (N, D)."""
        return None

    @property
    def _chunk(self) -> int:
        return max(1, _CHUNK // self.dim)


def open_table(path: Path) -> TableFile:
    """Open a table of latents; its content decides the format, not its name.

    Raises
    ------
    TuilabelError : if the file cannot be read, or is damaged.
    UsageError : if it does not hold a table of numbers.
    """
    try:
        with open_file(path) as file:
            magic = file.read(6)
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    kinds: dict[bytes, type[_Npy | _Npz | _Parquet]] = {b"\x93NUM": _Npy, b"PK\x03\x04": _Npz, b"PAR1": _Parquet}
    kind = kinds.get(magic[:4])
    if kind is None:
        found = "is empty" if not magic else "is neither of these, or damaged"
        raise UsageError(f"latents must be a table of numbers, a .npy, .npz or .parquet file: {path} {found}")
    return kind(path)


# -- arrays ------------------------------------------------------------------------------------------------------------


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


class _Npy(TableFile):
    """One array (N, D), memory-mapped."""

    def __init__(self, path: Path) -> None:
        try:
            with open_file(path) as file:
                header = _Header.read(file)
                header.check_length(os.fstat(file.fileno()).st_size)
        except (ValueError, EOFError, OSError) as error:
            raise _damaged(path, error) from error
        if header.dtype.hasobject:
            raise _objects(path)
        if not header.is_table:
            raise UsageError(f"{path} must hold a table of numbers (N, D), not {header}: save one with numpy.save")
        _check_shape(path, header.shape)
        super().__init__(path, *header.shape, has_keys=False)

    def array(self) -> NDArray[np.float32] | None:
        rows = self._mapped()
        return rows if rows.dtype == np.float32 else None

    def rows(self) -> Iterator[Rows]:
        mapped = self._mapped()
        for start in range(0, self.n_rows, self._chunk):
            yield Rows(start, _as_float32(mapped[start : start + self._chunk]), None, None)

    def _mapped(self) -> NDArray[Any]:
        try:
            rows: NDArray[Any] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise _damaged(self.path, error) from error
        return rows


class _Npz(TableFile):
    """An array (N, D) and perhaps ids and names, (N,) each, in a .npz file, read as a stream."""

    def __init__(self, path: Path) -> None:
        try:
            with open_file(path) as file, zipfile.ZipFile(file) as archive:
                headers = {name: _member(archive, info) for name, info in _members(archive).items()}
        except (*_ZIP_ERRORS, OSError) as error:
            raise _damaged(path, error) from error
        tables = [name for name, header in headers.items() if header.is_table]
        if not tables and any(header.dtype.hasobject for header in headers.values()):
            raise _objects(path)
        available = [f"{name}: {header}" for name, header in headers.items()]
        self._vectors = _pick_vectors(path, tables, "array", available)
        header = headers[self._vectors]
        n_rows, dim = header.shape
        _check_shape(path, (n_rows, dim))
        self._ids, self._paths = self._keys(path, headers, n_rows)
        self._in_order = not header.fortran_order
        super().__init__(path, n_rows, dim, has_keys=bool(self._ids or self._paths))

    @staticmethod
    def _keys(path: Path, headers: dict[str, _Header], n_rows: int) -> tuple[str | None, str | None]:
        """The arrays of ids and of paths."""
        keys = []
        for words in (_IDS, _PATHS):
            name = _first(words, headers)
            if name is not None and headers[name].dtype.hasobject:
                raise _objects(path, name)
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
                    yield Rows(start, _as_float32(vectors), _texts(ids), _texts(paths))
                    start += len(vectors)
        except (*_ZIP_ERRORS, OSError) as error:
            raise _damaged(self.path, error) from error


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


# -- parquet -----------------------------------------------------------------------------------------------------------


class _Parquet(TableFile):
    """A table with a column of vectors, and perhaps of ids and paths."""

    def __init__(self, path: Path) -> None:
        with self._parquet(path) as (file, pa):
            schema = file.schema_arrow
            lists = [field.name for field in schema if _is_list_of_numbers(pa, field.type)]
            available = [f"{field.name}: {str(field.type)[:30]}" for field in schema]
            self._vectors = _pick_vectors(path, lists, "column", available)
            keys = [field.name for field in schema if _is_key(pa, field.type)]
            self._ids, self._paths = (_first(words, keys) for words in (_IDS, _PATHS))
            self._columns = [name for name in (self._ids, self._paths, self._vectors) if name is not None]
            first = next(iter(file.iter_batches(1, columns=[self._vectors])), None)
            dims = (self._dim(pa, batch) for batch in file.iter_batches(64, columns=[self._vectors]))
            dim = 0 if first is None else next((dim for dim in dims if dim), 0)
            n_rows = int(file.metadata.num_rows)
        _check_shape(path, (n_rows, dim))
        super().__init__(path, n_rows, dim, has_keys=bool(self._ids or self._paths))

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
            return _as_float32(values.reshape(-1, self.dim))
        vectors = np.full((len(column), self.dim), np.nan, dtype=np.float32)
        vectors[there] = _as_float32(values.reshape(-1, self.dim))
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
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with open_file(path) as file:
                # with other settings it would hold a whole row group, which may be the file
                yield parquet.ParquetFile(file, buffer_size=2**20, pre_buffer=False), pa
        except TuilabelError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(path, error) from error


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


# -- names and errors --------------------------------------------------------------------------------------------------


def _first(words: Sequence[str], names: Iterable[str]) -> str | None:
    """The name that is the first of `words`, in upper or lower case; None if there is none."""
    by_word = {name.strip().lower(): name for name in names}
    return next((by_word[word] for word in words if word in by_word), None)


def _pick_vectors(path: Path, candidates: Sequence[str], what: str, available: Sequence[str]) -> str:
    """The array or column of vectors: one named like ours, or the only one of a usual name, or the only one at all."""
    ours = _first(_OURS, candidates)
    if ours is not None:
        return ours
    usual = [name for name in candidates if name.strip().lower() in _VECTORS]
    for names in (usual, candidates):
        if len(names) == 1:
            return names[0]
    has = printable(", ".join(available[:6])) or "nothing"
    if candidates:
        raise UsageError(f"{path} has several {what}s of vectors: call the one to use `vectors` (it has {has})")
    numbers = "a list of numbers in each row" if what == "column" else "numbers (N, D)"
    raise UsageError(f"{path} has no {what} of vectors: call one `vectors`, {numbers} (it has {has})")


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    n_rows, dim = shape
    if not n_rows or not dim:
        raise UsageError(f"{path} must hold at least one vector of at least one number, got {n_rows:,} of {dim}")


def _as_float32(block: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values are counted
        return block.astype(np.float32, copy=False)


def _objects(path: Path, name: str = "") -> UsageError:
    what = f"{name} in {path}" if name else f"{path}"
    kind = "text, `np.array(names, dtype=str)`" if name else "numbers, `np.array(vectors, dtype=np.float32)`"
    return UsageError(f"{what} holds Python objects, which are never loaded: save {kind}")


def _damaged(path: Path, error: Exception) -> TuilabelError:
    reason = printable(" ".join(str(getattr(error, "strerror", None) or error).split()))[:80] or type(error).__name__
    return TuilabelError(f"{path} cannot be read as a table of latents, it is damaged or truncated: {reason}")


# -- writing -----------------------------------------------------------------------------------------------------------


def check_table_path(path: Path) -> None:
    """Check the name of a table to be written; raises `UsageError` for another suffix, `TuilabelError` for a folder."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot tell the format of {path}: its name must end in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise TuilabelError(f"{path} is a directory: name a file in it")


def write_with_keys(path: Path, ids: Sequence[str], paths: Sequence[str], parts: Sequence[NDArray[np.float32]]) -> None:
    """Write ids, paths and vectors to a .npz or .parquet file, in chunks.

    Parameters
    ----------
    ids, paths : of each row.
    parts : arrays float32 (n, D), one after another.

    Raises
    ------
    TuilabelError : if it cannot be written.
    """
    write = _write_parquet if path.suffix.lower() == ".parquet" else _write_npz
    with atomic_write(path) as temporary:
        write(temporary, ids, paths, parts)


def _write_npz(path: Path, ids: Sequence[str], paths: Sequence[str], parts: Sequence[NDArray[np.float32]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, texts in (("ids", ids), ("paths", paths)):
            longest = max(1, *map(len, texts))
            blocks = (np.array(texts[a:b], f"<U{longest}") for a, b in _slices(len(texts), longest))
            _write_member(archive, name, f"<U{longest}", (len(texts),), blocks)
        dim = parts[0].shape[1]
        vectors = (part[a:b] for part in parts for a, b in _slices(len(part), dim))
        _write_member(archive, "vectors", "<f4", (len(ids), dim), vectors)


def _write_member(
    archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]
) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype=dtype).tobytes())


def _write_parquet(path: Path, ids: Sequence[str], paths: Sequence[str], parts: Sequence[NDArray[np.float32]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("id", pa.string()), ("path", pa.string()), ("vector", pa.list_(pa.float32()))])
    begin, dim = 0, parts[0].shape[1]
    with parquet.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for part in parts:
            for a, b in _slices(len(part), dim):
                texts = [pa.array(map(_utf8, column[begin + a : begin + b]), pa.string()) for column in (ids, paths)]
                offsets = pa.array(np.arange(0, (b - a) * dim + 1, dim, dtype=np.int32))
                vectors = pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(part[a:b]).reshape(-1)))
                writer.write_batch(pa.record_batch([*texts, vectors], schema=schema))
            begin += len(part)


def _slices(n: int, dim: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CHUNK // dim)
    return ((start, min(start + step, n)) for start in range(0, n, step))


def _utf8(text: str) -> str:
    """Text that UTF-8 can encode: a file name may hold any bytes. The id still says which image it is."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")

"""Write latents with ids and paths to .npz and .parquet files, in chunks of rows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.tables.base import CHUNK
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.extras import require
from tuilabel.files import atomic_write

SUFFIXES = (".npy", ".npz", ".parquet")


def check_table_path(path: Path) -> None:
    """Check that a table can be written to `path`, before any work is done.

    Raises
    ------
    UsageError : if its suffix is not one of `SUFFIXES`.
    TuilabelError : if it is a directory, or the package that writes it is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot tell the format of {path}: its name must end in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise TuilabelError(f"{path} is a directory: name a file in it")
    if path.suffix.lower() == ".parquet":
        require("pyarrow", "writing Parquet files")


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
    write = write_parquet if path.suffix.lower() == ".parquet" else _write_npz
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


def write_parquet(
    path: Path,
    ids: Sequence[str],
    paths: Sequence[str],
    parts: Sequence[NDArray[np.float32]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write ids, paths and vectors to a Parquet file; see `write_with_keys`, but not atomically.

    Parameters
    ----------
    metadata : what else to note in the file.

    Raises
    ------
    OSError : if it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    columns = [("id", pa.string()), ("path", pa.string()), ("vector", pa.list_(pa.float32()))]
    schema = pa.schema(columns, metadata=metadata)
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
    step = max(1, CHUNK // dim)
    return ((start, min(start + step, n)) for start in range(0, n, step))


def _utf8(text: str) -> str:
    """Text that UTF-8 can encode: a file name may hold any bytes. The id still says which image it is."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")

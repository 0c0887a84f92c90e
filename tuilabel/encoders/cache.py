"""The cache of latents: files named by a hash of images and encoder, memory-mapped, extended as a pool grows.

Each ends with a checksum of its rows, after the array, where numpy does not look. Those of many items are in half
precision, see `storage`; files of earlier versions, in single precision, are read as they are.
"""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.storage import as_stored, check_room, gigabytes, stored_dtype
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write, cache_dir, open_file

OnProgress = Callable[[int, int], None]
"""Called with (images done, images in total)."""

_CHECKSUM = b"crc32 of the rows: "

_ROWS = 65_536  # rows that are written at once

DOWNLOADING = "downloading weights (bytes)"
"""What the progress of `Encoder.fetch` is called."""


def no_progress(_done: int, _total: int) -> None:
    """An `OnProgress` that does nothing."""


@dataclass(frozen=True)
class Latents:
    """Latents of a pool and its test split, read-only.

    Attributes
    ----------
    pool : float32 (N, D), a row for each item; float16 if there are many, or your own table is.
    test : the same (M, D), a row for each test image; None without a test split.
    path : the cache file that they are mapped from; None if they were computed in memory.
    compact : how many of the first columns compare images best, if the others are further features of them; else None.
    """

    pool: NDArray[Any]
    test: NDArray[Any] | None
    path: Path | None
    compact: int | None = None


def cache_path(pool: ImagePool, cache_key: str) -> Path:
    """The file for the latents of a pool by the encoder with this cache key.

    Its name depends on the content of the images and of the encoder, so that stale latents are never used.
    """
    return cache_dir() / "latents" / f"{pool.cache_name}-{cache_key}.npy"


def read_cached(pool: ImagePool, path: Path) -> Latents | None:
    """The latents that `write_cached` wrote for this pool; None if the file is missing, damaged or incomplete."""
    rows = _mapped(path)
    n = len(pool.images)
    m = 0 if pool.test is None else len(pool.test.images)
    if rows is None or len(rows) != n + m:
        return None
    return Latents(rows[:n], rows[n:] if m else None, path)


def write_cached(
    pool: ImagePool,
    path: Path,
    batches: Callable[[int], Iterator[NDArray[np.float32]]],
    on_progress: OnProgress = no_progress,
) -> Latents:
    """Write latents to `path`, atomically, and open them.

    If the pool has grown since `path` was written, only the new items are encoded.

    Parameters
    ----------
    batches : yields the latents of the pool's images, followed by the test split's, from the given row on.
    on_progress : called with (images done, images in total).

    Raises
    ------
    TuilabelError : if the cache cannot be written or read back; before anything but the first batch is encoded, if
        there is no room for it.
    """
    total = len(pool.images) + (0 if pool.test is None else len(pool.test.images))
    old = _mapped(path) if pool.can_grow and pool.test is None else None
    old = None if old is not None and len(old) > total else old
    done, dtype = 0 if old is None else len(old), stored_dtype(total)
    on_progress(done, total)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        written = checksum = 0
        for rows in chain([] if old is None else _blocks(old), batches(done)):
            if not written:
                width = rows.shape[1]
                check_room(path.parent, total * width * dtype.itemsize, f"the latents of {pool.name}")
                header = {"descr": dtype.str, "fortran_order": False, "shape": (total, width)}
                np.lib.format.write_array_header_1_0(file, header)
            for block in _blocks(rows):
                content = as_stored(block, dtype).tobytes()
                file.write(content)
                checksum = zlib.crc32(content, checksum)
            written += len(rows)
            on_progress(written, total)
        file.write(_CHECKSUM + checksum.to_bytes(4, "little"))
    latents = read_cached(pool, path)
    if latents is None:
        raise TuilabelError(f"the latents in {path} cannot be read back: check the disk, or set TUILABEL_CACHE")
    return latents


def digest_of(file: Path) -> str:
    """A digest of a file's content, 16 hexadecimal digits; raises `TuilabelError` if the file cannot be read."""
    try:
        with open_file(file) as opened:
            return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError as error:
        raise TuilabelError(f"cannot read {file}: {error.strerror or error}") from error


def _blocks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def _mapped(path: Path) -> NDArray[Any] | None:
    try:
        rows: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        status = path.stat()
        usable = rows.ndim == 2 and rows.dtype in (np.float32, np.float16)
        version = (status.st_ino, status.st_size, status.st_mtime_ns)
        return rows if usable and _is_whole(path, rows.nbytes, version) else None
    except OSError as error:
        if error.errno == errno.ENOMEM:  # encoding the images again would not help
            raise _too_large(path) from error
        return None
    except (ValueError, EOFError):
        return None


def _too_large(path: Path) -> TuilabelError:
    return TuilabelError(
        f"the latents in {path} ({gigabytes(path.stat().st_size)}) are larger than the memory that this process may "
        "address: raise the limit (`ulimit -v`)"
    )


@lru_cache(maxsize=64)
def _is_whole(path: Path, n_bytes: int, _version: tuple[int, int, int]) -> bool:
    """Whether a file of latents is as it was written: else models would learn from noise. Read once in each process."""
    checksum = 0
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_CHECKSUM) - 4))
        end = file.read()
        if not end.startswith(_CHECKSUM):
            return True  # written before there were checksums
        file.seek(size - len(end) - n_bytes)
        left = n_bytes
        while left and (content := file.read(min(left, 1 << 20))):
            checksum = zlib.crc32(content, checksum)
            left -= len(content)
    return checksum == int.from_bytes(end[-4:], "little")

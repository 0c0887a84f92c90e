"""The cache of latents: files named by a hash of images and encoder, memory-mapped, extended as a pool grows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write, cache_dir, open_file

OnProgress = Callable[[int, int], None]
"""Called with (images done, images in total)."""


DOWNLOADING = "downloading weights (bytes)"
"""What the progress of `Encoder.fetch` is called."""


def no_progress(_done: int, _total: int) -> None:
    """An `OnProgress` that does nothing."""


@dataclass(frozen=True)
class Latents:
    """Latents of a pool and its test split, read-only.

    Attributes
    ----------
    pool : float32 (N, D), a row for each item.
    test : float32 (M, D), a row for each test image; None without a test split.
    path : the cache file that they are mapped from; None if they were computed in memory.
    compact : how many of the first columns compare images best, if the others are further features of them; else None.
    """

    pool: NDArray[np.float32]
    test: NDArray[np.float32] | None
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
    TuilabelError : if the cache cannot be written or read back.
    """
    total = len(pool.images) + (0 if pool.test is None else len(pool.test.images))
    old = _mapped(path) if pool.can_grow and pool.test is None else None
    old = None if old is not None and len(old) > total else old
    done = 0 if old is None else len(old)
    on_progress(done, total)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        written = 0
        for rows in chain([] if old is None else [old], batches(done)):
            if not written:
                header = {"descr": "<f4", "fortran_order": False, "shape": (total, rows.shape[1])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(rows.astype("<f4").tobytes())
            written += len(rows)
            on_progress(written, total)
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


def _mapped(path: Path) -> NDArray[np.float32] | None:
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.ndim == 2 and rows.dtype == np.float32 else None

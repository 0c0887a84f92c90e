"""The posterior means of a pool: encoded once, cached by content, memory-mapped. Imports torch only to encode."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.vae.header import check_fits, read_header
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write, cache_dir

ENCODE_BATCH = 1000


@dataclass(frozen=True)
class Latents:
    """Rows of the pool (N, D) and of the test split (M, D), float32, read-only; memory-mapped from `path`, if any."""

    pool: NDArray[np.float32]
    test: NDArray[np.float32] | None
    path: Path | None


Rows = Callable[[slice], Iterator[NDArray[np.float32]]]
"""Gives the latents of some of the pool's images and, beyond its end, of the test split's, a batch at a time."""


def cached_latents(pool: ImagePool, checkpoint: Path) -> Latents | None:
    """The latents of `pool` under `checkpoint` if they are in the cache, whole; else None.

    The cache file is named by the content of the images and of the checkpoint, so a changed one of either never
    meets stale latents.
    """
    return read_cached(pool, cache_path(pool, digest_of(checkpoint)))


def encode_pool(
    pool: ImagePool,
    checkpoint: Path,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    any_size: bool = False,
) -> Latents:
    """The latents of `pool` and its test split, from the cache or encoded now and cached.

    Parameters
    ----------
    on_progress : called with (images done, images in all).
    any_size : take images of another size than those the checkpoint was trained on; they are resized.

    Raises
    ------
    TuilabelError : where the checkpoint is damaged or for other images, gives NaN, or the cache cannot be written.
    UsageError : where the device is not here.
    """
    cached = cached_latents(pool, checkpoint)
    if cached is not None:
        return cached
    check_fits(read_header(checkpoint), pool, any_size=any_size)

    def rows(part: slice) -> Iterator[NDArray[np.float32]]:
        return chain.from_iterable(_encoded(images, checkpoint, device) for images in images_of(pool, part))

    return write_cached(pool, cache_path(pool, digest_of(checkpoint)), rows, on_progress)


def images_of(pool: ImagePool, part: slice) -> list[NDArray[np.uint8]]:
    """The images of the pool followed by those of the test split, from `part.start` on."""
    images = [pool.images[part.start :]]
    if pool.test is not None:
        images.append(pool.test.images[max(0, part.start - len(pool.images)) :])
    return [rows for rows in images if len(rows)]


def read_cached(pool: ImagePool, path: Path) -> Latents | None:
    """What `write_cached` wrote for this pool, whole; None where there is nothing, or of another pool."""
    rows = _mapped(path)
    n_pool = len(pool.images)
    n_test = 0 if pool.test is None else len(pool.test.images)
    if rows is None or len(rows) != n_pool + n_test:
        return None
    return Latents(rows[:n_pool], rows[n_pool:] if n_test else None, path)


def write_cached(
    pool: ImagePool, path: Path, rows: Rows, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Latents:
    """Write the latents that `rows` gives to `path`, whole or not at all, and open them.

    Of a pool that has grown since `path` was written only what is new is encoded.

    Raises
    ------
    TuilabelError : where the cache cannot be written or read back.
    """
    total = len(pool.images) + (0 if pool.test is None else len(pool.test.images))
    known = _mapped(path) if pool.can_grow and pool.test is None else None
    known = None if known is not None and len(known) > total else known
    done = 0 if known is None else len(known)
    on_progress(done, total)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        parts = chain([] if known is None else [known], rows(slice(done, None)))
        written = 0
        for part in parts:
            if not written:
                header = {"descr": "<f4", "fortran_order": False, "shape": (total, part.shape[1])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(part.astype("<f4").tobytes())
            written += len(part)
            on_progress(written, total)
    latents = read_cached(pool, path)
    if latents is None:
        raise TuilabelError(f"the latents in {path} cannot be read back: check the disk, or set TUILABEL_CACHE")
    return latents


def cache_path(pool: ImagePool, encoder: str) -> Path:
    """The file for the latents of a pool by an encoder that is named by its content."""
    return cache_dir() / "latents" / f"{pool.cache_name}-{encoder}.npy"


def digest_of(file: Path) -> str:
    """16 hexadecimal digits of a file's content; raises `TuilabelError` where it cannot be read."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError as error:
        raise TuilabelError(f"cannot read {file}: {error.strerror or error}") from error


def encode_images(images: NDArray[np.uint8], checkpoint: Path, device: str = "auto") -> NDArray[np.float32]:
    """Latents, float32 (n, D), of images, uint8 (n, H, W, C) with n ≥ 1; nothing is cached.

    Raises
    ------
    TuilabelError : where the checkpoint is damaged or for images of another shape, or gives NaN.
    UsageError : where the device is not here.
    """
    wanted = read_header(checkpoint).image_shape
    if images.ndim != 4 or images.shape[1:] != wanted or images.dtype != np.uint8:
        raise TuilabelError(f"{checkpoint} is for uint8 images (n, {', '.join(map(str, wanted))}), not {images.shape}")
    return np.concatenate(list(_encoded(images, checkpoint, device)))


def _encoded(images: NDArray[np.uint8], checkpoint: Path, device: str) -> Iterator[NDArray[np.float32]]:
    """The latents of images, batch by batch."""
    import torch

    from tuilabel.encoders.device import precision, resolve_device, to_input
    from tuilabel.encoders.vae.checkpoint import load_checkpoint

    where = resolve_device(device)
    model, _ = load_checkpoint(checkpoint, where)
    for start in range(0, len(images), ENCODE_BATCH):
        with torch.inference_mode(), precision(where):
            means = model.latents(to_input(images[start : start + ENCODE_BATCH], model.config, where))
        rows: NDArray[np.float32] = means.cpu().numpy()
        if not np.isfinite(rows).all():
            raise TuilabelError(f"{checkpoint} gives latents that are no numbers: train it anew")
        yield rows


def _mapped(path: Path) -> NDArray[np.float32] | None:
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.ndim == 2 and rows.dtype == np.float32 else None

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
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write, cache_dir
from tuilabel.vae.header import check_fits, read_header

ENCODE_BATCH = 1000


@dataclass(frozen=True)
class Latents:
    """Means of the pool (N, D) and of the test split (M, D), float32, read-only, memory-mapped from `path`."""

    pool: NDArray[np.float32]
    test: NDArray[np.float32] | None
    path: Path


def cached_latents(pool: ImagePool, checkpoint: Path) -> Latents | None:
    """The latents of `pool` under `checkpoint` if they are in the cache, whole; else None.

    The cache file is named by the content of the images and of the checkpoint, so a changed one of either never
    meets stale latents.
    """
    path = _cache_path(pool, checkpoint)
    n_pool = len(pool.images)
    n_test = 0 if pool.test is None else len(pool.test.images)
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if rows.ndim != 2 or rows.dtype != np.float32 or len(rows) != n_pool + n_test:
        return None
    return Latents(rows[:n_pool], rows[n_pool:] if n_test else None, path)


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
    path = _cache_path(pool, checkpoint)
    parts = [pool.images] if pool.test is None else [pool.images, pool.test.images]
    total = sum(map(len, parts))

    with atomic_write(path) as temporary, temporary.open("wb") as file:
        done = 0
        on_progress(done, total)
        for rows in chain.from_iterable(_encoded(images, checkpoint, device) for images in parts):
            if not done:
                header = {"descr": "<f4", "fortran_order": False, "shape": (total, rows.shape[1])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(rows.astype("<f4").tobytes())
            done += len(rows)
            on_progress(done, total)
    latents = cached_latents(pool, checkpoint)
    if latents is None:
        raise TuilabelError(f"the latents in {path} cannot be read back: check the disk, or set TUILABEL_CACHE")
    return latents


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

    from tuilabel.vae.checkpoint import load_checkpoint
    from tuilabel.vae.device import precision, resolve_device, to_input

    where = resolve_device(device)
    model, _ = load_checkpoint(checkpoint, where)
    for start in range(0, len(images), ENCODE_BATCH):
        with torch.inference_mode(), precision(where):
            means, _ = model.encode(to_input(images[start : start + ENCODE_BATCH], model.config, where))
        rows: NDArray[np.float32] = means.float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise TuilabelError(f"{checkpoint} gives latents that are no numbers: train it anew")
        yield rows


def _cache_path(pool: ImagePool, checkpoint: Path) -> Path:
    try:
        digest = hashlib.blake2b(checkpoint.read_bytes(), digest_size=8).hexdigest()
    except OSError as error:
        raise TuilabelError(f"cannot read the checkpoint {checkpoint}: {error.strerror or error}") from error
    return cache_dir() / "latents" / f"{pool.name}-{pool.fingerprint[:16]}-{digest}.npy"

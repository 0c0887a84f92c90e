"""Latents of a pool, by whichever encoder: from the cache, or made now."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.datasets.decode import squared
from tuilabel.encoders.cache import Latents, cache_path, cached_latents, encode_pool, read_cached, write_cached
from tuilabel.encoders.choose import Encoder, own_rows
from tuilabel.encoders.pca import PCA
from tuilabel.errors import TuilabelError

OnProgress = Callable[[int, int], None]


def encode(
    encoder: Encoder,
    pool: ImagePool,
    device: str = "auto",
    on_progress: OnProgress = lambda _done, _total: None,
) -> Latents:
    """The latents of `pool` and its test split, from the cache or made now.

    Parameters
    ----------
    on_progress : called with (images done, images in all).

    Raises
    ------
    TuilabelError : where they cannot be made, or the cache cannot be written.
    UsageError : where the device is not here.
    """
    known = at_once(encoder, pool)
    if known is not None:
        return known
    if encoder.kind == "vae":
        assert encoder.path is not None
        return encode_pool(pool, encoder.path, device, on_progress)
    from tuilabel.encoders.backbone import encoded

    def rows(part: slice) -> Iterator[NDArray[np.float32]]:
        return encoded(encoder.name, pool, part.start, device)

    return write_cached(pool, cache_path(pool, encoder.name), rows, on_progress)


def at_once(encoder: Encoder, pool: ImagePool) -> Latents | None:
    """The latents if they can be had without waiting; else None. Raises `TuilabelError` as `encode`."""
    match encoder.kind:
        case "pca":
            pca = PCA.of(pool.images)
            return Latents(pca(pool.images), None if pool.test is None else pca(pool.test.images), None)
        case "own":
            return _own(encoder, pool)
        case "backbone":
            return read_cached(pool, cache_path(pool, encoder.name))
        case "vae":
            assert encoder.path is not None
            return cached_latents(pool, encoder.path)


def encode_others(
    encoder: Encoder,
    pool: ImagePool,
    others: ImagePool,
    device: str = "auto",
    on_progress: OnProgress = lambda _done, _total: None,
) -> NDArray[np.float32]:
    """Latents, float32 (M, D), of other images in the space of `pool`'s, whatever their size.

    Raises
    ------
    TuilabelError : as `encode`; where the images have other channels, or the latents are the person's own.
    """
    if encoder.kind == "own":
        raise TuilabelError(f"there are no latents of {others.name} in {encoder.path}: use a VAE for other images")
    if encoder.kind == "vae":
        assert encoder.path is not None
        return encode_pool(others, encoder.path, device, on_progress, any_size=True).pool
    if encoder.kind == "pca":
        height, width, channels = pool.images.shape[1:]
        images = np.stack([squared(image, height, width, channels) for image in others.images])
        return PCA.of(pool.images)(images)
    return encode(encoder, others, device, on_progress).pool


def by_file(pool: ImagePool, latents: Latents) -> NDArray[np.float32]:
    """A row for each file of your own images, sorted by name, NaN if it is not readable; of arrays, a row per item."""
    files = pool.rows_by_file()
    if files is None:
        return latents.pool
    rows = np.full((files.n_files, latents.pool.shape[1]), np.nan, dtype=np.float32)
    for pairs, part in ((files.pool, latents.pool), (files.test, latents.test)):
        if part is not None:
            rows[pairs[:, 0]] = part[pairs[:, 1]]
    return rows


def _own(encoder: Encoder, pool: ImagePool) -> Latents:
    assert encoder.path is not None
    rows = own_rows(encoder.path, pool)
    files = pool.rows_by_file()
    n, m = len(pool.images), 0 if pool.test is None else len(pool.test.images)
    if files is None:
        return Latents(rows[:n], rows[n:] if m and len(rows) > n else None, None)
    tables = []
    for pairs, length in ((files.pool, n), (files.test, m)):
        table = np.zeros((length, rows.shape[1]), dtype=np.float32)  # 0 for files that are gone: they are not queried
        table[pairs[:, 1]] = rows[pairs[:, 0]]
        tables.append(table)
    return Latents(tables[0], tables[1] if m else None, None)

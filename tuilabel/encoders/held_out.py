"""Latents of a pool with a held-out test split: the rows that the whole pool has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import HeldOut, ImagePool
from tuilabel.encoders.base import Encoder
from tuilabel.encoders.cache import Latents, OnProgress, no_progress, read_cached, write_cached

CHUNK = 4096  # rows


def encode_pool(
    encoder: Encoder, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress
) -> Latents:
    """The latents of a pool and its test split, from the cache or computed now; raises like `Encoder.encode`.

    Where a simulation holds out a part of your images they are those of all images, as a project has them.
    """
    if not isinstance(pool, HeldOut):
        return encoder.encode(pool, device, on_progress)
    whole = encoder.encode(pool.whole, device, on_progress)
    if whole.path is None:
        return Latents(whole.pool[pool.indices], whole.pool[pool.test_indices], None, whole.compact)

    def rows(start: int) -> Iterator[NDArray[np.float32]]:
        order = np.concatenate([pool.indices, pool.test_indices])
        return (whole.pool[order[begin : begin + CHUNK]] for begin in range(start, len(order), CHUNK))

    path = whole.path.with_name(f"{whole.path.stem}-{pool.fingerprint[:16]}.npy")
    return replace(read_cached(pool, path) or write_cached(pool, path, rows), compact=whole.compact)

"""The nearest neighbours of one item, by exact distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHUNK = 16_384  # rows whose distances are computed at once
SPARE = 8  # extra candidates for the exact distances: the first search is only accurate to a few digits


def nearest_items(features: NDArray[np.float32], index: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k items nearest to item `index`, not including the item itself.

    Parameters
    ----------
    features : float32 (N, D), may be memory-mapped; read in chunks.

    Returns
    -------
    Indices int64 (k,), nearest first, and Euclidean distances float32 (k,); fewer if there are fewer other items.
    """
    point = np.array(features[index], dtype=np.float32)
    squared = np.empty(len(features), dtype=np.float32)
    for start in range(0, len(features), CHUNK):
        rows = np.asarray(features[start : start + CHUNK])
        squared[start : start + CHUNK] = np.einsum("nd,nd->n", rows, rows) - 2 * (rows @ point)
    squared[index] = np.inf
    k = min(k, len(features) - 1)
    few = min(k + SPARE, len(features) - 1)
    candidates = np.sort(np.argpartition(squared, few - 1)[:few]) if few else np.empty(0, dtype=np.int64)
    distances = np.sqrt(np.square(features[candidates] - point).sum(axis=1))
    order = np.argsort(distances, kind="stable")[:k]
    return candidates[order].astype(np.int64), distances[order].astype(np.float32)

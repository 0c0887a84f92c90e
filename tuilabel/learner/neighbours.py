"""The nearest neighbours of items, by exact distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHUNK = 16_384  # rows whose distances are computed at once
SPARE = 8  # extra candidates for the exact distances: the first search is only accurate to a few digits


def nearest_items(features: NDArray[np.float32], index: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k items nearest to item `index`, not including the item itself; see `nearest_to_any`."""
    itself = np.array([index])
    return nearest_to_any(features, features[itself], k, itself)


def nearest_to_any(
    features: NDArray[np.float32], points: NDArray[np.float32], k: int, excluded: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k items that are nearest to any of some points.

    Parameters
    ----------
    features : float32 or float16 (N, D), may be memory-mapped; read in chunks.
    points : float32 (P, D), P ≥ 1.
    excluded : indices of items to leave out (m,), each in 0…N-1.

    Returns
    -------
    Indices int64 (k,), nearest first, and Euclidean distances to the nearest point float32 (k,); fewer if there are
    fewer other items.
    """
    points = np.array(points, dtype=np.float32)
    lengths = np.einsum("pd,pd->p", points, points)
    squared = np.empty(len(features), dtype=np.float32)
    for start in range(0, len(features), CHUNK):
        rows = np.asarray(features[start : start + CHUNK], dtype=np.float32)
        nearest = (lengths - 2 * (rows @ points.T)).min(axis=1)
        squared[start : start + CHUNK] = np.einsum("nd,nd->n", rows, rows) + nearest
    squared[excluded] = np.inf
    left = len(features) - len(np.unique(excluded))
    few = min(k + SPARE, left)
    candidates = np.sort(np.argpartition(squared, few - 1)[:few]) if few else np.empty(0, dtype=np.int64)
    distances = np.full(len(candidates), np.inf, dtype=np.float32)
    for point in points:
        distances = np.minimum(distances, np.sqrt(np.square(features[candidates] - point).sum(axis=1)))
    order = np.argsort(distances, kind="stable")[: min(k, left)]
    return candidates[order].astype(np.int64), distances[order].astype(np.float32)


def distances_to_nearest(features: NDArray[np.float32], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """The Euclidean distance of some items (m,) to the item nearest to each, float32 (m,); one pass for all of them.

    Parameters
    ----------
    features : float32 or float16 (N, D), N ≥ 2, may be memory-mapped; read in chunks.
    """
    points = np.array(features[items], dtype=np.float32)
    nearest, squared = np.zeros(len(items), dtype=np.int64), np.full(len(items), np.inf, dtype=np.float32)
    for start in range(0, len(features), CHUNK):
        rows = np.asarray(features[start : start + CHUNK], dtype=np.float32)
        block = np.einsum("nd,nd->n", rows, rows)[:, None] - 2 * (rows @ points.T)  # but for the points' own lengths
        own = np.flatnonzero((items >= start) & (items < start + len(rows)))
        block[items[own] - start, own] = np.inf
        best = block.argmin(axis=0)
        found = block[best, np.arange(len(items))]
        closer = found < squared
        nearest[closer], squared[closer] = start + best[closer], found[closer]
    return np.asarray(np.sqrt(np.square(features[nearest] - points).sum(axis=1)), dtype=np.float32)

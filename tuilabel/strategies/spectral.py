"""Clusters of any shape, by spectral clustering (Ng, Jordan & Weiss 2001) of many small k-means clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.geometry import blocks, kmeans, squared_distances

CELLS = 200  # small clusters; at least four per final cluster
SAMPLE = 10_000  # points on which the small clusters are computed
NEAREST = 5  # cells of each point that count for affinities
RESTARTS = 10  # of k-means on the eigenvectors


def spectral_clusters(points: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Clusters separated by sparse regions, whatever their shape; k-means splits long clusters and joins close ones.

    First k-means makes many small cells. The affinity of two cells grows with the number of points between them: each
    point adds exp(-(d² - d₀²)/s) to the affinity of its cell with each of the next nearest cells, where d₀ and d are
    its distances to the two centres and s is the median of such differences.

    Parameters
    ----------
    points : float32 (n, D).
    k : clusters, 1 ≤ k ≤ n.

    Returns
    -------
    The cluster of each point, int64 (n,), in 0…k-1; some may stay empty. Plain k-means if n is below 8 k.
    """
    n_cells = max(CELLS, 4 * k)
    if len(points) < 2 * n_cells:
        n_cells = len(points) // 2
    if k < 2 or n_cells < 4 * k:
        return kmeans(points, k, rng)
    sample = points if len(points) <= SAMPLE else points[rng.choice(len(points), SAMPLE, replace=False)]
    cell = kmeans(sample, n_cells, rng)
    centres = np.stack([sample[cell == c].mean(axis=0) for c in np.unique(cell)])  # (m, D)
    if len(centres) <= k:  # most points are equal
        return kmeans(points, k, rng)
    nearest, distances = _nearest_centres(points, centres)
    group = _cut(_affinities(nearest, distances, len(centres)), k, rng)
    return group[nearest[:, 0]]


def _nearest_centres(
    points: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `NEAREST` centres of each point, nearest first, and their squared distances, each (n, 5)."""
    count = min(NEAREST, len(centres))
    indices = np.empty((len(points), count), dtype=np.int64)
    distances = np.empty((len(points), count), dtype=np.float32)
    for rows in blocks(len(points)):
        block = squared_distances(points[rows], centres)
        few = np.argpartition(block, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(block, few, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        indices[rows], distances[rows] = np.take_along_axis(few, order, 1), np.take_along_axis(near, order, 1)
    return indices, distances


def _affinities(nearest: NDArray[np.int64], distances: NDArray[np.float32], n_cells: int) -> NDArray[np.float64]:
    """Symmetric affinities of the cells, float64 (m, m)."""
    beyond = np.maximum(distances - distances[:, :1], 0)  # (n, 5)
    scale = max(float(np.median(beyond[:, 1])), 1e-9)
    affinity = np.zeros((n_cells, n_cells))
    for j in range(1, nearest.shape[1]):
        np.add.at(affinity, (nearest[:, 0], nearest[:, j]), np.exp(-beyond[:, j] / scale))
    return affinity + affinity.T


def _cut(affinity: NDArray[np.float64], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The cells in k groups, int64 (m,): the best of RESTARTS k-means runs on the leading eigenvectors.

    A cell counts by its affinities, as the normalised cut has it (Dhillon, Guan & Kulis 2004). Otherwise a few cells at
    the edge of a class would be cut off rather than two large classes apart.
    """
    degree = affinity.sum(axis=1) + 1e-9
    _, vectors = np.linalg.eigh(affinity / np.sqrt(degree[:, None] * degree[None]))
    rows = vectors[:, -k:]
    rows = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    weights = degree.astype(np.float32)
    tries = [kmeans(rows, k, rng, weights=weights) for _ in range(RESTARTS)]
    return min(tries, key=lambda group: _inertia(rows, group, weights))


def _inertia(rows: NDArray[np.float32], group: NDArray[np.int64], weights: NDArray[np.float32]) -> float:
    total = 0.0
    for c in np.unique(group):
        members, mass = rows[group == c], weights[group == c]
        total += float(mass @ np.square(members - np.average(members, axis=0, weights=mass)).sum(axis=1))
    return total

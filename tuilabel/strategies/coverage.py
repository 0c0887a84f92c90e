"""Cold start by coverage: the most typical item of each k-means cluster of the latents.

TypiClust (Hacohen, Dekel & Weinshall 2022, https://arxiv.org/abs/2202.02794): with few labels, typical items that
cover the latent space teach more than uncertain ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register

SAMPLE = 20_000  # items the clusters are found on; more change them no further
ITERATIONS = 25
NEIGHBOURS = 20
PER_CLUSTER = 1000  # items of a cluster among which typicality is measured


def kmeans(
    points: NDArray[np.float32], k: int, rng: np.random.Generator, iterations: int = ITERATIONS
) -> NDArray[np.int64]:
    """Lloyd's algorithm from k-means++ seeds (Arthur & Vassilvitskii 2007).

    Parameters
    ----------
    points : float32 (n, D).
    k : clusters, 1 ≤ k ≤ n.

    Returns
    -------
    The cluster of each point, int64 (n,); one that loses all its points stays empty.
    """
    centres = _seeds(points, k, rng)
    cluster = np.full(len(points), -1, dtype=np.int64)
    for _ in range(iterations):
        nearest = _nearest(points, centres)
        if np.array_equal(nearest, cluster):
            break
        cluster = nearest
        counts = np.bincount(cluster, minlength=k)
        order = np.argsort(cluster, kind="stable")
        filled = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]])
        centres[filled] = np.add.reduceat(points[order], starts, axis=0) / counts[filled, None]
    return cluster


def typicality(points: NDArray[np.float32], neighbours: int = NEIGHBOURS) -> NDArray[np.float32]:
    """How dense it is around each of (n, D) points: minus the mean distance to the nearest `neighbours`, (n,)."""
    k = min(neighbours, len(points) - 1)
    if k < 1:
        return np.zeros(len(points), dtype=np.float32)
    nearest = np.partition(_squared_distances(points, points), k, axis=1)[:, : k + 1]  # itself among them
    return np.asarray(-np.sqrt(np.maximum(nearest, 0)).sum(axis=1) / k, dtype=np.float32)


def _pick(context: QueryContext, k: int) -> Selection:
    rng, n = context.rng, len(context.candidates)
    k = min(k, n)
    if k == 0:
        return Selection(np.empty(0, dtype=np.int64))
    sampled = np.sort(rng.choice(n, size=min(n, max(SAMPLE, 4 * k)), replace=False))
    points = np.ascontiguousarray(context.latents[context.candidates[sampled]])  # (s, D)
    labelled = np.ascontiguousarray(context.latents[context.labelled])  # (m, D)
    n_clusters = min(len(points), k + len(labelled))
    cluster = kmeans(np.concatenate([points, labelled]), min(n_clusters, max(k, SAMPLE // 20)), rng)
    covered = set(cluster[len(points) :].tolist())
    cluster = cluster[: len(points)]
    counts = np.bincount(cluster, minlength=int(cluster.max()) + 1)
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda c: (c in covered, -counts[c]))
    chosen: list[int] = []
    for c in order[:k]:
        members = np.flatnonzero(cluster == c)
        if len(members) > PER_CLUSTER:
            members = np.sort(rng.choice(members, PER_CLUSTER, replace=False))
        chosen.append(int(members[np.argmax(typicality(points[members]))]))
    positions = sampled[np.array(chosen, dtype=np.int64)]
    rest = rng.permutation(np.setdiff1d(np.arange(n), positions))[: k - len(positions)]
    return Selection(np.concatenate([positions, rest]))


def _seeds(points: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    centres = np.empty((k, points.shape[1]), dtype=np.float32)
    centres[0] = points[rng.integers(len(points))]
    nearest = _squared_distances(points, centres[:1])[:, 0]
    for c in range(1, k):
        weights = np.cumsum(np.maximum(nearest, 0), dtype=np.float64)
        at = (
            np.searchsorted(weights, rng.random() * weights[-1], side="right")
            if weights[-1] > 0
            else rng.integers(len(points))
        )
        centres[c] = points[min(int(at), len(points) - 1)]
        nearest = np.minimum(nearest, _squared_distances(points, centres[c : c + 1])[:, 0])
    return centres


def _nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    rows = 4096  # keeps the distances of a block in the cache
    return np.concatenate(
        [_squared_distances(points[i : i + rows], centres).argmin(axis=1) for i in range(0, len(points), rows)]
    )


def _squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) of the rows of (n, D) and (m, D)."""
    squares: NDArray[np.float32] = np.einsum("nd,nd->n", a, a)[:, None] - 2 * (a @ b.T) + np.einsum("md,md->m", b, b)
    return squares


COVERAGE = register(
    Strategy(
        name="coverage",
        summary="the most typical item of each k-means cluster: the cold start of all that need a model",
        when="before there is a model",
        paper="Hacohen, Dekel & Weinshall 2022 (TypiClust)",
        cost="O(k·D)",
        needs_model=False,
        pick=_pick,
    )
)

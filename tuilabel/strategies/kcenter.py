"""Core-sets by greedy k-center (Sener & Savarese 2018, https://arxiv.org/abs/1708.00489)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import nearest_distances, squared_distances
from tuilabel.strategies.support import SAMPLE, bounded, labelled_latents, latents_at, sample

DISTANCES = 500_000_000  # maximum to compute: more than DISTANCES / (labels + k) candidates are sampled


def farthest_first(
    points: NDArray[np.float32], nearest: NDArray[np.float32], k: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pick k times the point farthest from all chosen so far; at most twice the optimal radius (Gonzalez 1985).

    Parameters
    ----------
    points : float32 (n, D), n ≥ k.
    nearest : float32 (n,), squared distance to the nearest labelled point; all infinite without labels, and then the
        first pick is random.
    """
    squares = np.einsum("nd,nd->n", points, points)
    nearest = nearest.copy()
    chosen = np.empty(k, dtype=np.int64)
    for i in range(k):
        chosen[i] = nearest.argmax() if np.isfinite(nearest).any() else rng.integers(len(points))
        distances = squared_distances(points, points[chosen[i], None], squares)[:, 0]
        np.minimum(nearest, np.maximum(distances, 0), out=nearest)
        nearest[chosen[: i + 1]] = -1  # below every distance, also that of a duplicate
    return chosen


@bounded
def _pick(context: QueryContext, k: int) -> Selection:
    sampled = sample(context, k, max(SAMPLE, DISTANCES // (len(context.labelled) + k)))
    points, labelled = latents_at(context, sampled), labelled_latents(context)
    centre = points.mean(axis=0)  # squared distances lose least to rounding near the origin
    points, labelled = points - centre, labelled - centre
    chosen = farthest_first(points, nearest_distances(points, labelled), k, context.rng)
    return Selection(sampled[chosen])


K_CENTER = register(
    Strategy(
        name="k-center",
        summary="the item farthest from all labelled and picked ones",
        when="rare kinds of items; beware of outliers",
        paper="Sener & Savarese 2018",
        cost="O((k + labels)·N·D)",
        needs_model=False,
        pick=_pick,
        sees=f"{SAMPLE:,} or more",
    )
)

"""ProbCover (Yehuda et al. 2022, https://arxiv.org/abs/2205.11320): balls that cover most of the pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import blocks, kmeans, nearest_distances, squared_distances
from tuilabel.strategies.support import bounded, fill_up, labelled_latents, latents_at, predictions, sample

GRAPH = 8000  # candidates in the coverage graph, which takes GRAPH² bytes
PURITY = 0.95  # share of balls that contain a single pseudo-class, the paper's α
N_CLASSES = 10  # pseudo-classes if there is no model; otherwise its number of classes


def pure_radius(points: NDArray[np.float32], cluster: NDArray[np.int64], purity: float = PURITY) -> float:
    """The largest squared radius δ² for which `purity` of the open balls around points contain a single cluster.

    A ball is pure until it reaches the nearest point of another cluster, so δ is a quantile of those distances.
    It is infinite if there is only one cluster.
    """
    reach = np.full(len(points), np.inf, dtype=np.float32)
    for c in np.unique(cluster):
        inside = cluster == c
        reach[inside] = nearest_distances(points[inside], points[~inside])
    impure = int((1 - purity) * len(reach) + 1e-6)  # number allowed; 0.1 · 80 is 7.999…
    return float(np.sort(reach)[impure])


def greedy_cover(
    points: NDArray[np.float32], covered: NDArray[np.bool_], squared_radius: float, k: int
) -> NDArray[np.int64]:
    """Pick up to k times the point whose open ball covers most uncovered points; stops when all points are covered."""
    n = len(points)
    covers = np.empty((n, n), dtype=bool)
    for rows in blocks(n, 1024):
        block = squared_distances(points[rows], points[rows.start :]) < squared_radius
        covers[rows, rows.start :] = block
        covers[rows.start :, rows] = block.T  # exactly symmetric, whatever the rounding
    np.fill_diagonal(covers, True)
    degree = covers[:, ~covered].sum(axis=1, dtype=np.int64) if covered.any() else covers.sum(axis=1, dtype=np.int64)
    covered = covered.copy()
    chosen: list[int] = []
    while len(chosen) < k and not covered.all():
        chosen.append(int(degree.argmax()))
        fresh = np.flatnonzero(covers[chosen[-1]] & ~covered)
        covered[fresh] = True
        for rows in blocks(len(fresh), 256):  # each point is subtracted once, so all picks together cost n²
            degree -= covers[fresh[rows]].sum(axis=0, dtype=np.int64)  # symmetric: rows in place of columns
    return np.array(chosen, dtype=np.int64)


@bounded
def _pick(context: QueryContext, k: int) -> Selection:
    sampled = sample(context, k, GRAPH)
    points, labelled = latents_at(context, sampled), labelled_latents(context)
    centre = points.mean(axis=0)  # squared distances lose least to rounding near the origin
    points, labelled = points - centre, labelled - centre
    p = predictions(context)
    n_classes = N_CLASSES if p is None else p.shape[1]
    squared_radius = pure_radius(points, kmeans(points, min(n_classes, len(points)), context.rng))
    covered = nearest_distances(points, labelled) < squared_radius if len(labelled) else np.zeros(len(points), bool)
    chosen = sampled[greedy_cover(points, covered, squared_radius, k)]
    return Selection(fill_up(chosen, k, len(context.candidates), context.rng))


PROBCOVER = register(
    Strategy(
        name="probcover",
        summary="the ball that covers most uncovered items",
        when="very few labels, clear clusters",
        paper="Yehuda et al. 2022",
        cost="O(labels·D)",
        needs_model=False,
        pick=_pick,
        sees=f"{GRAPH:,} at random",
    )
)

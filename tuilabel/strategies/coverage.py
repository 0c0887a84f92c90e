"""Typical items that cover the latents: coverage, the cold start of all that need a model, and TypiClust.

Hacohen, Dekel & Weinshall 2022, *Active learning on a budget* (https://arxiv.org/abs/2202.02794): with few labels,
typical items that cover the latent space teach more than uncertain ones.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import NEIGHBOURS, kmeans, typicality
from tuilabel.strategies.spectral import spectral_clusters
from tuilabel.strategies.support import SAMPLE, bounded, filled_up, labelled_latents, latents_at

PER_CLUSTER = 1000  # items of a cluster among which typicality is measured
SPECTRAL = 30  # clusters up to which coverage finds them by their borders: with few it matters where they are cut
MAX_CLUSTERS = 500  # TypiClust's, in the paper
MIN_MEMBERS = 5  # clusters below are left out by TypiClust: their typicality is noise


@bounded
def _coverage(context: QueryContext, k: int) -> Selection:
    """One item of each of the k clusters that come first: without a label before with one, the largest before others.

    Where more than SAMPLE // 20 items have labels the clusters become no more, and those with labels are asked again.
    """
    rng = context.rng
    sampled, points, cluster, n_labelled = _clustered(context, k, max(k, SAMPLE // 20), spectral_up_to=SPECTRAL)
    counts = np.bincount(cluster, minlength=len(n_labelled))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda c: (n_labelled[c] > 0, -counts[c]))
    chosen = [_by_typicality(points, np.flatnonzero(cluster == c), rng)[0] for c in order[:k]]
    return Selection(filled_up(sampled[np.array(chosen, dtype=np.int64)], k, len(context.candidates), rng))


@bounded
def typiclust(context: QueryContext, k: int) -> Selection:
    """Pick k times from the cluster with the fewest labels and picks, the largest of those, its most typical item.

    Differs from coverage as the paper does: a cluster's labels are counted, not only noticed, clusters of fewer than
    MIN_MEMBERS items are left out, there are MAX_CLUSTERS at most, and typicality looks at no more than half of a
    cluster.
    """
    rng = context.rng
    sampled, points, cluster, n_labelled = _clustered(context, k, MAX_CLUSTERS)
    counts = np.bincount(cluster, minlength=len(n_labelled))
    order = np.argsort(cluster, kind="stable")
    members = np.split(order, np.cumsum(counts)[:-1])
    smallest = MIN_MEMBERS if counts.max() >= MIN_MEMBERS else 1
    queue = [(int(n_labelled[c]), -int(counts[c]), int(c)) for c in np.flatnonzero(counts >= smallest)]
    heapq.heapify(queue)
    ranked: dict[int, list[int]] = {}
    chosen: list[int] = []
    while queue and len(chosen) < k:
        n, size, c = queue[0]
        if c not in ranked:
            ranked[c] = _by_typicality(points, members[c], rng, share=0.5)[::-1]
        chosen.append(ranked[c].pop())
        if ranked[c]:
            heapq.heapreplace(queue, (n + 1, size, c))
        else:
            heapq.heappop(queue)
    return Selection(filled_up(sampled[np.array(chosen, dtype=np.int64)], k, len(context.candidates), rng))


def _clustered(
    context: QueryContext, k: int, most: int, spectral_up_to: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Cluster a sample of the candidates with all that is labelled, into as many clusters as both, and `most` at most.

    Returns
    -------
    Positions sampled (s,), their latents (s, D), their clusters (s,), and the labelled items of each cluster.
    """
    rng, n = context.rng, len(context.candidates)
    sampled = np.sort(rng.choice(n, size=min(n, max(SAMPLE, 4 * k)), replace=False))
    points, labelled = latents_at(context, sampled), labelled_latents(context)
    n_clusters = min(len(points), k + len(labelled), most)
    together = np.concatenate([points, labelled])
    find = spectral_clusters if n_clusters <= spectral_up_to else kmeans
    cluster = find(together, n_clusters, rng)
    return sampled, points, cluster[: len(points)], np.bincount(cluster[len(points) :], minlength=n_clusters)


def _by_typicality(
    points: NDArray[np.float32],
    members: NDArray[np.int64],
    rng: np.random.Generator,
    share: float = 1.0,
) -> list[int]:
    """`members`, of which at most PER_CLUSTER, the most typical first; neighbours are `share` of them at most."""
    if len(members) > PER_CLUSTER:
        members = np.sort(rng.choice(members, PER_CLUSTER, replace=False))
    score = typicality(points[members], min(NEIGHBOURS, max(1, int(share * len(members)))))
    ordered: list[int] = members[np.argsort(-score, kind="stable")].tolist()
    return ordered


COVERAGE = register(
    Strategy(
        name="coverage",
        summary="the most typical item of each spectral cluster",
        when="before there is a model: the others start with it",
        paper="Hacohen et al. 2022",
        cost="O(k·D)",
        needs_model=False,
        pick=_coverage,
    )
)
TYPICLUST = register(
    Strategy(
        name="typiclust",
        summary="typical items of clusters with the fewest labels",
        when="very few labels, batch after batch",
        paper="Hacohen et al. 2022",
        cost="O((k + labels)·D)",
        needs_model=False,
        pick=typiclust,
    )
)

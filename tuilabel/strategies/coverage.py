"""Typical items that cover the latent space: coverage, the cold start of all strategies, and TypiClust.

Hacohen, Dekel & Weinshall 2022, *Active learning on a budget* (https://arxiv.org/abs/2202.02794): with few labels,
typical items that cover the latent space are more useful than uncertain ones.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import NEIGHBOURS, kmeans, typicality
from tuilabel.strategies.spectral import spectral_clusters
from tuilabel.strategies.support import SAMPLE, bounded, fill_up, labelled_latents, latents_at

PER_CLUSTER = 1000  # items of a cluster among which typicality is computed
SPECTRAL = 30  # spectral clustering for up to this many clusters: with few clusters it matters where they are cut
MAX_CLUSTERS = 500  # of TypiClust, as in the paper
MIN_MEMBERS = 5  # TypiClust leaves smaller clusters out: their typicality is noise


@bounded
def _coverage(context: QueryContext, k: int) -> Selection:
    """The most typical item of each of k clusters, clusters without labels first, large ones before small ones.

    The number of clusters grows with the labels up to SAMPLE // 20; beyond that, clusters with labels are queried
    again.
    """
    rng = context.rng
    sampled, points, cluster, n_labelled = _clustered(context, k, max(k, SAMPLE // 20), spectral_up_to=SPECTRAL)
    counts = np.bincount(cluster, minlength=len(n_labelled))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda c: (n_labelled[c] > 0, -counts[c]))
    chosen = [_by_typicality(points, np.flatnonzero(cluster == c), rng)[0] for c in order[:k]]
    return Selection(fill_up(sampled[np.array(chosen, dtype=np.int64)], k, len(context.candidates), rng))


@bounded
def typiclust(context: QueryContext, k: int) -> Selection:
    """Pick k times the most typical item of the cluster with the fewest labels and picks, large clusters first.

    This is the paper's method, and it differs from coverage: the labels of a cluster are counted, clusters of fewer
    than MIN_MEMBERS items are left out, there are at most MAX_CLUSTERS clusters, and typicality uses at most half of a
    cluster as neighbours.
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
    return Selection(fill_up(sampled[np.array(chosen, dtype=np.int64)], k, len(context.candidates), rng))


def _clustered(
    context: QueryContext, k: int, max_clusters: int, spectral_up_to: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Cluster a sample of the candidates and the labelled items, into k + labels clusters, at most `max_clusters`.

    Returns
    -------
    Sampled positions (s,), their latents (s, D), their clusters (s,), and the number of labelled items per cluster.
    """
    rng, n = context.rng, len(context.candidates)
    sampled = np.sort(rng.choice(n, size=min(n, max(SAMPLE, 4 * k)), replace=False))
    points, labelled = latents_at(context, sampled), labelled_latents(context)
    n_clusters = min(len(points), k + len(labelled), max_clusters)
    clusters = spectral_clusters if n_clusters <= spectral_up_to else kmeans
    cluster = clusters(np.concatenate([points, labelled]), n_clusters, rng)
    return sampled, points, cluster[: len(points)], np.bincount(cluster[len(points) :], minlength=n_clusters)


def _by_typicality(
    points: NDArray[np.float32],
    members: NDArray[np.int64],
    rng: np.random.Generator,
    share: float = 1.0,
) -> list[int]:
    """At most PER_CLUSTER of `members`, most typical first; at most a `share` of them count as neighbours."""
    if len(members) > PER_CLUSTER:
        members = np.sort(rng.choice(members, PER_CLUSTER, replace=False))
    score = typicality(points[members], min(NEIGHBOURS, max(1, int(share * len(members)))))
    ordered: list[int] = members[np.argsort(-score, kind="stable")].tolist()
    return ordered


COVERAGE = register(
    Strategy(
        name="coverage",
        summary="the most typical item of each spectral cluster",
        when="before there is a model; others start with it",
        paper="Hacohen et al. 2022",
        cost="O(k·D)",
        needs_model=False,
        pick=_coverage,
        sees=f"{SAMPLE:,} at random",
    )
)
TYPICLUST = register(
    Strategy(
        name="typiclust",
        summary="typical items of the clusters with the fewest labels",
        when="very few labels, batch after batch",
        paper="Hacohen et al. 2022",
        cost="O((k + labels)·D)",
        needs_model=False,
        pick=typiclust,
        sees=f"{SAMPLE:,} at random",
    )
)

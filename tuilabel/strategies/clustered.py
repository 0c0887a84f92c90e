"""The centres of k-means clusters of uncertain items: weighted k-means and DropQuery."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import Model, QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import central_members, kmeans
from tuilabel.strategies.support import (
    LARGE,
    SAMPLE,
    bounded,
    fill_up,
    latents_at,
    model_of,
    probabilities_of,
    sample,
)
from tuilabel.strategies.uncertainty import highest, margin

PREFILTER = 10  # times k items with the smallest margin are clustered, the paper's β
PASSES = 3  # with dropout, the paper's M
DROPPED = 0.25  # share of latent dimensions dropped in each pass; the paper's 0.75 leaves too few of about 32


@bounded
def _weighted_kmeans(context: QueryContext, k: int) -> Selection:
    scores = margin(probabilities_of(context))
    best = highest(scores, PREFILTER * k, context.rng)
    points, weights = latents_at(context, best), 1 + scores[best]  # from 0 (certain) to 1 (a tie)
    cluster = kmeans(points, k, context.rng, weights=weights)
    chosen = best[central_members(points, cluster, weights)]
    return Selection(fill_up(chosen, k, len(context.candidates), context.rng, first=best))


def flips(
    model: Model, latents: NDArray[np.float32], predicted: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """In how many of PASSES passes with dropout on the latents (n, D) the prediction changes, int64 (n,)."""
    changed = np.zeros(len(latents), dtype=np.int64)
    for _ in range(PASSES):
        kept = rng.random(latents.shape, dtype=np.float32) >= DROPPED
        dropped = np.where(kept, latents / np.float32(1 - DROPPED), np.float32(0))
        changed += model.predict_proba(dropped).argmax(axis=1) != predicted
    return changed


@bounded
def _dropquery(context: QueryContext, k: int) -> Selection:
    rng = context.rng
    sampled = sample(context, k, LARGE)
    predicted = probabilities_of(context)[sampled].argmax(axis=1)
    changed = flips(model_of(context), latents_at(context, sampled), predicted, rng)
    least = PASSES // 2 + 1
    while least > 1 and (changed >= least).sum() < k:
        least -= 1
    unsure = sampled[changed >= least]
    if len(unsure) <= k:
        return Selection(fill_up(unsure, k, len(context.candidates), rng))
    if len(unsure) > max(SAMPLE, 4 * k):
        unsure = np.sort(rng.choice(unsure, max(SAMPLE, 4 * k), replace=False))
    points = latents_at(context, unsure)
    chosen = unsure[central_members(points, kmeans(points, k, rng))]
    return Selection(fill_up(chosen, k, len(context.candidates), rng, first=rng.permutation(unsure)))


WEIGHTED_KMEANS = register(
    Strategy(
        name="weighted-kmeans",
        summary="centres of k clusters of the items with small margins",
        when="large batches, where margin picks near duplicates",
        paper="Zhdanov 2019",
        cost="O(N·C + k²·D)",
        needs_model=True,
        pick=_weighted_kmeans,
    )
)
DROPQUERY = register(
    Strategy(
        name="dropquery",
        summary="cluster centres of items whose prediction dropout flips",
        when="latents with many dimensions",
        paper="Gupte et al. 2024",
        cost="O(N·D + k·D)",
        needs_model=True,
        pick=_dropquery,
        sees=f"{LARGE:,} at random",
    )
)

"""Disagreement of the ensemble: more labels can help where its members disagree (epistemic uncertainty)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import blocks
from tuilabel.strategies.support import Pick, bounded, features_at, model_of
from tuilabel.strategies.uncertainty import entropy, highest

ROWS = 65_536  # candidates whose members' probabilities are in memory at once


def mutual_information(members: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mutual information of an item's class and the ensemble member, in nats: float32 (n,) from (K, n, C).

    The entropy of the mean minus the mean of the entropies (BALD, Houlsby et al. 2011); between 0 and log K.
    """
    mean_entropy = sum(entropy(member) for member in members) / len(members)
    return np.asarray(np.maximum(entropy(members.mean(axis=0)) - mean_entropy, 0), dtype=np.float32)


def variation_ratio(members: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share of members that do not vote for the class with most votes, float32 (n,) from (K, n, C)."""
    k, n, n_classes = members.shape
    votes = np.zeros((n, n_classes), dtype=np.int64)
    for vote in members.argmax(axis=2):
        votes[np.arange(n), vote] += 1
    return np.asarray(1 - votes.max(axis=1) / k, dtype=np.float32)


def member_blocks(context: QueryContext) -> Iterator[NDArray[np.float32]]:
    """The members' probabilities for all candidates, block by block, each (K, b, C)."""
    model = model_of(context)
    for rows in blocks(len(context.candidates), ROWS):
        yield model.member_probabilities(features_at(context, np.arange(rows.start, rows.stop)))


def bald_scores(context: QueryContext) -> NDArray[np.float32]:
    """`mutual_information` of all candidates, float32 (n,)."""
    return np.concatenate([mutual_information(members) for members in member_blocks(context)])


def _pick_by(score: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Pick:
    @bounded
    def pick(context: QueryContext, k: int) -> Selection:
        scores = np.concatenate([score(members) for members in member_blocks(context)])
        return Selection(highest(scores, k, context.rng))

    return pick


BALD = register(
    Strategy(
        name="bald",
        summary="members of the ensemble sure of different classes",
        when="pools with many inherently ambiguous items",
        paper="Houlsby et al. 2011",
        cost="O(N·C)",
        needs_model=True,
        pick=_pick_by(mutual_information),
    )
)
VARIATION_RATIO = register(
    Strategy(
        name="variation-ratio",
        summary="most votes against the ensemble's majority",
        when="probabilities that cannot be trusted",
        paper="Gal et al. 2017",
        cost="O(N·C)",
        needs_model=True,
        pick=_pick_by(variation_ratio),
    )
)

"""Uncertainty sampling: the items whose class the model is least sure of (Lewis & Gale 1994; Settles 2009)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.scores import Scores
from tuilabel.strategies.support import probabilities_of

Values = NDArray[np.float32]
Probabilities = NDArray[np.float32] | Scores


def entropy(probabilities: Probabilities) -> Values:
    """Shannon entropy of each row of (n, C), in nats, float32 (n,)."""
    if isinstance(probabilities, Scores):
        return probabilities.entropy
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return np.asarray(-np.einsum("nc,nc->n", probabilities, logs), dtype=np.float32)


def confidence(probabilities: Probabilities) -> Values:
    """The highest probability of each row of (n, C), float32 (n,)."""
    if isinstance(probabilities, Scores):
        return probabilities.confidence
    return np.asarray(probabilities.max(axis=1), dtype=np.float32)


def least_confidence(probabilities: Probabilities) -> Values:
    """One minus the highest probability of each row of (n, C), float32 (n,)."""
    return np.asarray(1 - confidence(probabilities), dtype=np.float32)


def margin(probabilities: Probabilities) -> Values:
    """Minus the gap between the two highest probabilities of each row of (n, C), float32 (n,)."""
    if isinstance(probabilities, Scores):
        return probabilities.margin
    two = np.partition(probabilities, probabilities.shape[1] - 2, axis=1)[:, -2:]
    return two[:, 0] - two[:, 1]


def highest(scores: Values, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of the k highest scores, best first; equal scores in random order, also at the cut."""
    n = len(scores)
    k = min(k, n)
    if k == 0:
        return np.empty(0, dtype=np.int64)
    threshold = np.partition(scores, n - k)[n - k]
    above = np.flatnonzero(scores > threshold)
    equal = rng.permutation(np.flatnonzero(scores == threshold))[: k - len(above)]
    above = rng.permutation(above)
    return np.concatenate([above[np.argsort(-scores[above], kind="stable")], equal])


def _pick_by(score: Callable[[Probabilities], Values]) -> Callable[[QueryContext, int], Selection]:
    def pick(context: QueryContext, k: int) -> Selection:
        return Selection(highest(score(probabilities_of(context)), k, context.rng))

    return pick


ENTROPY = register(
    Strategy(
        name="entropy",
        summary="highest entropy of the predicted classes",
        when="few classes, many labels",
        paper="Settles 2009",
        cost="O(N·C)",
        needs_model=True,
        pick=_pick_by(entropy),
    )
)
LEAST_CONFIDENCE = register(
    Strategy(
        name="least-confidence",
        summary="lowest probability of the most probable class",
        when="a single confidence threshold matters",
        paper="Lewis & Gale 1994",
        cost="O(N·C)",
        needs_model=True,
        pick=_pick_by(least_confidence),
    )
)
MARGIN = register(
    Strategy(
        name="margin",
        summary="smallest gap between the two most probable classes",
        when="a safe choice once every class has labels",
        paper="Scheffer et al. 2001",
        cost="O(N·C)",
        needs_model=True,
        pick=_pick_by(margin),
    )
)

"""Labels that are likely wrong: confident learning (Northcutt, Jiang & Chuang 2021, https://arxiv.org/abs/1911.00068).

All of it looks at out-of-fold probabilities: those of models that have not learnt the label they judge.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.estimate.checks import class_vector, probability_matrix, same_length

NOBODY = -1


def class_thresholds(probabilities: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """How sure models are, on average, of the items that carry a class: float64 (C,); inf for a class nobody carries.

    Parameters
    ----------
    probabilities : float (n, C), out of fold.
    labels : int (n,), the classes given.

    Raises
    ------
    ValueError : where the arrays do not fit each other, are empty, no probabilities or no classes.
    """
    p, given = _pair(probabilities, labels)
    own = p[np.arange(len(given)), given]
    count = np.bincount(given, minlength=p.shape[1])
    total = np.bincount(given, weights=own, minlength=p.shape[1])
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def confident_classes(probabilities: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """The class of which each item is confidently one, int64 (n,); -1 for an item that is of none.

    It is the likeliest of the classes whose threshold the item's probability reaches. Thresholds of its own for each
    class make up for a model that is surer of some classes than of others.

    Raises
    ------
    ValueError : as `class_thresholds`.
    """
    p, given = _pair(probabilities, labels)
    reached = np.where(p >= class_thresholds(p, given) - 1e-12, p, -1.0)  # rounding must not part equal ones
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), NOBODY)


def self_confidence(probabilities: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """The probability of the label given, float64 (n,); raises ValueError as `class_thresholds`."""
    p, given = _pair(probabilities, labels)
    own: NDArray[np.float64] = p[np.arange(len(given)), given]
    return own


def normalised_margin(probabilities: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """That probability less the highest of another class, float64 (n,) in -1…1; raises ValueError likewise."""
    p, given = _pair(probabilities, labels)
    others = p.copy()
    others[np.arange(len(given)), given] = -np.inf
    margin: NDArray[np.float64] = self_confidence(p, given) - others.max(axis=1)
    return margin


def likely_wrong(
    probabilities: ArrayLike, labels: ArrayLike, rank_by: Literal["confidence", "margin"] = "confidence"
) -> NDArray[np.int64]:
    """Positions of the items off the diagonal of the confident joint, likeliest wrong first: int64 (k,).

    Ranked by self-confidence, which found more of the labels flipped on purpose among actively chosen MNIST digits than
    the margin: of the first ten of 500 items with 5 % flipped all ten, and 6 to 8, in three runs.

    Raises
    ------
    ValueError : as `class_thresholds`; for fewer than two classes.
    """
    p, given = _pair(probabilities, labels)
    if p.shape[1] < 2:
        raise ValueError("a label of the only class there is cannot be wrong")
    confident = confident_classes(p, given)
    suspects = np.flatnonzero((confident != given) & (confident != NOBODY))
    score = normalised_margin(p, given) if rank_by == "margin" else self_confidence(p, given)
    return suspects[np.argsort(score[suspects], kind="stable")]


def _pair(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    p = probability_matrix(probabilities)
    given = class_vector(labels, "labels", p.shape[1])
    same_length(probabilities=p, labels=given)
    return p, given

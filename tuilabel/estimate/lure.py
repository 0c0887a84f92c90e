"""Accuracy from items drawn with unequal probability: levelled unbiased risk (Farquhar, Gal & Rainforth 2021).

It is valid for strategies that draw at random and report the probability: in each draw every remaining item must have
had a chance. A strategy that takes the highest scores has no such probability, and its items tell nothing about the
pool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.estimate.checks import finite_vector, same_length
from tuilabel.estimate.intervals import effective_sample_size, korn_graubard_interval


@dataclass(frozen=True)
class LureEstimate:
    """A mean over the whole pool with its 95 % interval, from `n` items that count as `effective_n`."""

    value: float
    low: float
    high: float
    n: int
    effective_n: float


def lure_weights(query_probability: ArrayLike, n_pool: int) -> NDArray[np.float64]:
    """v_m = 1 + (N-M)/(N-m) · (1/((N-m+1) q_m) - 1), float64 (M,), never negative.

    Parameters
    ----------
    query_probability : float (M,), the probability of each draw among the items left, in the order of drawing.
    n_pool : N, the number of items before the first draw.

    Raises
    ------
    ValueError : if there is no draw, a probability is not in (0, 1], or there are more draws than items.
    """
    q = finite_vector(query_probability, "query_probability")
    n_drawn = len(q)
    if q.min() <= 0 or q.max() > 1:
        raise ValueError("query_probability: probabilities must be above 0 and at most 1")
    if n_drawn > n_pool:
        raise ValueError(f"n_pool must be at least the {n_drawn} draws, got a pool of {n_pool}")
    if n_drawn == n_pool:  # all drawn: the plain mean is exact, and the formula's last term would be 0/0
        return np.ones(n_drawn)
    m = np.arange(1, n_drawn + 1)
    return 1 + (n_pool - n_drawn) / (n_pool - m) * (1 / ((n_pool - m + 1) * q) - 1)


def lure_accuracy(
    correct: ArrayLike, query_probability: ArrayLike, n_pool: int, *, training_share: float = 1.0
) -> LureEstimate:
    """The accuracy over the pool, of a fixed model or fixed predictions: 1 - the unbiased risk of the 0/1 loss.

    It uses the risk of being wrong because few items are wrong: their weights add less noise than those of the correct
    ones. The value is clipped to 0…1. The interval is Korn and Graubard's at the effective sample size of the weights:
    unlike the normal interval it has a width when no item is wrong. If a strategy favours wrong items it is rather too
    wide: in simulation it covered the truth in 98 to 100 % of the runs.

    Parameters
    ----------
    correct : bool (M,), whether each drawn item is predicted correctly, in the order of drawing.
    query_probability, n_pool : see `lure_weights`.
    training_share : the share of the labels that the evaluated models were trained on, if the accuracy of a model
        trained on all of them is wanted. That model is no worse; if errors are inversely proportional to the number of
        labels it errs `training_share` times as much, and the interval is extended upwards that far. The value stays
        that of the evaluated models.

    Raises
    ------
    ValueError : as for `lure_weights`, or if the lengths differ.
    """
    weights = lure_weights(query_probability, n_pool)
    wrong = 1 - finite_vector(correct, "correct")
    same_length(correct=wrong, query_probability=weights)
    if not np.isin(wrong, (0, 1)).all():
        raise ValueError("correct must only contain true and false")
    value = float(np.clip(1 - (weights * wrong).mean(), 0, 1))
    size = effective_sample_size(weights)
    low, high = korn_graubard_interval(value * size, size)
    return LureEstimate(value, low, 1 - training_share * (1 - high), len(weights), size)

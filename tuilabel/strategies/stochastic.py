"""Stochastic batches (Kirsch et al. 2023, https://arxiv.org/abs/2106.12059).

The k items with the best scores are often near duplicates. Instead, k items drawn at random by their scores are as good
as an expensively selected batch, at the cost of scoring alone. Every candidate can be drawn and the probability of
each draw is known, so the bias of active learning can be corrected by weights (LURE: Farquhar, Gal & Rainforth 2021).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.support import Pick, bounded, probabilities_of
from tuilabel.strategies.uncertainty import margin

FLOOR = 1e-3  # of a score: even items with certain predictions must be drawable, else no weight corrects for them
POWER = 1.0  # as in the paper
SHARPNESS = 10.0  # the paper's 1 is for unbounded scores: for scores in 0…1 it draws nearly uniformly


def gumbel_top_k(log_weights: NDArray[np.float64], k: int, rng: np.random.Generator) -> Selection:
    """Draw k of n without replacement, each in proportion to the weights of those left (Kool et al. 2019).

    Parameters
    ----------
    log_weights : float64 (n,), finite.
    k : 1 ≤ k ≤ n.
    """
    perturbed = log_weights + rng.gumbel(size=len(log_weights))
    top = np.argpartition(-perturbed, k - 1)[:k]
    positions = top[np.argsort(-perturbed[top], kind="stable")].astype(np.int64)
    weights = np.exp(log_weights - log_weights.max())
    drawn = weights[positions]
    others = np.ones(len(weights), dtype=bool)
    others[positions] = False
    left = weights[others].sum() + np.cumsum(drawn[::-1])[::-1]  # summed backwards, so that nothing cancels
    return Selection(positions, drawn / left)


def _draw_by(log_weights: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Pick:
    @bounded
    def pick(context: QueryContext, k: int) -> Selection:
        scores = 1 + margin(probabilities_of(context)).astype(np.float64)  # 0 where certain, 1 at a tie
        return gumbel_top_k(log_weights(np.clip(scores, FLOOR, 1)), k, context.rng)

    return pick


POWER_MARGIN = register(
    Strategy(
        name="power-margin",
        summary="at random, in proportion to one minus the margin",
        when="large batches; unbiased estimates of accuracy",
        paper="Kirsch et al. 2023",
        cost="O(N·C)",
        needs_model=True,
        pick=_draw_by(lambda scores: POWER * np.log(scores)),
    )
)
STOCHASTIC_MARGIN = register(
    Strategy(
        name="stochastic-margin",
        summary="at random by the softmax of the margins",
        when="large batches, closer to margin than power-margin",
        paper="Kirsch et al. 2023",
        cost="O(N·C)",
        needs_model=True,
        pick=_draw_by(lambda scores: SHARPNESS * scores),
    )
)

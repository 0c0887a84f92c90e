"""Passive learning: the baseline every other strategy has to beat."""

from __future__ import annotations

import numpy as np

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register


def draw_uniformly(n: int, k: int, rng: np.random.Generator) -> Selection:
    """min(k, n) of n candidates, uniformly without replacement, each with the probability of its own draw."""
    k = min(k, n)
    return Selection(rng.choice(n, size=k, replace=False), 1.0 / (n - np.arange(k, dtype=np.float64)))


def _pick(context: QueryContext, k: int) -> Selection:
    return draw_uniformly(len(context.candidates), k, context.rng)


RANDOM = register(
    Strategy(
        name="random",
        summary="uniformly at random: the baseline",
        when="to measure the others by",
        paper="–",
        cost="O(N)",
        needs_model=False,
        pick=_pick,
    )
)

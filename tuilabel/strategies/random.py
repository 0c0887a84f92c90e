"""Random sampling: the baseline that every other strategy has to beat."""

from __future__ import annotations

import numpy as np

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register


def draw_uniformly(n: int, k: int, rng: np.random.Generator) -> Selection:
    """Draw min(k, n) of n candidates uniformly without replacement, each with the probability of its draw."""
    k = min(k, n)
    return Selection(rng.choice(n, size=k, replace=False), 1.0 / (n - np.arange(k, dtype=np.float64)))


def _pick(context: QueryContext, k: int) -> Selection:
    return draw_uniformly(len(context.candidates), k, context.rng)


RANDOM = register(
    Strategy(
        name="random",
        summary="uniformly at random; the baseline",
        when="as a comparison for other strategies",
        paper="–",
        cost="O(N)",
        needs_model=False,
        pick=_pick,
    )
)

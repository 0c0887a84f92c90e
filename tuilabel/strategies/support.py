"""Helpers for strategies: limits of k, samples of large pools, and filling up a batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import Model, QueryContext, Selection
from tuilabel.strategies.scores import Scores

SAMPLE = 20_000  # candidates for methods whose cost grows faster than k·N·D
LARGE = 200_000  # candidates for other methods that would not fit into memory with millions
SCORED = 2_000_000  # items at most that a model predicts in a round; of a larger pool others in each round

Pick = Callable[[QueryContext, int], Selection]


def bounded(pick: Pick) -> Pick:
    """Call `pick` only with 1 ≤ k ≤ n."""

    @wraps(pick)
    def within(context: QueryContext, k: int) -> Selection:
        k = min(k, len(context.candidates))
        return pick(context, k) if k > 0 else Selection(np.empty(0, dtype=np.int64))

    return within


def probabilities_of(context: QueryContext) -> NDArray[np.float32] | Scores:
    """`predictions`; raises ValueError without a model."""
    p = predictions(context)
    if p is None:
        raise ValueError("this strategy needs probabilities: context.probabilities must not be None")
    return p


def predictions(context: QueryContext) -> NDArray[np.float32] | Scores | None:
    """The model's probabilities, (n, C), of which rows can be asked for; None without a model."""
    return context.probabilities if context.scores is None else context.scores


def model_of(context: QueryContext) -> Model:
    """The model; raises ValueError without one."""
    if context.model is None:
        raise ValueError("this strategy needs a model: context.model must not be None")
    return context.model


def sample(context: QueryContext, k: int, size: int = SAMPLE) -> NDArray[np.int64]:
    """Positions of `size` random candidates, at least 4·k, ascending; all candidates if there are fewer."""
    n = len(context.candidates)
    size = max(size, 4 * k)
    return np.arange(n) if n <= size else np.sort(context.rng.choice(n, size=size, replace=False))


def latents_at(context: QueryContext, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Latents of the candidates at `positions`, float32 (len(positions), D), in memory."""
    return np.ascontiguousarray(context.latents[context.candidates[positions]], dtype=np.float32)


def features_at(context: QueryContext, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """The model's input for the candidates at `positions`, float32 (len(positions), F), in memory."""
    features = context.latents if context.features is None else context.features
    return np.ascontiguousarray(features[context.candidates[positions]], dtype=np.float32)


def labelled_latents(context: QueryContext) -> NDArray[np.float32]:
    """Latents of the labelled items, float32 (m, D), in memory."""
    return np.ascontiguousarray(context.latents[context.labelled], dtype=np.float32)


def fill_up(
    chosen: NDArray[np.int64], k: int, n: int, rng: np.random.Generator, first: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """`chosen`, filled up to k of n positions: in the order of `first`, then at random."""
    chosen = chosen[:k]
    if len(chosen) < k and first is not None:
        more = first[~np.isin(first, chosen)]
        chosen = np.concatenate([chosen, more[: k - len(chosen)]])
    if len(chosen) < k:
        rest = rng.permutation(np.setdiff1d(np.arange(n), chosen))
        chosen = np.concatenate([chosen, rest[: k - len(chosen)]])
    return chosen

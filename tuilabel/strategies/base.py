"""What a query strategy is: numpy in, indices out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Model(Protocol):
    """What a strategy may ask of the classifier besides its probabilities; X are latents, float32 (n, D)."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities, float32 (n, C)."""

    def member_probabilities(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Those of each member of the ensemble, float32 (K, n, C)."""

    def embed(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the last layer sees, float32 (n, E)."""


@dataclass(frozen=True)
class QueryContext:
    """All a strategy may look at.

    Attributes
    ----------
    latents : float32 (N, D), of the whole pool; may be memory-mapped.
    candidates : int64 (n,), pool indices that may be picked: unanswered, unique, ascending.
    labelled : int64 (m,), pool indices of the labelled items.
    probabilities : float32 (n, C), the model's, row k for `candidates[k]`; None without a model.
    rng : of everything drawn at random.
    labels : int64 (m,), the class of each labelled item; empty without a model, where items on the screen count as
        labelled too.
    model : the classifier itself; None without one.
    """

    latents: NDArray[np.float32]
    candidates: NDArray[np.int64]
    labelled: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    rng: np.random.Generator
    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    model: Model | None = None


@dataclass(frozen=True)
class Selection:
    """Positions in `candidates`, int64 (k,), in the order in which they are to be asked.

    `query_probability`, float64 (k,), is the probability with which each was drawn among those left; None where the
    pick was not at random. `picked_by` names the strategy that picked where that is another than the one asked.
    """

    positions: NDArray[np.int64]
    query_probability: NDArray[np.float64] | None = None
    picked_by: str | None = None


@dataclass(frozen=True)
class Strategy:
    """A way of choosing what to ask.

    `pick(context, k)` returns min(k, n) distinct candidates.
    """

    name: str
    summary: str
    when: str
    """When to use it, in a few words."""
    paper: str
    cost: str
    """In N, the pool, C classes, D latent dimensions, H hidden units, k picks."""
    needs_model: bool
    """Whether it looks at `probabilities` or `model`; until there is a model, coverage picks in its place."""
    pick: Callable[[QueryContext, int], Selection]


_REGISTRY: dict[str, Strategy] = {}


def register(strategy: Strategy) -> Strategy:
    """Add a strategy to the registry; raises ValueError where the name is taken."""
    if strategy.name in _REGISTRY:
        raise ValueError(f"there is a strategy {strategy.name!r} already")
    _REGISTRY[strategy.name] = strategy
    return strategy


def strategy_names() -> tuple[str, ...]:
    """Every registered name, in the order of registration."""
    return tuple(_REGISTRY)


def registered(name: str) -> Strategy | None:
    """The registered strategy called `name`, if there is one."""
    return _REGISTRY.get(name)

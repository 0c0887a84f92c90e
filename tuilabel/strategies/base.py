"""The interface of query strategies: numpy arrays in, positions out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tuilabel.strategies.scores import Scores


class Model(Protocol):
    """The methods of the classifier that a strategy may call; X are its features, float32 (n, F)."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities, float32 (n, C)."""

    def member_probabilities(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities of each member of the ensemble, float32 (K, n, C)."""

    def embed(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input of the last layer, float32 (n, E)."""


@dataclass(frozen=True)
class QueryContext:
    """Everything a strategy may use.

    Attributes
    ----------
    latents : float32 (N, D), of the whole pool; float16 in pools of half a million items or more; may be
        memory-mapped. Distances between them compare items.
    candidates : int64 (n,), pool indices that may be picked: unlabelled, unique, ascending.
    labelled : int64 (m,), pool indices of the labelled items.
    probabilities : float32 (n, C), predictions of the model, row i for `candidates[i]`; None without a model.
    rng : the source of all randomness.
    labels : int64 (m,), the class of each labelled item; empty if there is no model, since `labelled` then also
        contains the items on the screen.
    model : the classifier itself; None without one.
    features : float32 (N, F), the input of `model`, if that is not `latents`; else None.
    scores : in place of `probabilities`, which then are None; user strategies always get the array.
    """

    latents: NDArray[np.float32]
    candidates: NDArray[np.int64]
    labelled: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    rng: np.random.Generator
    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    model: Model | None = None
    features: NDArray[np.float32] | None = None
    scores: Scores | None = None


@dataclass(frozen=True)
class Selection:
    """The items that a strategy picked.

    Attributes
    ----------
    positions : int64 (k,), positions in `candidates`, in the order in which the items are to be labelled.
    query_probability : float64 (k,), the probability with which each was drawn from the candidates that were left; None
        if items were not drawn at random.
    picked_by : the name of the strategy that picked, if the requested one delegated to another; else None.
    """

    positions: NDArray[np.int64]
    query_probability: NDArray[np.float64] | None = None
    picked_by: str | None = None


@dataclass(frozen=True)
class Strategy:
    """A query strategy and its description; `pick(context, k)` returns min(k, n) distinct candidates."""

    name: str
    summary: str
    when: str
    """When to use it, in a few words."""
    paper: str
    cost: str
    """Run time for a pool of N items, C classes, D latent dimensions, H hidden units and k picks."""
    needs_model: bool
    """Whether it uses `probabilities` or `model`; until there is a model, coverage picks instead."""
    pick: Callable[[QueryContext, int], Selection]
    sees: str = "all items"
    """How many of the candidates it looks at; others are left out at random, in each batch anew."""


_REGISTRY: dict[str, Strategy] = {}


def register(strategy: Strategy) -> Strategy:
    """Add a strategy to the registry; raises ValueError if the name is already taken."""
    if strategy.name in _REGISTRY:
        raise ValueError(f"the strategy {strategy.name!r} is already registered")
    _REGISTRY[strategy.name] = strategy
    return strategy


def strategy_names() -> tuple[str, ...]:
    """All registered names, in the order of registration."""
    return tuple(_REGISTRY)


def registered(name: str) -> Strategy | None:
    """The strategy registered as `name`, or None."""
    return _REGISTRY.get(name)

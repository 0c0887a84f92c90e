"""Query strategies for notebooks: arrays in, indices out."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.strategies.base import Model, QueryContext
from tuilabel.strategies.coverage import COVERAGE
from tuilabel.strategies.custom import get_strategy


@runtime_checkable
class FittedClassifier(Protocol):
    """An estimator around a model, such as `LatentClassifier`."""

    model_: Model


def query(
    strategy: str,
    latents: NDArray[np.float32],
    n: int,
    *,
    y: ArrayLike | None = None,
    labelled: ArrayLike = (),
    labels: ArrayLike = (),
    model: Model | FittedClassifier | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Select the items to label next.

    Parameters
    ----------
    strategy : a name, or `package.module:function`.
    latents : float32 (N, D), of the whole pool.
    n : number of items; all unlabelled items if there are fewer.
    y : (N,), the labels of the pool as in `LatentClassifier.fit`: -1 for items without a label.
    labelled, labels : instead of `y`, int (m,) each: indices of the labelled items and their classes 0…C-1.
    model : trained on these labels, a `LatentClassifier` or its `model_`; without it, coverage replaces a strategy that
        needs a model.

    Returns
    -------
    Indices in the pool, int64 (n,), distinct and unlabelled, in the order in which they are to be labelled.

    Raises
    ------
    UsageError : if there is no such strategy.
    ValueError : if `labelled` and `labels` differ in length, or `y` is not as long as `latents`.
    """
    indices, classes = np.asarray(labelled, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    if y is not None:
        indices, classes = _labelled_items(np.asarray(y), len(latents))
    if indices.shape != classes.shape or indices.ndim != 1:
        raise ValueError(f"labelled and labels must have the same shape (m,), got {indices.shape} and {classes.shape}")
    if isinstance(model, FittedClassifier):
        model = model.model_
    chosen = get_strategy(strategy)
    if chosen.needs_model and model is None:
        chosen = COVERAGE
    candidates = np.setdiff1d(np.arange(len(latents)), indices)
    probabilities = None if model is None else model.predict_proba(latents[candidates])
    context = QueryContext(latents, candidates, indices, probabilities, np.random.default_rng(seed), classes, model)
    return np.asarray(candidates[chosen.pick(context, n).positions])


def _labelled_items(y: NDArray[Any], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (m,) of the items with a label, and the positions (m,) of their classes among those that occur."""
    if y.shape != (n,):
        raise ValueError(f"y must have shape ({n},), got {y.shape}")
    indices = np.flatnonzero(y != -1)
    return indices, np.unique(y[indices], return_inverse=True)[1].astype(np.int64)

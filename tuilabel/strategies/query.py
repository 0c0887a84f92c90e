"""Query strategies for notebooks: arrays in, indices out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.strategies.base import Model, QueryContext
from tuilabel.strategies.coverage import COVERAGE
from tuilabel.strategies.custom import get_strategy


def query(
    strategy: str,
    latents: NDArray[np.float32],
    n: int,
    *,
    labelled: ArrayLike = (),
    labels: ArrayLike = (),
    model: Model | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """The items to label next.

    Parameters
    ----------
    strategy : a name, or `package.module:function`.
    latents : float32 (N, D), of the whole pool.
    n : number of items; all unlabelled items where there are fewer.
    labelled, labels : int (m,) each, indices of the labelled items and their classes 0…C-1.
    model : trained on these labels; without it, coverage replaces a strategy that needs a model.

    Returns
    -------
    Indices in the pool, int64 (n,), distinct and unlabelled, in the order in which they are to be labelled.

    Raises
    ------
    UsageError : where there is no such strategy.
    ValueError : where `labelled` and `labels` differ in length.
    """
    indices, classes = np.asarray(labelled, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    if indices.shape != classes.shape or indices.ndim != 1:
        raise ValueError(f"labelled and labels must have the same shape (m,), got {indices.shape} and {classes.shape}")
    chosen = get_strategy(strategy)
    if chosen.needs_model and model is None:
        chosen = COVERAGE
    candidates = np.setdiff1d(np.arange(len(latents)), indices)
    probabilities = None if model is None else model.predict_proba(latents[candidates])
    context = QueryContext(latents, candidates, indices, probabilities, np.random.default_rng(seed), classes, model)
    return np.asarray(candidates[chosen.pick(context, n).positions])

"""Asking a strategy from a notebook: arrays in, indices out."""

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
    """The items to ask next.

    Parameters
    ----------
    strategy : a name, or `package.module:function`.
    latents : float32 (N, D), of the whole pool.
    n : how many; all that are left where there are fewer.
    labelled, labels : int (m,) each, indices of the labelled items and their classes 0…C-1.
    model : trained on them; a strategy that needs one gives way to coverage without it.

    Returns
    -------
    Indices in the pool, int64 (n,), distinct, none of them labelled, in the order in which to ask.

    Raises
    ------
    UsageError : where there is no such strategy.
    ValueError : where `labelled` and `labels` do not belong together.
    """
    known, classes = np.asarray(labelled, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    if known.shape != classes.shape or known.ndim != 1:
        raise ValueError(f"{known.shape} labelled items and {classes.shape} labels do not belong together")
    chosen = get_strategy(strategy)
    if chosen.needs_model and model is None:
        chosen = COVERAGE
    candidates = np.setdiff1d(np.arange(len(latents)), known)
    probabilities = None if model is None else model.predict_proba(latents[candidates])
    context = QueryContext(latents, candidates, known, probabilities, np.random.default_rng(seed), classes, model)
    return np.asarray(candidates[chosen.pick(context, n).positions])

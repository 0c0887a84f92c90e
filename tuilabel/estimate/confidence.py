"""Accuracy from the model's own calibrated confidence (Guo, Pleiss, Sun & Weinberger 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.estimate.checks import class_vector, probability_matrix, same_length

TEMPERATURES = (0.05, 20.0)
PRIOR_SD = 0.5  # of log T: T within 0.4…2.7 at 95 % before any data; a few dozen items outweigh it
FLOOR = 1e-12  # float32 softmax rounds to 0, whose logarithm no temperature can bring back


def fit_temperature(log_probabilities: ArrayLike, targets: ArrayLike, prior_sd: float = PRIOR_SD) -> float:
    """The temperature that makes the true classes most likely, with a prior toward 1.

    Minimises -Σ log softmax(log p / T)[target] + (log T)² / (2 prior_sd²) over T in 0.05…20. The model must not have
    been trained on the items.

    Parameters
    ----------
    log_probabilities : float (n, C), or logits; -inf counts as log 1e-12.
    targets : int (n,), the true classes.
    prior_sd : standard deviation of the normal prior of log T; inf for plain temperature scaling.

    Raises
    ------
    ValueError : if the arrays are empty, do not match or contain NaN or +inf, or `prior_sd` is not above 0.
    """
    from scipy.optimize import minimize_scalar

    scores = np.asarray(log_probabilities, dtype=np.float64)
    if scores.ndim != 2 or not scores.size or np.isnan(scores).any() or np.isposinf(scores).any():
        raise ValueError("log_probabilities: expected (n, C), without NaN and +inf")
    if not prior_sd > 0:
        raise ValueError(f"prior_sd must be above 0, got {prior_sd}")
    true = class_vector(targets, "targets", scores.shape[1])
    same_length(log_probabilities=scores, targets=true)
    if np.isneginf(scores).all(axis=1).any():
        raise ValueError("log_probabilities: a row must have a finite value")
    scores = np.maximum(scores - _log_sum(scores), np.log(FLOOR))
    rows = np.arange(len(true))

    def objective(log_t: float) -> float:
        scaled = scores / np.exp(log_t)
        nll = _log_sum(scaled)[:, 0] - scaled[rows, true]
        return float(nll.sum() + 0.5 * (log_t / prior_sd) ** 2)

    low, high = np.log(TEMPERATURES)
    # Convex in 1/T without the prior, but not certainly unimodal in log T: a coarse grid comes first.
    grid = np.linspace(low, high, 25)
    best = int(np.argmin([objective(log_t) for log_t in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    return float(np.exp(minimize_scalar(objective, bounds=bounds, method="bounded").x))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """p^(1/T), normalised, float64 (n, C): less confident above 1, more confident below.

    Raises
    ------
    ValueError : if `probabilities` are not (n, C) probabilities, or `temperature` is not finite and above 0.
    """
    p = probability_matrix(probabilities)
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be finite and above 0, got {temperature}")
    scaled = np.log(np.maximum(p, FLOOR)) / temperature
    calibrated: NDArray[np.float64] = np.exp(scaled - _log_sum(scaled))
    return calibrated


def mean_confidence(probabilities: ArrayLike, temperature: float = 1.0) -> float:
    """The mean top probability over the unanswered pool: the model's own estimate of its accuracy there.

    It equals the accuracy in expectation if the model is calibrated on that pool, which a temperature fitted on
    actively chosen items does not ensure: fit it on audit items.

    Parameters
    ----------
    probabilities : float (n, C), of the unanswered items.
    temperature : applied first; see `fit_temperature`.

    Raises
    ------
    ValueError : as for `apply_temperature`.
    """
    return float(apply_temperature(probabilities, temperature).max(axis=1).mean())


def _log_sum(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log Σ exp of each row, float64 (n, 1); a row needs one finite score."""
    top = scores.max(axis=1, keepdims=True)
    total: NDArray[np.float64] = top + np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return total

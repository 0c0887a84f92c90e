"""Accuracy by number of labels: a fitted power law, the gain of more labels, and figures that summarise a curve."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.estimate.checks import finite_vector, same_length

MIN_POINTS = 4  # one more than there are parameters
EXPONENTS = (0.05, 3.0)
BOOTSTRAPS = 200
MAX_EXTRAPOLATION = 10  # times the labels so far; a curve cannot be trusted further ahead
_GRID = np.geomspace(*EXPONENTS, 60)


@dataclass(frozen=True)
class LearningCurve:
    """error(n) = a · n^-b + c (Mukherjee et al. 2003; Figueroa et al. 2012), fitted up to `last` labels."""

    a: float
    b: float
    c: float
    last: int
    points: NDArray[np.float64] = field(repr=False, compare=False)
    """The points it was fitted to, float64 (3, k): numbers of labels, errors, and weights that sum to 1."""
    seed: int = field(default=0, repr=False)
    """Seed of the bootstrap."""

    def predict(self, n_labels: float) -> float:
        """The accuracy after `n_labels` labels, in 0…1; raises ValueError below 1 label."""
        if not n_labels >= 1:
            raise ValueError(f"n_labels must be at least 1, got {n_labels}")
        return float(_accuracies(np.array([[self.a, self.b, self.c]]), n_labels)[0])

    def gain(self, extra: int) -> float:
        """The accuracy that `extra` ≥ 0 labels after the last should add; never negative."""
        return self.predict(self.last + extra) - self.predict(self.last)

    def gain_interval(self, extra: int) -> tuple[float, float]:
        """The 95 % percentile interval (low, high) of `gain` over bootstrap fits.

        It accounts for noise in the points, not for deviations from a power law: good for a few hundred labels ahead.
        """
        gains = _accuracies(self._bootstraps, self.last + extra) - _accuracies(self._bootstraps, self.last)
        low, high = np.percentile(gains, (2.5, 97.5))
        return float(low), float(high)

    @cached_property
    def _bootstraps(self) -> NDArray[np.float64]:
        """a, b and c of the fits to resampled residuals, float64 (B, 3).

        Computed when first needed: this takes twice as long as the fit itself.
        """
        n, error, w = self.points
        fitted = self.a * n**-self.b + self.c
        residuals = np.sqrt(w) * (error - fitted) * np.sqrt(len(n) / (len(n) - 3))
        drawn = np.random.default_rng(self.seed).choice(residuals, (BOOTSTRAPS, len(n)))
        return _grid_fit(n, fitted + drawn / np.sqrt(w), w)

    def labels_for(self, accuracy: float) -> int | None:
        """The total number of labels at which the curve reaches `accuracy`; `last` if it already has.

        None if it never does, or not within `MAX_EXTRAPOLATION` times `last`.
        """
        room = 1 - accuracy - self.c
        if self.predict(self.last) >= accuracy:
            return self.last
        if room <= 0 or self.a == 0:
            return None
        log_n = np.log(self.a / room) / self.b
        return None if log_n > np.log(MAX_EXTRAPOLATION * self.last) else max(self.last, int(np.ceil(np.exp(log_n))))


def fit_learning_curve(
    n_labels: ArrayLike, accuracy: ArrayLike, weights: ArrayLike | None = None, seed: int = 0
) -> LearningCurve | None:
    """Fit the power law by weighted least squares, a, b, c ≥ 0 and c ≤ 1.

    For a given b the rest is a linear problem with two unknowns, so only b is searched for: it needs no start value
    and cannot fail to converge. A flat or falling curve gives a = 0, and so no gain.

    Parameters
    ----------
    n_labels : (k,), at least 1, in any order; a number may occur several times.
    accuracy : float (k,), in 0…1.
    weights : float (k,), above 0; proportional to `n_labels` if None, as late points matter most for what comes
        next (Figueroa et al. 2012).
    seed : seed of the bootstrap in `LearningCurve.gain_interval`.

    Returns
    -------
    The curve; None for fewer than four different numbers of labels.

    Raises
    ------
    ValueError : if the lengths differ, or a value is not finite or out of range.
    """
    n = finite_vector(n_labels, "n_labels", min_length=0)
    error = 1 - finite_vector(accuracy, "accuracy", min_length=0)
    w = n.copy() if weights is None else finite_vector(weights, "weights", min_length=0)
    same_length(n_labels=n, accuracy=error, weights=w)
    if len(np.unique(n)) < MIN_POINTS:
        return None
    if n.min() < 1 or error.min() < 0 or error.max() > 1 or w.min() <= 0:
        raise ValueError("expected n_labels ≥ 1, accuracy in 0…1 and weights above 0")
    w = w / w.sum()
    b = _best_exponent(n, error, w)
    a, c, _ = _linear_fit(n, error[None], w, np.array([b]))
    return LearningCurve(float(a[0, 0]), b, float(c[0, 0]), int(n.max()), np.stack([n, error, w]), seed)


def _best_exponent(n: NDArray[np.float64], error: NDArray[np.float64], w: NDArray[np.float64]) -> float:
    grid = _GRID
    for _ in range(4):  # each grid is 30 times as fine as the previous one
        best = int(_linear_fit(n, error[None], w, grid)[2][0].argmin())
        grid = np.geomspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], len(_GRID))
    return float(np.sqrt(grid[0] * grid[-1]))


def _grid_fit(n: NDArray[np.float64], errors: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """a, b, c float64 (B, 3) for each row of `errors` (B, k), b from the grid."""
    a, c, cost = _linear_fit(n, errors, w, _GRID)
    best = cost.argmin(axis=1)
    rows = np.arange(len(errors))
    return np.stack([a[rows, best], _GRID[best], c[rows, best]], axis=1)


def _linear_fit(
    n: NDArray[np.float64], errors: NDArray[np.float64], w: NDArray[np.float64], exponents: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """a, c and the weighted squared error, float64 (B, E), for curves `errors` (B, k) and exponents (E,); w sums to 1.

    In two unknowns the constrained optimum is the free one or lies on an edge: c = 0, c = 1 or a = 0.
    """
    x = n ** -exponents[:, None]
    mean_x, mean_y = x @ w, (errors @ w)[:, None]
    xx, xy = x**2 @ w, (errors * w) @ x.T
    free = np.maximum(xy - mean_x * mean_y, 0) / np.maximum(xx - mean_x**2, 1e-300)
    offset = mean_y - free * mean_x
    c = np.clip(offset, 0, 1)
    a = np.where(offset < 0, np.maximum(xy, 0) / xx, free)
    a = np.where(offset > 1, 0, a)
    yy = (errors**2 @ w)[:, None]
    cost = yy - 2 * a * xy - 2 * c * mean_y + a**2 * xx + 2 * a * c * mean_x + c**2
    return a, c, cost


def _accuracies(parameters: NDArray[np.float64], n_labels: float) -> NDArray[np.float64]:
    a, b, c = parameters.T
    accuracies: NDArray[np.float64] = np.clip(1 - a * float(n_labels) ** -b - c, 0, 1)
    return accuracies


def labels_to_target(n_labels: ArrayLike, accuracy: ArrayLike, target: float, *, stays: bool = False) -> float | None:
    """The number of labels at which the curve first reaches `target`, linear between the points.

    Parameters
    ----------
    n_labels : (k,), strictly increasing.
    accuracy : float (k,).
    target : an accuracy.
    stays : require that the curve stays at or above the target from there on.

    Returns
    -------
    The number; the first one if the curve starts at or above the target; None if it is not reached.

    Raises
    ------
    ValueError : if the curve is empty, not increasing in n, not finite or of two lengths, or target is NaN.
    """
    n, y = _curve(n_labels, accuracy)
    if np.isnan(target):
        raise ValueError("target must not be NaN")
    reached = y >= target
    if stays:
        reached = np.logical_and.accumulate(reached[::-1])[::-1]
    if not reached.any():
        return None
    k = int(reached.argmax())
    if k == 0:
        return float(n[0])
    return float(n[k - 1] + (target - y[k - 1]) / (y[k] - y[k - 1]) * (n[k] - n[k - 1]))


def area_under_learning_curve(n_labels: ArrayLike, accuracy: ArrayLike) -> float:
    """The mean accuracy over the range of labels: trapezoids, divided by that range.

    Raises
    ------
    ValueError : as for `labels_to_target`, or if there are fewer than two points.
    """
    n, y = _curve(n_labels, accuracy)
    if len(n) < 2:
        raise ValueError("n_labels must have at least two points")
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(n)) / (n[-1] - n[0]))


def _curve(n_labels: ArrayLike, accuracy: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, y = finite_vector(n_labels, "n_labels"), finite_vector(accuracy, "accuracy")
    same_length(n_labels=n, accuracy=y)
    if (np.diff(n) <= 0).any():
        raise ValueError("n_labels must be strictly increasing")
    return n, y

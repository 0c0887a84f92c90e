"""The classifier for wide latents, such as the features of a pretrained network: regularised least squares.

Features of such a network are nearly linearly separable, and there are more of them than labels: an MLP learns noise
where least squares, solved in closed form, uses all of them (Rifkin & Klautau 2004, "In defense of one-vs-all
classification"). The same normal equations give the predictions for labels that are left out, which calibrate it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from tuilabel.learner.base import check_labelled
from tuilabel.learner.mlp import UNSEEN, SoftLabels

RIDGE = 0.1  # relative to the mean squared norm of a labelled item
SHARPNESS = 8.0  # scores are multiplied by about this before the softmax; with few labels it is the prior
PRIOR_LABELS = 10.0  # how many labels the prior is worth
MAX_SHARPNESS = 64.0
SELF = 1.2  # how much surer a model is of an item that it was taught, relative to the item's leverage
CHUNK = 16_384  # rows scored at once


@dataclass(frozen=True)
class SecondMoments:
    """What soft labels of many items cost in every fit, computed once: the mean of x xᵀ over rows of latents.

    Attributes
    ----------
    mean : float64 (D, D).
    """

    mean: NDArray[np.float64]

    @classmethod
    def of(cls, latents: NDArray[np.float32], rows: NDArray[np.int64]) -> SecondMoments:
        """Of the given rows (A,) of latents (N, D)."""
        total = np.zeros((latents.shape[1], latents.shape[1]))
        for start in range(0, len(rows), CHUNK):
            part = np.asarray(latents[rows[start : start + CHUNK]], dtype=np.float32)
            total += part.T @ part
        return cls(total / max(1, len(rows)))


class HeldOut(NamedTuple):
    """What models say of labels that they have not learned."""

    scores: NDArray[np.float64]
    """Of `LinearEnsemble.scores`, (h, C)."""
    y: NDArray[np.int64]
    """The true classes, (h,)."""
    taught: NDArray[np.bool_]
    """Whether the models were taught soft labels of an item, (h,)."""


class LinearEnsemble:
    """One least-squares classifier; its members are samples from the posterior of its weights.

    Parameters
    ----------
    n_classes : C, at least 2.
    members : K, samples for strategies that compare members.
    seed : draws the samples.

    Attributes
    ----------
    n_features_in_ : D, after `fit`.
    weights : float32 (D, C), after `fit`: probabilities are softmax(X @ weights + bias).
    bias : float32 (C,).
    left_out_probabilities : float32 (n, C), the prediction for each label by all others (Allen's PRESS).
    """

    def __init__(self, n_classes: int, *, members: int = 3, seed: int = 0) -> None:
        if n_classes < 2:
            raise ValueError(f"n_classes must be at least 2, got {n_classes}")
        self.n_classes, self.members, self.seed = n_classes, members, seed
        self.weights = np.empty((0, n_classes), dtype=np.float32)
        self._taught: tuple[SecondMoments, float] | None = None

    def fit(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.int64],
        teacher: SoftLabels | None = None,
        *,
        moments: SecondMoments | None = None,
        held_out: HeldOut | None = None,
    ) -> LinearEnsemble:
        """Solve for the weights.

        Parameters
        ----------
        X, y : latents (n, D) and classes (n,) in 0…C-1.
        teacher : soft labels of other items, all A together worth `teacher.weight` · n labels.
        moments : of the rows of the soft labels, to save computing them.
        held_out : what calibrates the probabilities; None for the prediction of each label by all others, which is
            honest only as long as the teacher does not know that label.

        Raises
        ------
        ValueError : see `check_labelled`.
        """
        check_labelled(X, y, self.n_classes)
        n, self.n_features_in_ = X.shape
        latents = X.astype(np.float64)
        targets = np.eye(self.n_classes)[y] - 1 / self.n_classes
        normal = latents.T @ latents  # (D, D)
        right = latents.T @ targets  # (D, C)
        self._taught = None
        if teacher is not None and teacher.weight > 0:
            moments = moments or SecondMoments.of(teacher.X, teacher.rows)
            self._taught = moments, teacher.weight * n / len(teacher.rows)
            normal += teacher.weight * n * moments.mean
            right += teacher.weight * n * _mean_product(teacher)
        normal[np.diag_indices_from(normal)] += RIDGE * np.square(latents).sum() / n
        self._factor = linalg.cholesky(normal, lower=True, overwrite_a=True, check_finite=False)
        solved = linalg.cho_solve((self._factor, True), right, check_finite=False)
        half = linalg.solve_triangular(self._factor, latents.T, lower=True, check_finite=False)  # (D, n)
        leverage = np.minimum(np.square(half).sum(axis=0), 0.99)[:, None]
        left_out = (latents @ solved - leverage * targets) / (1 - leverage)  # predictions by the other labels
        if held_out is None:
            sharpness = _sharpness(left_out, y)
        else:
            sharper = np.where(held_out.taught, self.taught_temperature, 1.0)[:, None]
            sharpness = _sharpness(held_out.scores / sharper, held_out.y)
        self.left_out_probabilities = np.asarray(softmax(sharpness * left_out, axis=1), dtype=np.float32)
        unseen = np.bincount(y, minlength=self.n_classes) == 0
        self._scale = sharpness * float(np.sqrt(np.mean((left_out - targets) ** 2)))
        self.sharpness = sharpness
        self.weights = (sharpness * solved).astype(np.float32)
        self.bias = np.where(unseen, UNSEEN, 0).astype(np.float32)  # a class without labels is never predicted
        return self

    @property
    def taught_temperature(self) -> float:
        """By how much it is surer of items whose soft labels it was taught than of others, at least 1.

        Such a label pulls the prediction of its own item: by its leverage, the mean of which the moments give.
        """
        if self._taught is None:
            return 1.0
        moments, weight = self._taught
        solved = linalg.cho_solve((self._factor, True), moments.mean, check_finite=False)
        return 1 + SELF * weight * float(solved.trace())

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities, float32 (n, C).

        Raises
        ------
        ValueError : if `fit` has not been called, or X is not (n, n_features_in_).
        """
        return np.asarray(softmax(self._scores(X, self.weights), axis=1), dtype=np.float32)

    def member_probabilities(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities of samples from the posterior, float32 (K, n, C); raises like `predict_proba`."""
        rng = np.random.default_rng(self.seed)
        result = np.empty((self.members, len(X), self.n_classes), dtype=np.float32)
        for member in result:
            noise = rng.standard_normal(self.weights.shape)
            sample = linalg.solve_triangular(self._factor, noise, lower=True, trans="T", check_finite=False)
            member[:] = softmax(self._scores(X, self.weights + (self._scale * sample).astype(np.float32)), axis=1)
        return result

    def embed(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input of the only layer, X itself, float32 (n, D); raises like `predict_proba`."""
        self._scores(X[:0], self.weights)
        return X

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """How much least squares speaks for each class, uncalibrated, (n, C); raises like `predict_proba`."""
        return (self._scores(X, self.weights) - self.bias).astype(np.float64) / self.sharpness

    def _scores(self, X: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        if not len(self.weights):
            raise ValueError("this LinearEnsemble is not fitted yet: call fit(X, y) first")
        if X.ndim != 2 or X.shape[1] != self.n_features_in_:
            raise ValueError(f"X must have shape (n, {self.n_features_in_}) as in fit, got {X.shape}")
        return np.asarray(X, dtype=np.float32) @ weights + self.bias


def _mean_product(teacher: SoftLabels) -> NDArray[np.float64]:
    """The mean over the items of latents ⊗ centred soft labels, (D, C)."""
    centred = teacher.probabilities - np.float32(1 / teacher.probabilities.shape[1])
    total = np.zeros((teacher.X.shape[1], centred.shape[1]))
    for start in range(0, len(teacher.rows), CHUNK):
        part = slice(start, start + CHUNK)
        total += np.asarray(teacher.X[teacher.rows[part]], dtype=np.float32).T @ centred[part]
    return total / max(1, len(teacher.rows))


def _sharpness(scores: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """The factor that makes the true classes most likely, with a prior toward `SHARPNESS`."""
    rows = np.arange(len(y))

    def objective(log_factor: float) -> float:
        fit = -log_softmax(np.exp(log_factor) * scores, axis=1)[rows, y].sum()
        return float(fit + PRIOR_LABELS * (log_factor - np.log(SHARPNESS)) ** 2 / 2)

    found = minimize_scalar(objective, bounds=(0, np.log(MAX_SHARPNESS)), method="bounded")
    return float(np.exp(found.x))

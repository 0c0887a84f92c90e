"""The default learner in scikit-learn's manner, for notebooks and scripts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.learner.base import LabelSet
from tuilabel.learner.latent import LatentLearner
from tuilabel.strategies.base import Model

UNLABELLED = -1


class LatentClassifier:
    """Learns from a few labels among many latents: label propagation teaches an MLP ensemble, calibrated.

    The conventions are those of `sklearn.semi_supervised`: all items go in, and -1 stands for "no label". It is the
    `latent` learner of the labelling screen.

    Parameters
    ----------
    seed : the same seed, latents and labels give the same classifier.

    Attributes
    ----------
    classes_ : the classes seen in `fit`, ascending, (C,).
    n_features_in_ : D.
    model_ : the ensemble itself, for strategies.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> LatentClassifier:
        """Learn from latents X, float (N, D), and classes y, int (N,), -1 where nobody has answered.

        Raises
        ------
        ValueError : where shapes do not match, or there are labels of fewer than two classes.
        TuilabelError : where a latent is no number.
        """
        latents = np.ascontiguousarray(X, dtype=np.float32)
        answers = np.asarray(y)
        if latents.ndim != 2 or answers.shape != latents.shape[:1] or not np.issubdtype(answers.dtype, np.integer):
            raise ValueError(f"latents {latents.shape} and classes {answers.shape} ({answers.dtype}) do not fit")
        indices = np.flatnonzero(answers != UNLABELLED)
        classes, labels = np.unique(answers[indices], return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"labels of {len(classes)} classes teach nothing: label items of at least two")
        known = LabelSet(indices, labels.astype(np.int64), len(classes), np.zeros(len(indices), dtype=bool))
        self.classes_ = classes
        self.n_features_in_ = latents.shape[1]
        self.model_: Model = LatentLearner(latents).fit(known, self.seed)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probabilities of `classes_`, float32 (n, C), of latents (n, D); raises ValueError before `fit`."""
        if not hasattr(self, "model_"):
            raise ValueError("this LatentClassifier is not fitted yet: call fit(X, y) first")
        return self.model_.predict_proba(np.ascontiguousarray(X, dtype=np.float32))

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """The most probable of `classes_`, (n,), of latents (n, D)."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """The share of right predictions for latents (n, D) whose classes y (n,) are known."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

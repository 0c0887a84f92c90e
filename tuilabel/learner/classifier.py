"""The default learner as a scikit-learn estimator, for notebooks and scripts.

It follows the estimator protocol without subclassing `sklearn.base.BaseEstimator`: scikit-learn takes several times as
long to import as this module, and nothing else in tuilabel needs it. Where it is installed (1.6 or newer), `clone`,
`Pipeline`, `cross_val_score` and `GridSearchCV` accept a `LatentClassifier` like any other estimator.
"""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.learner.base import LabelSet
from tuilabel.learner.wide import latent_learner
from tuilabel.strategies.base import Model

UNLABELLED = -1


class LatentClassifier:
    """Learns from many latents and a few labels: an MLP ensemble, taught by label propagation and calibrated.

    On wide latents, of more than 128 columns, least squares take the place of the MLP ensemble.

    This is the `latent` learner of the labelling screen. The conventions are those of `sklearn.semi_supervised`: `fit`
    takes all items, and -1 in `y` stands for "no label".

    Parameters
    ----------
    seed : the same seed, latents and labels give the same classifier.
    compact : how many of the first columns of wide latents compare items best, such as 64 of those that `encode` makes
        with a pretrained network; None for all.

    Attributes
    ----------
    classes_ : the classes that have labels, ascending, (C,).
    n_features_in_ : D, the number of latent dimensions.
    model_ : the trained ensemble, for query strategies.

    Examples
    --------
    >>> classifier = LatentClassifier().fit(latents, y)  # doctest: +SKIP
    >>> classifier.predict_proba(latents[y == -1])  # doctest: +SKIP
    """

    def __init__(self, *, seed: int = 0, compact: int | None = None) -> None:
        self.seed = seed
        self.compact = compact

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from the latents of all items and the labels of some.

        Parameters
        ----------
        X : float (N, D), latents.
        y : (N,), classes as integers or strings; -1 for items without a label.

        Raises
        ------
        ValueError : if shapes or dtypes are wrong, a latent is not finite, or fewer than two classes have labels.
        """
        latents = _check_latents(X)
        targets = _check_targets(y, len(latents))
        if self.compact is not None and not 1 <= self.compact <= latents.shape[1]:
            raise ValueError(f"compact must be 1 to {latents.shape[1]}, got {self.compact}")
        indices = np.flatnonzero(targets != UNLABELLED)
        classes, labels = np.unique(targets[indices], return_inverse=True)
        if len(classes) < 2:
            got = "1 class" if len(classes) else "none"
            raise ValueError(f"y must have labels of at least 2 classes, not counting -1, got {got}")
        labelled = LabelSet(indices, labels.astype(np.int64), len(classes), np.zeros(len(indices), dtype=bool))
        self.classes_ = classes
        self.n_features_in_ = latents.shape[1]
        self.model_: Model = latent_learner(latents, self.compact).fit(labelled, self.seed)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probabilities of `classes_`, float32 (n, C), of latents (n, D).

        Raises
        ------
        ValueError : if `fit` has not been called (`NotFittedError` if scikit-learn is installed), or X has the wrong
            shape.
        """
        if not self.__sklearn_is_fitted__():
            raise _not_fitted_error()
        latents = _check_latents(X)
        if latents.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {latents.shape[1]} features, but LatentClassifier is expecting {self.n_features_in_} features "
                "as input"
            )
        return self.model_.predict_proba(latents)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable of `classes_`, (n,), for latents (n, D); raises the same errors as `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Accuracy on the labelled items, for latents (n, D) and classes (n,), -1 for items without a label."""
        targets = np.asarray(y)
        labelled = targets != UNLABELLED
        if not labelled.any():
            raise ValueError("y must have at least one label, not counting -1, got none")
        return float(np.mean(self.predict(X)[labelled] == targets[labelled]))

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn passes it
        """The parameters of the constructor."""
        return {name: getattr(self, name) for name in _parameters()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor; raises ValueError for an unknown one."""
        for name, value in params.items():
            if name not in _parameters():
                names = ", ".join(_parameters())
                raise ValueError(f"unknown parameter {name!r} of LatentClassifier: must be one of {names}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value != _parameters()[name]]
        return f"LatentClassifier({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
        )


def _parameters() -> dict[str, Any]:
    """The parameters of the constructor and their defaults."""
    parameters = inspect.signature(LatentClassifier.__init__).parameters
    return {name: parameter.default for name, parameter in parameters.items() if name != "self"}


def _check_latents(X: ArrayLike) -> NDArray[np.float32]:
    """X as float32 (n, D), contiguous; raises ValueError or, for a sparse matrix, TypeError."""
    if hasattr(X, "toarray"):
        raise TypeError("X must be a dense array, got a sparse matrix: call X.toarray() first")
    latents = np.asarray(X)
    if np.iscomplexobj(latents):
        raise ValueError("Complex data not supported: X must be real")
    if latents.ndim != 2:
        raise ValueError(
            f"X must have shape (n, D), got {latents.shape}. Reshape your data with X.reshape(1, -1) if it is one item"
        )
    if not latents.shape[0]:
        raise ValueError(f"Found array with 0 sample(s) (shape={latents.shape}) while a minimum of 1 is required.")
    if not latents.shape[1]:
        raise ValueError(f"Found array with 0 feature(s) (shape={latents.shape}) while a minimum of 1 is required.")
    latents = np.ascontiguousarray(latents, dtype=np.float32)
    if not np.isfinite(latents).all():
        raise ValueError("X must be finite, got NaN or infinity")
    return latents


def _check_targets(y: ArrayLike, n: int) -> NDArray[Any]:
    """The classes as an array (n,); raises ValueError if y is not a list of n classes."""
    if y is None:
        raise ValueError("LatentClassifier requires y to be passed, but the target y is None")
    targets = np.asarray(y)
    if targets.ndim != 1 or len(targets) != n:
        raise ValueError(f"y must have shape ({n},), got {targets.shape}")
    if targets.dtype.kind == "f":
        if not np.isfinite(targets).all():
            raise ValueError("y must be finite, got NaN or infinity")
        if (targets != np.round(targets)).any():
            raise ValueError("Unknown label type: y must be classes, got fractional numbers")
    return targets


def _not_fitted_error() -> ValueError:
    message = "this LatentClassifier is not fitted yet: call fit(X, y) first"
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return ValueError(message)
    error: ValueError = NotFittedError(message)
    return error

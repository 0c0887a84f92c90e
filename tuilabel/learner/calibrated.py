"""The final model of a project: the one that the labelling screen uses, calibrated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError
from tuilabel.estimate import apply_temperature, fit_temperature
from tuilabel.learner.base import LabelSet, Learner
from tuilabel.learner.cross_validation import FOLDS, cross_validate, merge_folds
from tuilabel.strategies.base import Model

MIN_AUDIT_ITEMS = 16  # needed to calibrate: among fewer, a single mistake would outweigh all others
CHUNK = 16_384  # rows scored at once


@dataclass(frozen=True)
class CalibratedModel:
    """A model and the temperature that calibrates it (Guo et al. 2017).

    Attributes
    ----------
    model : the model that the labelling screen trains on the same labels with the same seed.
    labelled : the labels it was trained on.
    temperature : T; logarithms of probabilities are divided by it, which changes no prediction.
    n_calibration : number of audit items that the temperature was fitted on; 0 if there were too few, and T is 1.
    """

    model: Model
    labelled: LabelSet
    temperature: float
    n_calibration: int

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated class probabilities, float32 (n, C), of features (n, D)."""
        probs = self.model.predict_proba(X)
        return apply_temperature(probs, self.temperature).astype(np.float32) if len(probs) else probs

    def chunks(self, X: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Predict X slice by slice in bounded memory; yields the first row and the probabilities of each slice."""
        for start in range(0, len(X), CHUNK):
            yield start, self.predict_proba(np.asarray(X[start : start + CHUNK]))


def fit_calibrated(
    learner: Learner,
    labelled: LabelSet,
    *,
    model_seed: int,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CalibratedModel:
    """Train on all labels, and fit the temperature by cross-validation on the audit items.

    Audit items were drawn at random, so they are representative of the pool; items that a strategy picked because they
    are hard would make the model look less sure than it should be. Each audit item is predicted by a model trained on
    all labels except a fifth of the audit items, which is nearly the model itself. With fewer than
    `MIN_AUDIT_ITEMS` audit items the model keeps its own calibration.

    Parameters
    ----------
    model_seed : seed of the model, see `TrainRequest.model_seed`.
    seed : seed of the folds.
    on_progress : called with (models trained, models to train).

    Raises
    ------
    TuilabelError : if fewer than two classes have labels.
    """
    n_classes = len(np.unique(labelled.labels))
    if n_classes < 2:
        raise TuilabelError(f"training needs labels of at least 2 classes, got {n_classes}: label more images")
    audits = np.flatnonzero(labelled.audit)
    folds = FOLDS if len(audits) >= MIN_AUDIT_ITEMS else 0
    on_progress(0, folds + 1)
    model = learner.fit(labelled, model_seed)
    on_progress(1, folds + 1)
    if not folds:
        return CalibratedModel(model, labelled, 1.0, 0)
    rng = np.random.default_rng([seed, len(labelled.indices), folds])
    fold = np.full(len(labelled.indices), -1, dtype=np.int64)
    fold[audits] = rng.permutation(len(audits)) % folds
    parts = []
    for f, part in enumerate(cross_validate(learner, labelled, fold, rng)):
        if len(np.unique(labelled.labels[fold != f])) == n_classes:  # else the model has not learned every class
            parts.append(part)
        on_progress(f + 2, folds + 1)
    if not parts:
        return CalibratedModel(model, labelled, 1.0, 0)
    rows, probs = merge_folds(parts, labelled.n_classes)
    temperature = fit_temperature(np.log(np.maximum(probs, 1e-12)), labelled.labels[rows])
    return CalibratedModel(model, labelled, temperature, len(rows))

"""The model of a project's labels, to be used: that of the labelling screen, calibrated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError
from tuilabel.estimate import apply_temperature, fit_temperature
from tuilabel.learner.base import LabelSet, Learner
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.learner.trainer.round import model_seed
from tuilabel.strategies.base import Model

FOLDS = 5  # of the audit items
ENOUGH = 16  # audit items; of fewer a single mistake would say more than all others
CHUNK = 16_384  # rows scored at once


@dataclass(frozen=True)
class CalibratedModel:
    """A model and the temperature that calibrates it.

    Attributes
    ----------
    model : the one that the labelling screen has for the same labels and seed.
    labelled : what it has learnt.
    temperature : its probabilities are raised to 1/T; no prediction changes by that.
    n_calibration : audit items that told the temperature; 0 where there were too few, and it is 1.
    """

    model: Model
    labelled: LabelSet
    temperature: float
    n_calibration: int

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated class probabilities, float32 (n, C), of features (n, D)."""
        said = self.model.predict_proba(X)
        return apply_temperature(said, self.temperature).astype(np.float32) if len(said) else said

    def chunks(self, X: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """First row and calibrated probabilities of one slice of X after the other, in bounded memory."""
        for start in range(0, len(X), CHUNK):
            yield start, self.predict_proba(np.asarray(X[start : start + CHUNK]))


def fit_calibrated(
    learner: Learner,
    request: TrainRequest,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CalibratedModel:
    """Train on the labels of `request`, and calibrate on audit items.

    Audit items were drawn at random, so what holds on them holds on the pool; labels that a strategy chose for being
    hard would make the model look less sure than it should be. Each audit item is judged by a model that has learnt all
    other labels but a fifth of the audit items, which is all but the model itself. With fewer than `ENOUGH` of them the
    model's own calibration stays.

    Parameters
    ----------
    on_progress : called with (models trained, models in all).

    Raises
    ------
    TuilabelError : where there are no labels of two classes.
    """
    known = LabelSet(request.indices, request.labels, request.n_classes, request.audit)
    if len(np.unique(known.labels)) < 2:
        raise TuilabelError("there are no labels of two classes yet, so no model: go on with `tuilabel label`")
    audits = np.flatnonzero(known.audit)
    folds = FOLDS if len(audits) >= ENOUGH else 0
    on_progress(0, folds + 1)
    model = learner.fit(known, seed=model_seed(request))
    on_progress(1, folds + 1)
    rng = np.random.default_rng([request.seed, len(known.indices), folds])
    fold = rng.permutation(len(audits)) % max(1, folds)
    said, true = [], []
    for k in range(folds):
        held_out = np.zeros(len(known.indices), dtype=bool)
        held_out[audits[fold == k]] = True
        rest, judged = known.subset(~held_out), known.subset(held_out)
        seed = int(rng.integers(2**31))
        if len(np.unique(rest.labels)) == len(np.unique(known.labels)):  # of a class not learnt nothing can be said
            said.append(learner.fit(rest, seed).predict_proba(learner.features[judged.indices]))
            true.append(judged.labels)
        on_progress(k + 2, folds + 1)
    if not said:
        return CalibratedModel(model, known, 1.0, 0)
    targets = np.concatenate(true)
    temperature = fit_temperature(np.log(np.maximum(np.concatenate(said), 1e-12)), targets)
    return CalibratedModel(model, known, temperature, len(targets))

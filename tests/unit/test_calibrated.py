"""The final model: that of the labelling screen, calibrated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.sessions import NO_ITEMS, SessionMaker, item_at, train_request
from tests.helpers.toy import Toy, make_toy
from tuilabel.errors import TuilabelError
from tuilabel.estimate import expected_calibration_error
from tuilabel.labels import LabelStore
from tuilabel.learner.base import LabelSet, Learner
from tuilabel.learner.calibrated import MIN_AUDIT_ITEMS, CalibratedModel, fit_calibrated
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.mlp import MLPEnsemble
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.project.resume import resume_session


def fit(learner: Learner, request: TrainRequest) -> CalibratedModel:
    return fit_calibrated(learner, request.labelled, model_seed=request.model_seed, seed=request.seed)


def test_the_model_is_the_newest_one_of_the_screen(toy: Toy, make_session: SessionMaker, tmp_path: object) -> None:
    runner = toy.runner()
    session = make_session(toy, trainer=InlineTrainer(runner.run, QuestionHandler(runner).answer), seed=3)
    for _ in range(3):
        assert session.batch is not None
        for item in session.batch.items:
            session.label(item.index, toy.truth(item.index))
    session.label(item_at(session, 2), 1)
    session.skip(item_at(session, 4))
    session.rename_class(0, "zero")
    store = LabelStore.open(tmp_path / "labels.db")  # type: ignore[operator]
    try:
        resumed, request = resume_session(toy.pool, store, toy.pool.classes, seed=3)
    finally:
        store.close()
    assert resumed.classes == ("zero", "b", "c")
    calibrated = fit(MLPLearner(toy.latents), request)
    kept = runner.probabilities(np.arange(len(toy.latents)))
    assert kept is not None
    assert np.array_equal(calibrated.model.predict_proba(toy.latents), kept)
    assert len(calibrated.labelled.indices) == 31


def test_few_audit_items_do_not_calibrate(toy: Toy) -> None:
    labelled = list(range(30))
    request = train_request(toy, labelled, audit=np.arange(30) < MIN_AUDIT_ITEMS - 1)
    calibrated = fit(MLPLearner(toy.latents), request)
    assert (calibrated.temperature, calibrated.n_calibration) == (1.0, 0)


class Underconfident:
    """A learner whose models are right but underconfident."""

    def __init__(self, latents: np.ndarray) -> None:
        self.features = latents

    def prepare(self) -> None: ...

    def fit(self, labelled: LabelSet, seed: int) -> Underconfident:
        self.model = MLPEnsemble(labelled.n_classes, seed=seed).fit(self.features[labelled.indices], labelled.labels)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        softened = self.model.predict_proba(X) ** 0.2
        return (softened / softened.sum(axis=1, keepdims=True)).astype(np.float32)


def test_audit_items_calibrate_and_change_no_prediction() -> None:
    toy = make_toy(300)
    labelled = list(range(90))
    request = train_request(toy, labelled, audit=np.arange(90) % 2 == 0)
    calibrated = fit(Underconfident(toy.latents), request)  # type: ignore[arg-type]
    before, after = calibrated.model.predict_proba(toy.test.features), calibrated.predict_proba(toy.test.features)
    assert calibrated.n_calibration == 45
    assert calibrated.temperature < 0.7
    assert after.dtype == np.float32
    assert np.allclose(after.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(after.argmax(axis=1), before.argmax(axis=1))
    errors = [expected_calibration_error(p, toy.test.targets) for p in (before, after)]
    assert errors[1] < errors[0] / 2


def test_chunks_give_the_same_predictions_as_the_whole(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.learner.calibrated.CHUNK", 50)
    calibrated = fit(MLPLearner(toy.latents), train_request(toy, list(range(30))))
    chunks = list(calibrated.chunks(toy.latents))
    assert [start for start, _ in chunks] == [0, 50, 100]
    assert np.allclose(np.concatenate([p for _, p in chunks]), calibrated.predict_proba(toy.latents), atol=1e-6)
    assert calibrated.predict_proba(toy.latents[:0]).shape == (0, 3)


def test_labels_of_one_class_are_refused(toy: Toy) -> None:
    request = replace(train_request(toy, [1, 2, 3]), labels=np.zeros(3, dtype=np.int64))
    with pytest.raises(TuilabelError, match="labels of at least 2 classes, got 1"):
        fit(MLPLearner(toy.latents), request)
    with pytest.raises(TuilabelError, match="labels of at least 2 classes, got 0"):
        fit(MLPLearner(toy.latents), replace(request, indices=NO_ITEMS, labels=NO_ITEMS, audit=NO_ITEMS < 0))

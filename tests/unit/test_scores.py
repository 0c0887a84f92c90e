"""What a round keeps of a model's predictions, and how often it reads the latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers.query_contexts import FakeModel
from tests.helpers.sessions import train_request
from tests.helpers.toy import Toy, make_toy
from tuilabel.learner.latent import STEPS, LatentLearner, MLPLearner
from tuilabel.learner.mlp import TEACHER_BATCH
from tuilabel.learner.trainer import round as round_module
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.strategies import scores as scores_module
from tuilabel.strategies.scores import Scores
from tuilabel.strategies.uncertainty import confidence, entropy, least_confidence, margin


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_scores_are_those_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch, n_classes: int, threads: int) -> None:
    monkeypatch.setattr(scores_module, "SLICE", 16)
    features = np.random.default_rng(0).normal(size=(101, 4)).astype(np.float32)
    features[7] = features[8] = 0  # a tie of all classes
    model = FakeModel(4, n_classes)
    items = np.setdiff1d(np.arange(101), [3, 50])
    scores, p = Scores.of(model, features, items, threads=threads), model.predict_proba(features[items])
    assert scores.shape == p.shape
    assert np.array_equal(scores.predicted, p.argmax(axis=1))
    for measure in (confidence, least_confidence, margin):
        assert np.array_equal(measure(scores), measure(p))
    assert np.allclose(entropy(scores), entropy(p), atol=1e-6)
    assert np.array_equal(scores.matrix(), p)
    some = np.array([4, 90, 7])
    assert np.array_equal(scores[some], p[some])
    assert np.array_equal(scores.at(some).margin, margin(p[some]))
    assert scores.at(some).items.tolist() == items[some].tolist()
    assert len(Scores.of(model, features, items[:0], threads=threads)) == 0


def test_what_is_shown_may_differ_from_what_strategies_see() -> None:
    features = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    uniform = lambda p, _items: np.full_like(p, 1 / p.shape[1])  # noqa: E731
    scores = Scores.of(FakeModel(4), features, np.arange(40), uniform)
    assert scores.confidence.max() > 0.5
    assert np.allclose(scores.shown_confidence, 1 / 3)
    assert np.allclose(scores.at(np.arange(5)).shown_entropy, np.log(3))


@pytest.mark.parametrize("strategy", ["margin", "auto", "random", "power-margin", "badge"])
def test_a_sample_of_a_large_pool_is_scored_another_one_in_each_round(
    monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    monkeypatch.setattr(round_module, "SCORED", 50)
    toy = make_toy(400)
    runner, labelled, seen = RoundRunner(MLPLearner(toy.latents)), list(range(12)), []
    for serial in range(2):
        result = runner.run(train_request(toy, labelled, strategy=strategy, serial=serial))
        assert runner.scores is not None
        seen.append(runner.scores.items)
        assert len(seen[-1]) == 50
        assert not np.isin(seen[-1], labelled).any()
        assert np.isin(result.picks.indices, seen[-1]).all()
        assert result.picks.probabilities is not None
        assert len(result.picks.probabilities) == len(result.picks.indices)
        assert result.uncertainty_histogram is not None
        assert result.uncertainty_histogram.sum() == 50
        if result.picks.query_probability is not None:  # of a draw from all, as accuracy estimates need it
            assert result.picks.query_probability[0] < 0.2
        labelled += result.picks.indices.tolist()
    assert not np.array_equal(seen[0], seen[1])
    predicted = runner.predicted()
    assert predicted is not None
    assert (predicted == toy.pool.targets).mean() > 0.9
    if strategy == "random":
        assert result.picks.query_probability is not None
        assert result.picks.query_probability[0] == pytest.approx(1 / (400 - len(labelled) + len(result.picks.indices)))


def test_audit_items_are_drawn_from_the_whole_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = make_toy(400)
    request = train_request(toy, list(range(12)))
    whole = toy.runner().run(request)
    monkeypatch.setattr(round_module, "SCORED", 50)
    sampled = toy.runner().run(request)
    assert sampled.audit.indices.tolist() == whole.audit.indices.tolist()
    assert sampled.audit.query_probability is not None
    assert np.array_equal(sampled.audit.query_probability, whole.audit.query_probability)  # type: ignore[arg-type]
    assert np.array_equal(sampled.stop_set, whole.stop_set)  # type: ignore[arg-type]


class Counted(np.ndarray[Any, np.dtype[np.float32]]):
    """An array that counts the rows which are read."""

    rows = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        Counted.rows += np.size(found) // self.shape[-1]
        return np.asarray(found)


@pytest.mark.parametrize("strategy", ["margin", "entropy", "least-confidence", "auto", "power-margin", "random"])
def test_a_round_reads_the_latents_once(toy: Toy, strategy: str) -> None:
    toy = make_toy(3000)
    runner = RoundRunner(MLPLearner(toy.latents.view(Counted)))
    request = train_request(toy, list(range(30)), strategy=strategy)
    Counted.rows = 0
    runner.run(request)
    assert 1.0 <= Counted.rows / 3000 < 1.2, "one pass, and the rows of the labels and of what is shown"


def test_a_taught_round_reads_no_more_than_what_its_student_is_taught() -> None:
    toy = make_toy(3000)
    learner = LatentLearner(toy.latents.view(Counted))
    learner.prepare()
    Counted.rows = 0
    RoundRunner(learner).run(train_request(toy, list(range(30)), strategy="margin"))
    assert 1.0 <= (Counted.rows - STEPS * TEACHER_BATCH) / 3000 < 1.2

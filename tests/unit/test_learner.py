"""The classifier on latents, and one round of training and querying."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.sessions import train_request
from tests.helpers.toy import Toy, make_toy
from tuilabel.learner.base import LabelSet
from tuilabel.learner.cnn import CNNLearner, pixel_rows
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.latent import LatentLearner, MLPLearner
from tuilabel.learner.linear import LinearEnsemble
from tuilabel.learner.mlp import MLPEnsemble
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.learner.wide import Folds, WideLatentLearner, tempered


def test_the_ensemble_learns_separate_classes(toy: Toy) -> None:
    assert toy.pool.targets is not None
    model = MLPEnsemble(3).fit(toy.latents[:30], toy.pool.targets[:30])
    p = model.predict_proba(toy.test.features)
    assert p.shape == (60, 3)
    assert p.dtype == np.float32
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (p.argmax(axis=1) == toy.test.targets).mean() > 0.95


def test_the_same_seed_gives_the_same_probabilities(toy: Toy) -> None:
    assert toy.pool.targets is not None
    x, y = toy.latents[:200], toy.pool.targets[:200]
    one, same, other = (MLPEnsemble(3, seed=s).fit(x, y).predict_proba(x) for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_probabilities_do_not_depend_on_how_many_rows_are_scored(toy: Toy) -> None:
    model = MLPEnsemble(3).fit(toy.latents[:30], toy.pool.targets[:30])  # type: ignore[index]
    many = np.tile(toy.latents, (100, 1))
    assert np.allclose(model.predict_proba(many)[:120], model.predict_proba(toy.latents), atol=1e-5)


def test_errors_say_how_to_fix_the_call(toy: Toy) -> None:
    with pytest.raises(ValueError, match="call fit"):
        MLPEnsemble(3).predict_proba(toy.latents)
    with pytest.raises(ValueError, match=r"shapes \(n, D\) and \(n,\)"):
        MLPEnsemble(3).fit(toy.latents[:3], np.array([0, 1]))
    with pytest.raises(ValueError, match="finite"):
        MLPEnsemble(3).fit(np.full((2, 3), np.nan, dtype=np.float32), np.array([0, 1]))
    model = MLPEnsemble(3).fit(toy.latents[:9], np.arange(9) % 3)
    with pytest.raises(ValueError, match=r"X must have shape \(n, 8\)"):
        model.predict_proba(toy.latents[:, :4])


@pytest.mark.parametrize("labelled", [[], [0], [0, 1, 2]])
def test_without_two_classes_coverage_picks_and_nothing_is_predicted(toy: Toy, labelled: list[int]) -> None:
    request = train_request(toy, labelled, labels=np.zeros(len(labelled), dtype=np.int64))
    result = toy.runner().run(request)
    assert (result.n_labels, result.strategy) == (0, "coverage")
    assert result.picks.predicted is None
    assert result.test_accuracy is None
    assert not set(result.picks.indices.tolist()) & set(labelled)
    assert len(result.picks.indices) == 20


def test_random_stays_random_from_the_start(toy: Toy) -> None:
    result = toy.runner().run(train_request(toy, [], strategy="random"))
    assert result.strategy == "random"
    assert result.picks.query_probability is not None


def test_a_round_measures_predicts_and_picks(toy: Toy) -> None:
    labelled = list(range(30))
    result = toy.runner().run(train_request(toy, labelled, excluded=np.array([40, 41]), shown=np.array([40, 41])))
    assert result.n_labels == 30
    assert result.test_accuracy is not None
    assert result.test_accuracy > 0.95
    assert result.uncertainty_histogram is not None
    assert result.uncertainty_histogram.sum() == 120 - 32
    assert result.mean_uncertainty is not None
    assert 0 < result.mean_uncertainty < 0.5
    for picks in (result.picks, result.audit):
        assert not set(picks.indices.tolist()) & {*labelled, 40, 41}
        assert picks.confidence is not None
        assert (picks.confidence >= 1 / 3 - 1e-6).all()
    assert result.shown.indices.tolist() == [40, 41]
    assert result.shown.predicted is not None


def test_the_same_request_gives_the_same_round(toy: Toy) -> None:
    one, two = (toy.runner().run(train_request(toy, list(range(12)))) for _ in range(2))
    assert one.picks.indices.tolist() == two.picks.indices.tolist()
    assert one.audit.indices.tolist() == two.audit.indices.tolist()
    assert one.test_accuracy == two.test_accuracy


def test_audit_items_are_drawn_uniformly() -> None:
    toy = make_toy(40)
    counts = np.zeros(40)
    for seed in range(400):
        result = RoundRunner(MLPLearner(toy.latents)).run(
            train_request(toy, [0, 1], strategy="random", seed=seed, labels=np.array([0, 0]))
        )
        counts[result.audit.indices] += 1
    assert counts[:2].sum() == 0
    expected = 4 * 400 / 38
    chi2 = ((counts[2:] - expected) ** 2 / expected).sum()
    assert chi2 < 70  # 37 degrees of freedom: p about 0.001


def test_a_pool_without_unlabelled_items_is_not_an_error(toy: Toy) -> None:
    result = toy.runner().run(train_request(toy, list(range(120))))
    assert len(result.picks.indices) == len(result.audit.indices) == 0
    assert result.mean_uncertainty is None
    assert result.test_accuracy is not None


def test_the_first_batch_covers_every_class_by_itself(toy: Toy) -> None:
    """Not only together with the batch ranked after it."""
    result = toy.runner().run(train_request(toy, [], batch_size=3))
    first, second = result.picks.indices[:3].tolist(), result.picks.indices[3:].tolist()
    assert {toy.truth(index) for index in first} == {0, 1, 2}
    assert len(second) == 3
    assert not set(first) & set(second)


def test_cross_validation_predicts_every_label_without_having_seen_it(toy: Toy) -> None:
    result = toy.runner().run(train_request(toy, list(range(30)), folds=5))
    assert result.out_of_fold is not None
    truth = np.array([toy.truth(i) for i in range(30)])
    assert (result.out_of_fold == truth).mean() > 0.85
    assert toy.runner().run(train_request(toy, list(range(30)))).out_of_fold is None
    noise = np.random.default_rng(0).permutation(truth)
    shuffled = toy.runner().run(train_request(toy, list(range(30)), labels=noise, folds=5)).out_of_fold
    assert shuffled is not None
    assert (shuffled == noise).mean() < 0.8


def test_a_round_reports_balanced_accuracy_calibration_and_mean_confidence(toy: Toy) -> None:
    result = toy.runner().run(train_request(toy, list(range(30))))
    assert result.test is not None
    assert result.test.balanced_accuracy == pytest.approx(result.test.accuracy, abs=0.05)
    assert result.test.calibration_error < 0.15
    assert result.mean_confidence is not None
    assert 0.8 < result.mean_confidence <= 1
    assert result.stop_set is not None
    assert result.stop_set.shape == (120,)


def test_a_class_without_labels_is_allowed_and_not_predicted(toy: Toy) -> None:
    labelled = [i for i in range(120) if toy.truth(i) != 2][:20]
    for learner in (MLPLearner(toy.latents), LatentLearner(toy.latents)):
        result = RoundRunner(learner, toy.test).run(train_request(toy, labelled))
        assert result.test is not None
        assert result.test.accuracy == pytest.approx((toy.test.targets != 2).mean(), abs=0.1)


def test_the_cnn_learns_from_pixels_and_serves_every_strategy(toy: Toy) -> None:
    learner = CNNLearner(toy.pool.images)
    test = TestSet(pixel_rows(toy.pool.test.images), toy.test.targets)  # type: ignore[union-attr]
    result = RoundRunner(learner, test).run(train_request(toy, list(range(60)), strategy="bald"))
    assert result.test is not None
    assert result.test.accuracy > 0.9
    assert len(set(result.picks.indices.tolist())) == 20
    labelled = LabelSet(np.arange(60), np.array([toy.truth(i) for i in range(60)]), 3, np.zeros(60, dtype=bool))
    model = learner.fit(labelled, 0)
    assert model.member_probabilities(learner.features[:7]).shape == (3, 7, 3)
    assert model.embed(learner.features[:7]).shape == (7, 128)
    assert np.array_equal(
        model.predict_proba(learner.features), learner.fit(labelled, 0).predict_proba(learner.features)
    )


# -- wide latents ------------------------------------------------------------------------------------------------------


def wide_toy(n: int = 240, width: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Latents (n, width) of three classes that differ a little in each of many columns; the first 8 cluster."""
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    latents = rng.normal(size=(n, width)) + 0.5 * rng.normal(size=(3, width))[classes]
    latents[:, :8] += 3 * np.eye(3, 8)[classes]
    return latents.astype(np.float32), classes


def labels_of(classes: np.ndarray, n: int) -> LabelSet:
    return LabelSet(np.arange(n), classes[:n].astype(np.int64), 3, np.zeros(n, dtype=bool))


def test_least_squares_learns_from_fewer_labels_than_columns() -> None:
    latents, classes = wide_toy()
    model = LinearEnsemble(3).fit(latents[:60], classes[:60])
    p = model.predict_proba(latents[60:])
    assert (p.argmax(axis=1) == classes[60:]).mean() > 0.9
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert p.dtype == np.float32


def test_the_prediction_for_a_label_by_all_others_is_that_of_a_model_trained_without_it() -> None:
    latents, classes = wide_toy(40, 20)
    y = classes[:40]
    whole = LinearEnsemble(3).fit(latents[:40], y)
    for item in (0, 7, 39):
        rest = np.arange(40) != item
        without = LinearEnsemble(3).fit(latents[:40][rest], y[rest]).predict_proba(latents[item : item + 1])[0]
        assert np.allclose(whole.left_out_probabilities[item], without, atol=0.05)


def test_members_of_a_linear_model_agree_more_the_more_labels_there_are() -> None:
    latents, classes = wide_toy(600)
    spread = []
    for n in (12, 400):
        members = LinearEnsemble(3, seed=1).fit(latents[:n], classes[:n]).member_probabilities(latents[400:])
        assert members.shape == (3, 200, 3)
        spread.append(members.std(axis=0).mean())
    assert spread[1] < spread[0]


def test_a_class_without_labels_is_never_predicted_by_a_linear_model() -> None:
    latents, classes = wide_toy()
    chosen = np.flatnonzero(classes != 1)[:20]
    assert LinearEnsemble(3).fit(latents[chosen], classes[chosen]).predict_proba(latents)[:, 1].max() < 1e-6


def test_errors_of_a_linear_model_say_how_to_fix_the_call() -> None:
    latents, classes = wide_toy()
    with pytest.raises(ValueError, match="call fit"):
        LinearEnsemble(3).predict_proba(latents)
    with pytest.raises(ValueError, match="finite"):
        LinearEnsemble(3).fit(np.full((2, 3), np.nan, dtype=np.float32), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"X must have shape \(n, 300\)"):
        LinearEnsemble(3).fit(latents[:9], classes[:9]).predict_proba(latents[:, :4])


def test_the_wide_learner_learns_more_from_a_graph_that_clusters_than_from_the_labels_alone() -> None:
    latents, classes = wide_toy()
    clustered = WideLatentLearner(latents, compact=8)
    few = labels_of(classes, 24)
    with_graph = clustered.fit(few, 0).predict_proba(latents[24:]).argmax(axis=1)
    alone = LinearEnsemble(3).fit(latents[:24], classes[:24]).predict_proba(latents[24:]).argmax(axis=1)
    assert (with_graph == classes[24:]).mean() >= (alone == classes[24:]).mean()


def test_the_scores_of_the_model_mend_a_graph_that_does_not_cluster() -> None:
    latents, classes = wide_toy()
    latents[:, :8] = np.random.default_rng(1).normal(size=(len(latents), 8))
    taught = WideLatentLearner(latents, compact=8).teach(Folds.of(labels_of(classes, 24), 0)).probabilities[0]
    assert (taught.argmax(axis=1) == classes).mean() > 0.9


def test_a_large_pool_is_taught_a_sample_and_labels_outside_of_it_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.learner.wide.TAUGHT", 60)
    latents, classes = wide_toy()
    learner = WideLatentLearner(latents, compact=8)
    assert learner.teach(Folds.of(labels_of(classes, 24), 0)).probabilities[0].shape == (60, 3)
    predicted = learner.fit(labels_of(classes, 24), 0).predict_proba(latents[24:]).argmax(axis=1)
    assert (predicted == classes[24:]).mean() > 0.9


def test_an_mlp_learns_from_the_columns_that_compare_images(toy: Toy) -> None:
    noise = np.random.default_rng(0).normal(size=(len(toy.latents), 200)).astype(np.float32)
    wide = np.concatenate([toy.latents, noise], axis=1)
    labelled = train_request(toy, list(range(30))).labelled
    model = MLPLearner(wide, toy.latents.shape[1]).fit(labelled, seed=1)
    alone = MLPLearner(toy.latents).fit(labelled, seed=1)
    assert model.predict_proba(wide) == pytest.approx(alone.predict_proba(toy.latents), abs=1e-5)


def test_what_is_shown_of_a_pool_is_no_surer_than_it_is_right() -> None:
    """With more features than items the student repeats what it was taught of the pool, and is surer of it."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 500)
    latents = rng.normal(size=(500, 900)).astype(np.float32)
    latents[:, :4] += 1.6 * np.eye(4, dtype=np.float32)[classes]
    labelled = LabelSet(np.arange(80), classes[:80], 4, np.zeros(80, dtype=bool))
    learner = WideLatentLearner(latents, compact=8)
    model = learner.fit(labelled, 0)
    rest = np.arange(80, 500)
    own = model.predict_proba(latents[rest])
    shown = tempered(learner, model, own, rest)
    right = (own.argmax(axis=1) == classes[rest]).mean()
    assert (shown.argmax(axis=1) == own.argmax(axis=1)).all()
    too_sure = own.max(axis=1).mean() - right
    assert too_sure > 0.2
    assert abs(shown.max(axis=1).mean() - right) < too_sure / 3


def test_a_model_of_the_whole_pool_is_as_sure_of_other_items_as_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not the pool is so large that the labelled items are not among those that are taught."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 1_500)
    latents = rng.normal(size=(1_500, 300)).astype(np.float32)
    latents[:, :4] += 2 * np.eye(4, dtype=np.float32)[classes]
    labelled = LabelSet(np.arange(120), classes[:120], 4, np.zeros(120, dtype=bool))
    for taught in (1_000, 400):
        monkeypatch.setattr("tuilabel.learner.wide.TAUGHT", taught)
        model = WideLatentLearner(latents[:1_000], compact=8).fit(labelled, 0)
        sure = model.predict_proba(latents[1_000:])
        right = (sure.argmax(axis=1) == classes[1_000:]).mean()
        assert abs(sure.max(axis=1).mean() - right) < 0.05


def test_the_wide_learner_works_with_one_label_of_each_class() -> None:
    latents, classes = wide_toy()
    model = WideLatentLearner(latents, compact=8).fit(labels_of(classes, 3), 0)
    assert (model.predict_proba(latents[3:]).argmax(axis=1) == classes[3:]).mean() > 0.8


def test_the_same_seed_gives_the_same_wide_model() -> None:
    latents, classes = wide_toy()
    one, same = (WideLatentLearner(latents, compact=8).fit(labels_of(classes, 40), 5) for _ in range(2))
    assert np.array_equal(one.predict_proba(latents), same.predict_proba(latents))
    assert np.array_equal(one.member_probabilities(latents), same.member_probabilities(latents))


def test_the_default_learner_is_linear_on_wide_latents_only(toy: Toy) -> None:
    from tuilabel.encoders import Latents
    from tuilabel.learner.open import learner_for

    latents, _ = wide_toy()
    assert isinstance(learner_for("latent", toy.pool, Latents(latents, None, None))[0], WideLatentLearner)
    assert isinstance(learner_for("latent", toy.pool, Latents(latents[:, :90], None, None, 64))[0], WideLatentLearner)
    assert isinstance(learner_for("latent", toy.pool, Latents(latents[:, :90], None, None))[0], LatentLearner)
    assert isinstance(learner_for("mlp", toy.pool, Latents(latents, None, None))[0], MLPLearner)


@pytest.mark.parametrize("strategy", ["auto", "badge", "bald", "batchbald", "k-center", "margin"])
def test_strategies_measure_distances_in_the_compact_columns_and_ask_the_model_with_all(strategy: str) -> None:
    latents, classes = wide_toy()
    learner = WideLatentLearner(latents, compact=8)
    assert learner.compact.shape == (240, 8)
    items = np.arange(12)
    request = TrainRequest(
        1, items, classes[:12].astype(np.int64), 3, items < 0, items[:0], items[:0], strategy, 10, 2, 0
    )
    result = RoundRunner(learner).run(request)
    assert len(result.picks.indices) == len(np.unique(result.picks.indices)) > 0

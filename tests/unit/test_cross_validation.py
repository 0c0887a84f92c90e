"""Predictions for labelled items by models trained without their labels."""

from __future__ import annotations

import numpy as np

from tests.helpers.toy import Toy
from tuilabel.learner.base import LabelSet
from tuilabel.learner.cross_validation import (
    FoldPredictions,
    cross_validate,
    merge_folds,
    out_of_fold_probabilities,
    stratified_folds,
)
from tuilabel.learner.latent import MLPLearner


class RecordingLearner(MLPLearner):
    """Remembers which items each model was trained on."""

    def __init__(self, latents: np.ndarray) -> None:
        super().__init__(latents)
        self.trained_on: list[list[int]] = []

    def fit(self, labelled: LabelSet, seed: int) -> object:  # type: ignore[override]
        self.trained_on.append(labelled.indices.tolist())
        return super().fit(labelled, seed)


def labels_of(toy: Toy, n: int) -> LabelSet:
    labels = np.array([toy.truth(i) for i in range(n)])
    return LabelSet(np.arange(n), labels, 3, np.zeros(n, dtype=bool))


def test_each_fold_is_predicted_by_a_model_trained_on_all_other_items(toy: Toy) -> None:
    learner, fold = RecordingLearner(toy.latents), np.array([0, 1, 2] * 6 + [-1, -1])
    parts = list(cross_validate(learner, labels_of(toy, 20), fold, np.random.default_rng(0)))  # type: ignore[arg-type]
    assert [part.rows.tolist() for part in parts] == [np.flatnonzero(fold == f).tolist() for f in range(3)]
    assert learner.trained_on == [np.flatnonzero(fold != f).tolist() for f in range(3)]
    assert all(np.allclose(part.probabilities.sum(axis=1), 1, atol=1e-5) for part in parts)


def test_models_are_trained_one_at_a_time_as_the_caller_asks_for_them(toy: Toy) -> None:
    learner = RecordingLearner(toy.latents)
    parts = cross_validate(learner, labels_of(toy, 20), np.arange(20) % 5, np.random.default_rng(0))  # type: ignore[arg-type]
    next(parts)
    next(parts)
    assert len(learner.trained_on) == 2


def test_the_only_class_left_to_train_on_is_predicted(toy: Toy) -> None:
    labelled = LabelSet(np.arange(4), np.array([0, 0, 0, 2]), 3, np.zeros(4, dtype=bool))
    first, second = cross_validate(MLPLearner(toy.latents), labelled, np.array([0, 0, 0, 1]), np.random.default_rng(0))
    assert first.probabilities.tolist() == [[0, 0, 1]] * 3
    assert second.probabilities.tolist() == [[1, 0, 0]]


def test_an_empty_fold_trains_nothing(toy: Toy) -> None:
    learner, fold = RecordingLearner(toy.latents), np.array([0, 2] * 10)
    parts = list(cross_validate(learner, labels_of(toy, 20), fold, np.random.default_rng(0)))  # type: ignore[arg-type]
    assert [len(part.rows) for part in parts] == [10, 0, 10]
    assert len(learner.trained_on) == 2


def test_folds_are_merged_in_the_order_of_the_items() -> None:
    first = FoldPredictions(np.array([1, 4]), np.array([[0.1, 0.9], [0.4, 0.6]], dtype=np.float32))
    second = FoldPredictions(np.array([0, 2]), np.array([[0.0, 1.0], [0.2, 0.8]], dtype=np.float32))
    rows, probabilities = merge_folds([first, second], 2)
    assert rows.tolist() == [0, 1, 2, 4]
    assert probabilities[:, 0].tolist() == np.array([0, 0.1, 0.2, 0.4], dtype=np.float32).tolist()


def test_out_of_fold_probabilities_are_right_about_separate_classes(toy: Toy) -> None:
    labelled, calls = labels_of(toy, 40), []
    rows, probabilities = out_of_fold_probabilities(
        MLPLearner(toy.latents), labelled, on_progress=lambda done, total: calls.append((done, total))
    )
    assert rows.tolist() == list(range(40))
    assert (probabilities.argmax(axis=1) == labelled.labels).mean() > 0.9
    assert calls == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_one_class_or_one_item_of_each_gives_no_predictions(toy: Toy) -> None:
    for labels in ([1, 1, 1], [0, 1, 2], []):
        labelled = LabelSet(np.arange(len(labels)), np.array(labels, dtype=np.int64), 3, np.zeros(len(labels), bool))
        rows, probabilities = out_of_fold_probabilities(MLPLearner(toy.latents), labelled)
        assert rows.shape == (0,)
        assert probabilities.shape == (0, 3)


def test_folds_are_stratified_and_the_only_item_of_a_class_is_in_none() -> None:
    labels = np.array([0] * 11 + [1] * 6 + [2] + [3] * 2)
    fold = stratified_folds(labels, 5, np.random.default_rng(0))
    assert fold[17] == -1
    assert (np.delete(fold, 17) >= 0).all()
    for label, n in ((0, 11), (1, 6), (3, 2)):
        counts = np.bincount(fold[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
        assert counts.sum() == n

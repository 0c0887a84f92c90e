"""Confident learning against its definition and on flipped labels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.toy import make_toy
from tuilabel.estimate import (
    class_thresholds,
    confident_classes,
    likely_wrong,
    normalised_margin,
    self_confidence,
)
from tuilabel.learner.trainer.messages import CrossValidate, OutOfFoldPredictions
from tuilabel.learner.trainer.questions import QuestionHandler


def slow_joint(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The confident joint as Northcutt et al. define it, item by item."""
    n_classes = p.shape[1]
    thresholds = {}
    for j in range(n_classes):
        own = [p[i, j] for i in range(len(p)) if labels[i] == j]
        if own:
            thresholds[j] = sum(own) / len(own)
    joint = np.zeros((n_classes, n_classes), dtype=int)
    for i in range(len(p)):
        reached = [j for j in thresholds if p[i, j] >= thresholds[j]]
        if reached:
            joint[labels[i], max(reached, key=lambda j: p[i, j])] += 1
    return joint


@pytest.mark.parametrize("seed", range(20))
def test_the_confident_joint_matches_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(4, 0.5), size=60)
    labels = rng.integers(3 + seed % 2, size=60)  # in every other run no item has the last class
    confident = confident_classes(p, labels)
    joint = np.zeros((4, 4), dtype=int)
    np.add.at(joint, (labels[confident >= 0], confident[confident >= 0]), 1)
    assert joint.tolist() == slow_joint(p, labels).tolist()
    suspects = likely_wrong(p, labels, rank_by="margin")
    assert len(suspects) == joint.sum() - np.trace(joint)
    assert (np.diff(normalised_margin(p, labels)[suspects]) >= 0).all()
    by_confidence = likely_wrong(p, labels)
    assert set(by_confidence.tolist()) == set(suspects.tolist())
    assert (np.diff(self_confidence(p, labels)[by_confidence]) >= 0).all()


def test_small_cases_match_a_hand_calculation() -> None:
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.85, 0.15]])
    labels = np.array([0, 0, 1, 1, 1])
    assert class_thresholds(p, labels) == pytest.approx([0.8, (0.8 + 0.6 + 0.15) / 3])
    assert confident_classes(p, labels).tolist() == [0, -1, 1, 1, 0]
    assert slow_joint(p, labels).tolist() == [[1, 0], [1, 2]]
    assert likely_wrong(p, labels).tolist() == [4]
    assert normalised_margin(p, labels)[4] == pytest.approx(-0.7)


def test_flipped_labels_are_detected() -> None:
    toy = make_toy(400)
    assert toy.pool.targets is not None
    rng = np.random.default_rng(0)
    labels = toy.pool.targets[:400].copy()
    flipped = rng.choice(400, 20, replace=False)
    labels[flipped] = (labels[flipped] + rng.integers(1, 3, size=20)) % 3
    reply = QuestionHandler(toy.runner()).answer(CrossValidate(1, np.arange(400), labels, 3, 5))
    assert isinstance(reply, OutOfFoldPredictions)
    worst = likely_wrong(reply.probabilities, labels)
    assert len(worst) >= 16
    assert set(worst[:16].tolist()) <= set(flipped.tolist())


def test_invalid_input_is_refused() -> None:
    p = np.array([[0.5, 0.5]])
    for labels in ([2], [0, 1], [], [-1]):
        with pytest.raises(ValueError, match=r"labels|lengths"):
            likely_wrong(p, np.array(labels, dtype=np.int64))
    with pytest.raises(ValueError, match="sum to 1"):
        likely_wrong(np.array([[0.5, np.nan]]), [0])
    with pytest.raises(ValueError, match="at least two classes"):
        likely_wrong(np.array([[1.0]]), [0])

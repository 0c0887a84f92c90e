"""Figures claim no more than the sample carries, and a model has to beat the largest class."""

from __future__ import annotations

import numpy as np
import pytest

from tuilabel.estimate import (
    MeasuredAccuracy,
    Verdict,
    accuracy_text,
    balanced_text,
    baseline,
    baseline_text,
    confidence_text,
    recall_text,
    unequal_classes_accuracy,
    verdict,
)


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (MeasuredAccuracy(1.0, 0.158, 1.0, 2, "audit"), "16–100 %, 2 checked"),
        (MeasuredAccuracy(0.895, 0.669, 0.987, 19, "audit"), "67–99 %, 19 checked"),
        (MeasuredAccuracy(0.85, 0.62, 0.97, 20, "audit"), "85 % (62–97), 20 checked"),
        (MeasuredAccuracy(0.973, 0.97, 0.976, 10_000, "test"), "97.3 % (97.0–97.6), 10,000 checked"),
        (MeasuredAccuracy(1.0, 0.94, 1.0, 60, "test"), "100 % (94–100), 60 checked"),
    ],
)
def test_an_accuracy_has_its_interval_and_no_digits_that_the_sample_does_not_carry(
    accuracy: MeasuredAccuracy, words: str
) -> None:
    assert accuracy_text(accuracy) == words
    assert "±" not in accuracy_text(accuracy)


def test_no_model_is_certain() -> None:
    assert [confidence_text(p) for p in (0.0, 0.736, 0.986, 0.9999, 1.0)] == ["0%", "74%", "99%", "99%", "99%"]


def test_the_accuracy_of_a_class_is_a_count_until_there_are_enough() -> None:
    assert [recall_text(None, 0), recall_text(4 / 6, 6), recall_text(0.0, 3), recall_text(30 / 45, 45)] == [
        "–", "4 of 6", "0 of 3", "67 % of 45",
    ]  # fmt: skip


LAZY = np.array([[2, 8, 0], [0, 80, 0], [0, 10, 0]])
"""A model that nearly always answers with the largest of three classes."""


def test_the_largest_class_is_what_a_model_has_to_beat() -> None:
    largest = baseline(LAZY)
    assert largest is not None
    assert baseline_text(largest, ("cat", "other", "dog")) == "always answering other: 80 %"
    assert baseline(LAZY // 6) is None, "fewer than twenty were checked"
    assert baseline(None) is None


def test_balanced_accuracy_is_given_where_classes_are_unequal() -> None:
    balanced = unequal_classes_accuracy(LAZY)
    assert balanced is not None
    assert balanced.value == pytest.approx((0.2 + 1 + 0) / 3)
    assert balanced.low < balanced.value < balanced.high
    assert balanced.high - balanced.value != pytest.approx(balanced.value - balanced.low, abs=1e-3)
    assert balanced_text(balanced).startswith("balanced 40 % (")
    assert unequal_classes_accuracy(np.diag([3, 4, 5, 3, 4, 5, 3, 4, 5, 6])) is None
    missing = LAZY.copy()
    missing[2] = 0
    without = unequal_classes_accuracy(missing)
    assert without is not None
    assert without.n_classes == 2, "a class that was never checked has no recall"


def test_the_interval_of_balanced_accuracy_covers_it() -> None:
    rng = np.random.default_rng(0)
    recalls, shares = np.array([0.9, 0.5, 0.7]), np.array([0.8, 0.1, 0.1])
    covered = []
    for _ in range(400):
        of_class = rng.multinomial(100, shares)
        hits = rng.binomial(of_class, recalls)
        matrix = np.diag(hits)
        matrix[:, 0] += of_class - hits
        matrix[0, 0], matrix[0, 1] = hits[0], of_class[0] - hits[0]
        found = unequal_classes_accuracy(matrix)
        assert found is not None
        covered.append(found.low <= recalls.mean() <= found.high)
    assert 0.9 <= np.mean(covered) <= 0.995


@pytest.mark.parametrize(
    ("value", "low", "high", "n", "expected"),
    [
        (0.62, 0.52, 0.71, 100, "bad"),  # always answering with the largest class gives 80 %
        (0.80, 0.71, 0.87, 100, "bad"),
        (0.85, 0.76, 0.91, 100, "unsure"),
        (1.0, 0.16, 1.0, 2, "unsure"),
        (0.9, 0.85, 0.93, 300, "fair"),
        (0.95, 0.92, 0.97, 300, "good"),
    ],
)
def test_an_accuracy_is_judged_by_its_lower_end(
    value: float, low: float, high: float, n: int, expected: Verdict
) -> None:
    accuracy = MeasuredAccuracy(value, low, high, n, "audit")
    assert verdict(accuracy, baseline(LAZY)) == expected
    assert verdict(MeasuredAccuracy(0.9, 0.85, 0.93, 300, "audit"), None, target=0.8) == "good"

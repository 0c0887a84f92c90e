"""Accuracy, audit and calibration estimates."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tuilabel.estimate import (
    accuracy,
    audit_estimate,
    balanced_accuracy,
    confusion_matrix,
    effective_sample_size,
    expected_calibration_error,
    korn_graubard_interval,
    labels_per_minute,
    per_class_accuracy,
    wilson_interval,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
PROPORTIONS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@dataclass
class Timed:
    at: datetime


@dataclass
class Answer:
    class_name: str | None
    predicted: str | None
    trained_on: int | None = 20


# -- intervals ------------------------------------------------------------------------------------------------------


@given(PROPORTIONS)
def test_the_wilson_interval_matches_scipys(figures: tuple[int, int]) -> None:
    expected = binomtest(*figures).proportion_ci(0.95, method="wilson")
    assert wilson_interval(*figures) == pytest.approx((expected.low, expected.high), abs=1e-6)


@given(PROPORTIONS)
def test_the_korn_graubard_interval_is_clopper_pearsons_at_whole_counts(figures: tuple[int, int]) -> None:
    expected = binomtest(*figures).proportion_ci(0.95, method="exact")
    assert korn_graubard_interval(*figures) == pytest.approx((expected.low, expected.high), abs=1e-8)


@given(st.floats(1, 5000), st.floats(0, 1))
def test_the_korn_graubard_interval_contains_the_share_at_any_size(n: float, share: float) -> None:
    low, high = korn_graubard_interval(share * n, n)
    assert 0 <= low <= share <= high <= 1
    assert korn_graubard_interval(n - share * n, n) == pytest.approx((1 - high, 1 - low), abs=1e-8)


@pytest.mark.parametrize("interval", [wilson_interval, korn_graubard_interval])
@pytest.mark.parametrize("figures", [(1, 0), (-1, 5), (6, 5), (float("nan"), 5), (0, float("nan"))])
def test_intervals_refuse_what_is_not_a_proportion(interval: Any, figures: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        interval(*figures)


def test_the_effective_sample_size_counts_equal_weights_as_items() -> None:
    assert effective_sample_size([3, 3, 3, 3]) == pytest.approx(4)
    assert effective_sample_size([1, 3]) == pytest.approx(16 / 10)
    assert effective_sample_size([1, 0, 0]) == 1
    for bad in ([], [0, 0], [1, -1], [1, np.nan]):
        with pytest.raises(ValueError, match="weights"):
            effective_sample_size(bad)


# -- the audit ------------------------------------------------------------------------------------------------------


def test_the_audit_counts_answers_that_a_model_had_predicted() -> None:
    answers = [Answer("a", "a"), Answer("a", "b"), Answer("b", None), Answer(None, "a")]
    estimate = audit_estimate(answers)
    assert estimate is not None
    assert (estimate.value, estimate.n, estimate.effective_n) == (0.5, 2, 2)
    assert (estimate.low, estimate.high) == korn_graubard_interval(1, 2)
    assert audit_estimate([Answer("b", None)]) is None
    assert audit_estimate([]) is None


def test_an_audit_item_weighs_as_the_square_of_its_models_labels() -> None:
    estimate = audit_estimate([Answer("a", "b", trained_on=20), Answer("a", "a", trained_on=40)])
    assert estimate is not None
    assert estimate.value == pytest.approx(4 / 5)
    assert estimate.effective_n == pytest.approx(25 / 17)
    assert (estimate.low, estimate.high) == pytest.approx(korn_graubard_interval(0.8 * 25 / 17, 25 / 17))


def test_the_audit_uses_the_most_recent_items() -> None:
    old = [Answer("a", "b") for _ in range(100)]
    new = [Answer("a", "a", trained_on=1000) for _ in range(50)]
    estimate = audit_estimate(old + new)
    assert estimate is not None
    assert estimate.value > 0.999
    assert estimate.n == 100
    latest = audit_estimate(old + new, window=50)
    assert latest is not None
    assert (latest.value, latest.n, latest.high) == (1, 50, 1)


def test_an_audit_without_errors_reaches_1_and_one_with_errors_only_0() -> None:
    right = [Answer("a", "a", trained_on=m) for m in (20, 47, 60, 93)]
    best = audit_estimate(right)
    worst = audit_estimate([replace(answer, predicted="b") for answer in right])
    assert best is not None
    assert worst is not None
    assert (best.value, best.high) == (1, 1)
    assert (worst.value, worst.low) == (0, 0)


@pytest.mark.parametrize("n_labels", [50, 100, 200, 500])
@pytest.mark.parametrize("exponent", [0.4, 0.8])
def test_the_audit_covers_the_accuracy_of_the_newest_model_while_it_grows(n_labels: int, exponent: float) -> None:
    def truth(n: float) -> float:
        return 1 - 0.07 * (n / 20) ** -exponent

    rng = np.random.default_rng(0)
    models = [n for n in range(20, n_labels, 20) for _ in range(2)]
    runs, covered = 300, 0
    for _ in range(runs):
        right = rng.random(len(models)) < [truth(n) for n in models]
        estimate = audit_estimate(
            Answer("a", "a" if good else "b", model) for k, (good, model) in enumerate(zip(right, models, strict=True))
        )
        assert estimate is not None
        covered += estimate.low <= truth(n_labels) <= estimate.high
    assert 0.93 <= covered / runs <= 1


def test_the_audit_needs_no_scipy() -> None:
    code = (
        "import sys, tuilabel.estimate as e; e.korn_graubard_interval(3.5, 4.2); e.fit_learning_curve([1, 2, 3, 4],"
        " [0.5, 0.6, 0.65, 0.68]); sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- metrics --------------------------------------------------------------------------------------------------------

TRUE, GUESS = [0, 0, 0, 0, 1, 1, 3], [0, 0, 0, 1, 1, 3, 0]


def test_metrics_by_hand() -> None:
    assert accuracy(TRUE, GUESS) == pytest.approx(4 / 7)
    assert confusion_matrix(TRUE, GUESS, 4).tolist() == [[3, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_allclose(per_class_accuracy(TRUE, GUESS, 4), [0.75, 0.5, np.nan, 0])
    assert balanced_accuracy(TRUE, GUESS) == pytest.approx((0.75 + 0.5 + 0) / 3)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=50))
def test_metrics_agree_with_each_other(pairs: list[tuple[int, int]]) -> None:
    true, guess = map(list, zip(*pairs, strict=True))
    matrix = confusion_matrix(true, guess, 5)
    assert matrix.sum() == len(pairs)
    assert accuracy(true, guess) == pytest.approx(matrix.trace() / len(pairs))
    assert balanced_accuracy(true, guess) == pytest.approx(np.nanmean(per_class_accuracy(true, guess, 5)))


def test_calibration_error_by_hand() -> None:
    # Two bins: (0, ½] holds one wrong item at 0.5, (½, 1] a right one at 0.9 and a wrong one at 0.7.
    p = [[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [0.1, 0.2, 0.7]]
    assert expected_calibration_error(p, [1, 0, 0], bins=2) == pytest.approx((0.5 + abs(1.6 - 1)) / 3)
    # With 15 bins every item has a bin of its own.
    assert expected_calibration_error(p, [1, 0, 0]) == pytest.approx((0.5 + 0.1 + 0.7) / 3)


def test_calibrated_predictions_have_a_small_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 20_000)
    targets = (rng.random((len(p), 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=3)
    assert expected_calibration_error(p, targets) < 0.015
    overconfident = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(overconfident, targets) > 0.1


@pytest.mark.parametrize("bad", [([], []), ([0, 1], [0]), ([0, -1], [0, 0]), ([0.0, 1.0], [0, 1]), ([[0]], [[0]])])
def test_metrics_refuse_invalid_classes(bad: Any) -> None:
    for metric in (accuracy, balanced_accuracy):
        with pytest.raises(ValueError, match=r"class|lengths"):
            metric(*bad)


def test_metrics_refuse_classes_and_probabilities_out_of_range() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        confusion_matrix([0, 2], [0, 1], 2)
    for p in ([[0.5, np.nan]], [[0.5, 0.6]], [[1.5, -0.5]], [0.5, 0.5], np.empty((0, 2))):
        with pytest.raises(ValueError, match="probabilities"):
            expected_calibration_error(p, [0])
    with pytest.raises(ValueError, match="bins"):
        expected_calibration_error([[0.5, 0.5]], [0], bins=0)


# -- pace -----------------------------------------------------------------------------------------------------------


def test_pauses_do_not_count_as_work() -> None:
    gaps = [2, 2, 600, 2, 2]
    times = [START]
    for gap in gaps:
        times.append(times[-1] + timedelta(seconds=gap))
    assert labels_per_minute([Timed(at) for at in times]) == pytest.approx(30)
    assert labels_per_minute([Timed(START)] * 2) is None

"""Honest figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tuilabel.estimate import audit_estimate, labels_per_minute, wilson_interval

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Answer:
    class_name: str | None
    predicted: str | None
    at: datetime = START


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_the_textbooks(figures: tuple[int, int]) -> None:
    expected = binomtest(*figures).proportion_ci(0.95, method="wilson")
    assert wilson_interval(*figures) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_wilson_refuses_what_is_no_proportion() -> None:
    for figures in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson_interval(*figures)


def test_the_audit_counts_answers_that_a_model_had_predicted() -> None:
    answers = [Answer("a", "a"), Answer("a", "b"), Answer("b", None), Answer(None, "a")]
    estimate = audit_estimate(answers)
    assert estimate is not None
    assert (estimate.value, estimate.n) == (0.5, 2)
    assert estimate.low < 0.5 < estimate.high
    assert audit_estimate([Answer("b", None)]) is None


def test_the_audit_forgets_the_models_of_long_ago() -> None:
    old = [Answer("a", "b", START + timedelta(seconds=k)) for k in range(100)]
    new = [Answer("a", "a", START + timedelta(hours=1, seconds=k)) for k in range(50)]
    estimate = audit_estimate(new + old)
    assert estimate is not None
    assert (estimate.value, estimate.n) == (1, 50)


def test_pauses_do_not_count_as_work() -> None:
    gaps = [2, 2, 600, 2, 2]
    times = [START]
    for gap in gaps:
        times.append(times[-1] + timedelta(seconds=gap))
    assert labels_per_minute([Answer("a", None, at) for at in times]) == pytest.approx(30)
    assert labels_per_minute([Answer("a", None)] * 2) is None

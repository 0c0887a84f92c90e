"""How sure labelling many images at once is: confidence, corrected by what audit items measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.helpers.events import START, item_event
from tuilabel.estimate import MeasuredPrecision, audit_estimate, expected_precision, measured_precision
from tuilabel.labels import Event


def audited(i: int, predicted: str, true: str | None, confidence: float, trained_on: int = 100) -> Event:
    kind = "skip" if true is None else "label"
    return item_event(
        i, kind=kind, audit=True, predicted=predicted, class_name=true, confidence=confidence, trained_on=trained_on
    )


def test_precision_counts_audit_items_as_sure_as_these() -> None:
    events = [
        audited(0, "cat", "cat", 0.9),
        audited(1, "cat", "dog", 0.8),
        audited(2, "cat", "dog", 0.4),
        audited(3, "dog", "dog", 0.9),
        audited(4, "cat", None, 0.9),
    ]
    of_class = measured_precision(events, "cat")
    assert (of_class.right, of_class.n, of_class.claimed) == (1, 3, pytest.approx(2.1))
    assert measured_precision(events, "cat", 0.5).n == 2
    assert measured_precision(events).right == 2
    assert measured_precision(events, "bird") == MeasuredPrecision(0, 0, 0)
    many = [audited(k, "cat", "dog", 0.9) for k in range(200)]
    assert measured_precision(many, "cat").n == 100, "only the latest count"


def test_the_latest_audit_items_are_the_last_ones_whatever_the_clocks_say() -> None:
    """A colleague's clock may be an hour fast, or one's own be set back."""
    early = [replace(audited(k, "cat", "dog", 0.9), at=START + timedelta(hours=1)) for k in range(100)]
    late = [audited(100 + k, "cat", "cat", 0.9) for k in range(100)]
    assert measured_precision([*early, *late], "cat").right == 100
    estimate = audit_estimate([*early, *late])
    assert estimate is not None
    assert estimate.value == 1


NOTHING = MeasuredPrecision(0, 0, 0.0)


def test_what_is_measured_outweighs_what_the_model_claims() -> None:
    claimed = [0.9] * 28
    assert expected_precision(claimed, NOTHING, NOTHING) == pytest.approx(0.9)
    poor = expected_precision(claimed, MeasuredPrecision(1, 10, 5.8), MeasuredPrecision(10, 22, 13.6))
    assert 0.3 < poor < 0.5, "as measured on photographs: 32 % of them were right"
    assert expected_precision(claimed, NOTHING, MeasuredPrecision(10, 22, 13.6)) < 0.8
    good = MeasuredPrecision(58, 60, 57.1)
    assert expected_precision([0.97] * 28, MeasuredPrecision(6, 6, 5.6), good) == pytest.approx(0.97)
    assert expected_precision([0.97] * 28, MeasuredPrecision(3, 6, 5.6), good) < 0.9
    with pytest.raises(ValueError, match="empty"):
        expected_precision([], good, good)

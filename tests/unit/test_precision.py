"""How sure labelling many images at once is: confidence, corrected by what audit items measured."""

from __future__ import annotations

import pytest

from tests.helpers.events import item_event
from tuilabel.estimate import MeasuredPrecision, expected_precision, measured_precision
from tuilabel.labels import Event


def audited(i: int, predicted: str, true: str | None, confidence: float, trained_on: int = 100) -> Event:
    kind = "skip" if true is None else "label"
    return item_event(
        i, kind=kind, audit=True, predicted=predicted, class_name=true, confidence=confidence, trained_on=trained_on
    )


def test_precision_counts_audit_items_of_recent_models_as_sure_as_these() -> None:
    events = [
        audited(0, "cat", "cat", 0.9),
        audited(1, "cat", "dog", 0.8),
        audited(2, "cat", "dog", 0.4),
        audited(3, "dog", "cat", 0.9),
        audited(4, "cat", None, 0.9),
        audited(5, "cat", "dog", 0.9, trained_on=49),  # by a model with less than half of the labels
    ]
    assert measured_precision(events, "cat") == MeasuredPrecision(1, 3)
    assert measured_precision(events, "cat", 0.5) == MeasuredPrecision(1, 2)
    assert measured_precision(events, "bird") == MeasuredPrecision(0, 0)
    assert measured_precision([], "cat") == MeasuredPrecision(0, 0)


def test_what_is_measured_outweighs_what_the_model_claims() -> None:
    claimed = [0.74] * 28
    assert expected_precision(claimed, MeasuredPrecision(0, 0)) == pytest.approx(0.74)
    assert expected_precision(claimed, MeasuredPrecision(6, 20)) == pytest.approx(0.447, abs=0.001)
    assert expected_precision([0.99] * 20, MeasuredPrecision(12, 12)) > 0.99
    assert expected_precision([0.99] * 20, MeasuredPrecision(8, 12)) < 0.9
    with pytest.raises(ValueError, match="empty"):
        expected_precision([], MeasuredPrecision(1, 1))

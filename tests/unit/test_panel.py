"""The side panel: every figure once, with what it was measured on, in any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.sessions import SessionMaker, answer_all
from tests.helpers.toy import Toy
from tuilabel.estimate import AuditEstimate, MeasuredAccuracy, baseline, class_figures, unequal_classes_accuracy
from tuilabel.session import CurvePoint, Statistics
from tuilabel.tui.widgets.panel import panel_lines

CLASSES = ("cat", "other", "dog")
SIZES = [(24, 21), (32, 37), (44, 57)]


@pytest.fixture
def statistics(toy: Toy, make_session: SessionMaker) -> Statistics:
    session = make_session(toy)
    answer_all(session, toy, 1)
    return session.statistics()


def by_audit(
    statistics: Statistics, value: float, low: float, high: float, n: int, confusion: np.ndarray
) -> Statistics:
    return replace(
        statistics,
        test_accuracy=None,
        by_test=False,
        accuracy=MeasuredAccuracy(value, low, high, n, "audit"),
        audit=AuditEstimate(value, low, high, n, n),
        curve=(CurvePoint(20, value, low, high), CurvePoint(40, value, low, high)),
        baseline=baseline(confusion),
        balanced=unequal_classes_accuracy(confusion),
        class_figures=class_figures(statistics.class_counts, confusion),
    )


def text_of(statistics: Statistics, width: int, height: int) -> str:
    lines = panel_lines(statistics, CLASSES, ("1", "2", "3"), width, height)
    assert len(lines) <= height, "nothing is cut off"
    texts = ["".join(text for text, _ in line) for line in lines]
    assert max(map(len, texts)) <= width
    return "\n".join(texts)


def style_of(statistics: Statistics, figure: str, width: int, height: int) -> str:
    lines = panel_lines(statistics, CLASSES, ("1", "2", "3"), width, height)
    return next(style for line in lines for text, style in line if text == figure)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_two_checked_images_are_an_interval_and_no_green_hundred(
    statistics: Statistics, width: int, height: int
) -> None:
    few = by_audit(statistics, 1.0, 0.158, 1.0, 2, np.diag([1, 1, 0]))
    text = text_of(few, width, height)
    assert text.count("16–100 %") == 1
    assert "n 2" in text or "2 checked" in text
    assert "±" not in text
    assert "100.0" not in text
    assert style_of(few, "16–100 %", width, height) == "warn"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_model_that_does_not_beat_the_largest_class_looks_bad(
    statistics: Statistics, width: int, height: int
) -> None:
    lazy = by_audit(statistics, 0.62, 0.52, 0.71, 100, np.array([[2, 8, 0], [30, 50, 0], [0, 10, 0]]))
    text = text_of(lazy, width, height)
    assert text.count("62 %") == 1
    assert "(52–71)" in text
    assert "always other: 80 %" in text
    assert style_of(lazy, "62 %", width, height) == "bad"
    assert "╌" in text, "the baseline is a mark on the curve"
    if height > 30:
        assert "balanced 27 %" in text


def test_classes_have_their_number_of_checked_images(statistics: Statistics) -> None:
    measured = by_audit(statistics, 0.8, 0.7, 0.88, 100, np.array([[4, 2, 0], [3, 57, 0], [0, 34, 0]]))
    wide, narrow = text_of(measured, 44, 57), text_of(measured, 24, 21)
    assert "4 of 6" in wide
    assert "95% of 60" in wide
    assert "4/6" in narrow
    assert "95%" in narrow

"""The side panel: every figure once, with what it was measured on, in any size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from tests.helpers.sessions import SessionMaker, answer_all
from tests.helpers.toy import Toy
from tuilabel.estimate import AuditEstimate, MeasuredAccuracy, baseline, class_figures, unequal_classes_accuracy
from tuilabel.session import Belief, CurvePoint, Statistics
from tuilabel.tui.keys import class_keys
from tuilabel.tui.layout import panel_width
from tuilabel.tui.widgets.panel import panel_lines
from tuilabel.tui.widgets.probabilities import ClassBeliefs, belief_lines

CLASSES = ("cat", "other", "dog")
SIZES = [(26, 21), (34, 37), (46, 57)]


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


def with_classes(statistics: Statistics, n: int) -> Statistics:
    return replace(statistics, class_counts=(3,) * n, class_figures=(), baseline=None, balanced=None)


def rows_of(statistics: Statistics, names: Sequence[str], width: int, height: int, **options: Any) -> list[str]:
    keys = class_keys(names)
    lines = panel_lines(with_classes(statistics, len(names)), names, keys, width, height, **options)
    texts = ["".join(text for text, _ in line) for line in lines]
    assert len(texts) <= height
    assert max(map(cell_len, texts)) <= width
    return texts


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_classes_are_shown_with_a_digit_and_a_letter(statistics: Statistics, width: int, height: int) -> None:
    text = "\n".join(rows_of(statistics, ("cat", "dog", "bird"), width, height))
    assert all(row in text for row in ("1 c cat", "2 d dog", "3 b bird"))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("n", [40, 1000])
def test_names_with_a_common_beginning_can_be_told_apart(
    statistics: Statistics, width: int, height: int, n: int
) -> None:
    names = tuple(f"class {k:04d} of a thousand" for k in range(n))
    text = "\n".join(rows_of(statistics, names, width, height))
    shown = re.findall(r"\d{4}(?= of|…)", text)
    assert len({*shown}) == len(shown) >= 3
    assert len(shown) == n or f"{n - len(shown)} more: /" in text.replace(",", "")


def test_of_more_classes_than_lines_the_believed_stand_above_columns_that_stay(statistics: Statistics) -> None:
    kinds = ("red-fox", "roe-deer", "wild-boar", "badger", "pine-marten", "hare", "lynx", "wolf", "cow", "empty")
    names = tuple(f"station-{side}-{kind}" for side in ("north", "south", "east", "west") for kind in kinds)
    belief = Belief(17, 0.6, tuple(0.6 if k == 17 else 0.4 / 39 for k in range(40)))
    rows = rows_of(statistics, names, 44, 38, belief=belief, with_belief=True)
    start = next(y for y, row in enumerate(rows) if "CLASSES" in row)
    assert "south-wolf" in rows[start + 1]
    assert "⏎  60%" in rows[start + 1]
    keys = re.findall(r"(?<!\S)\w(?= …)", "\n".join(rows[start + 5 :]))
    assert len({*keys}) == len(keys) >= 10, "two columns of keys"
    hidden = rows_of(statistics, names, 44, 38, belief=None, with_belief=True)
    assert hidden[start + 5 :] == rows[start + 5 :], "nothing moves"


def test_a_wide_screen_has_room_for_long_names() -> None:
    assert panel_width(120, 8) == 34
    assert panel_width(120, 24) == 44
    assert panel_width(80, 40) == 28
    assert panel_width(50, 40) == 0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_list_says_what_the_model_believes_and_what_enter_writes(
    statistics: Statistics, width: int, height: int
) -> None:
    names = ("cat", "dog", "bird")
    belief = Belief(1, 0.7, (0.2, 0.7, 0.1))
    rows = rows_of(statistics, names, width, height, belief=belief, with_belief=True)
    shares = {name: next(row for row in rows if name in row) for name in names}
    assert "20%" in shares["cat"]
    assert "⏎  70%" in shares["dog"]
    assert sum("⏎" in row for row in rows) == 1
    hidden = rows_of(statistics, names, width, height, belief=None, with_belief=True)
    assert len(hidden) == len(rows), "nothing moves"
    assert not any("⏎" in row or "70%" in row for row in hidden)


def test_of_many_classes_the_most_believed_are_listed_first() -> None:
    names = tuple(f"kind {k}" for k in range(60))
    chances = {k: k / 2000 for k in range(60)} | {57: 0.5}
    lines = belief_lines(ClassBeliefs(names, class_keys(names), chances, enter=57), 40, 12)
    texts = ["".join(text for text, _ in line) for line in lines]
    assert len(texts) == 12
    assert "kind 57" in texts[1]
    assert "⏎  50%" in texts[1]
    assert "kind 59" in texts[2]
    assert "50 more" in texts[-1]
    few = belief_lines(ClassBeliefs(("cat", "dog"), ("1c", "2d"), {}, note="hidden until you answer"), 30, 8)
    assert [line[0][0] for line in few] == ["MODEL", "1 c", "2 d"], "keys are there without probabilities"

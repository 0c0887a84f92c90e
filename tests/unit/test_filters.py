"""Filters of answers: what their words mean, and that they say what they do not know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.events import item_event
from tuilabel.errors import UsageError
from tuilabel.labels.filters import Filter, Subject

CLASSES = ("cat", "red fox", "flag", "Dog")
SUBJECTS = {
    "cat": Subject(item_event(0, class_name="cat", annotator="ada")),
    "fox": Subject(item_event(1, class_name="red fox", annotator="Bob"), note="Two of Them"),
    "flagged": Subject(item_event(2, class_name="cat", annotator="bob"), item_event(2, kind="flag", annotator="eve")),
    "only a flag": Subject(flag := item_event(3, kind="flag", class_name=None, annotator="ada"), flag),
    "skip": Subject(item_event(4, kind="skip", class_name=None)),
    "wrong": Subject(item_event(5, class_name="cat", predicted="Dog", audit=True)),
    "right": Subject(item_event(6, class_name="Dog", predicted="Dog", audit=True)),
    "no audit": Subject(item_event(7, class_name="Dog", predicted="cat")),
    "both": Subject(item_event(8, class_name="Dog", annotator="ada+bob")),
    "none": Subject(None),
}


def found(text: str) -> set[str]:
    where = Filter.parse(text, CLASSES)
    assert Filter.parse(str(where), CLASSES) == where
    return {name for name, subject in SUBJECTS.items() if where.matches(subject)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat", {"cat", "flagged", "wrong"}),
        ("CAT", {"cat", "flagged", "wrong"}),
        ("red fox", {"fox"}),
        ('class:"red fox"', {"fox"}),
        ("class:cat class:dog", {"cat", "flagged", "wrong", "right", "no audit", "both"}),
        ("by:bob", {"fox", "flagged", "both"}),
        ("annotator:ada class:cat", {"cat"}),
        ("flagged", {"flagged", "only a flag"}),
        ("flagged by:bob", {"flagged"}),
        ("flag:eve", {"flagged"}),
        ("note", {"fox"}),
        ('note:"two of"', {"fox"}),
        ("note:three", set()),
        ("wrong", {"wrong"}),
        ("right", {"right"}),
        ("wrong right", set()),
        ("skipped", {"skip"}),
        ("labelled -flagged -cat", {"fox", "right", "no audit", "both"}),
        ("flagged -labelled", {"only a flag"}),
    ],
)
def test_a_filter_finds(text: str, names: set[str]) -> None:
    assert found(text) == names


def test_a_class_may_be_called_like_a_condition() -> None:
    assert Filter.parse("flag", CLASSES).terms[0].key == "class"
    assert Filter.parse("flagged", CLASSES).terms[0].key == "flag"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a filter needs a condition: class:cat"),
        ("blurred", "'blurred' is neither a class nor a condition"),
        ("size:3", "a filter knows no 'size'"),
        ("class:owl", "there is no class 'owl': the classes are cat, red fox, flag, Dog"),
    ],
)
def test_what_is_no_filter_is_explained(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Filter.parse(text, CLASSES)


@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_refused_in_one_line(text: str) -> None:
    try:
        where = Filter.parse(text, CLASSES)
    except UsageError:
        return
    for subject in SUBJECTS.values():
        where.matches(subject)

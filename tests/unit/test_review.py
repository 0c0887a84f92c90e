"""The list of answers to review."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from tests.helpers.events import START, item_event
from tuilabel.labels import Event, current_answers
from tuilabel.labels.events import current_flags
from tuilabel.learner.trainer.messages import OutOfFoldPredictions
from tuilabel.session.review import ReviewItem, agreement, review_items

CLASSES = ("a", "b")


def out_of_fold(p: dict[int, float]) -> OutOfFoldPredictions:
    """Probability of class b by pool index."""
    b = np.array(list(p.values()), dtype=np.float32)
    return OutOfFoldPredictions(1, np.array(list(p), dtype=np.int64), np.stack([1 - b, b], axis=1))


def review(events: list[Event], predictions: OutOfFoldPredictions | None = None) -> list[ReviewItem]:
    """The list after `events`, in order; item i7 is pool index 7."""
    answers, flags = (
        {int(item[1:]): event for item, event in found.items()}
        for found in (current_answers(events), current_flags(events))
    )
    number = {event.key: place for place, event in enumerate(events)}
    return review_items(answers, flags, events, CLASSES, predictions, number.__getitem__)


def test_a_flagged_label_is_listed_until_it_is_answered_in_review_or_the_flag_is_off() -> None:
    events = [item_event(0), item_event(1, "r", origin="review"), item_event(2)]
    flags = [item_event(i, f"f{i}", kind="flag", class_name=None, annotator="bob") for i in (0, 1)]
    flags = [
        replace(flag, at=START - timedelta(days=1)) for flag in flags
    ]  # by a clock that is slow: only order counts
    listed = review([*events, *flags])
    assert [(item.index, item.reason, item.label) for item in listed] == [(0, "flagged", 0), (1, "flagged", 0)]
    kept = item_event(0, "k", origin="review")
    off = item_event(1, "off", kind="unflag", class_name=None)
    assert [item.index for item in review([*events, *flags, kept])] == [1]
    assert review([*events, *flags, kept, off]) == []


def test_items_are_ordered_by_reason_and_each_is_listed_once() -> None:
    events = [
        *(item_event(i) for i in range(4)),
        *(item_event(i, class_name="b") for i in range(4, 8)),
        item_event(10, kind="flag", class_name=None),
        item_event(11, "x", annotator="bob", class_name="b"),
        item_event(11, "y"),
        item_event(12, audit=True, predicted="b", confidence=0.9),
        item_event(3, "again", annotator="bob", class_name="b"),
        item_event(3, "more", audit=True, predicted="b", confidence=0.8),
        item_event(13, audit=True, predicted="a", confidence=0.9),
        item_event(14, kind="skip", class_name=None),
    ]
    p = {0: 0.05, 1: 0.1, 2: 0.05, 3: 0.97, 4: 0.9, 5: 0.02, 6: 0.95, 7: 0.9}
    items = review(events, out_of_fold(p))
    assert [(item.index, item.reason) for item in items] == [
        (5, "likely wrong"),
        (3, "likely wrong"),
        (10, "flagged"),
        (11, "disagreement"),
        (12, "audit mistake"),
    ]
    assert (items[0].label, items[0].suggested, items[0].id) == (1, 0, "i5")
    assert items[0].score > items[1].score > 0.5
    assert items[2].label is None
    assert (items[3].label, items[3].suggested, items[3].by) == (0, 1, (("ann", 0), ("bob", 1)))
    assert (items[4].label, items[4].suggested, items[4].confidence) == (0, 1, 0.9)


def test_an_answer_confirmed_in_review_is_not_shown_again() -> None:
    events = [*(item_event(i, class_name="ab"[i % 2]) for i in range(12))]
    p = out_of_fold({i: (0.95 if i % 2 else 0.05) if i else 0.97 for i in range(12)})
    assert [item.index for item in review(events, p)] == [0]
    confirmed = [*events, item_event(0, "r", origin="review")]
    assert review(confirmed, p) == []
    later = [*confirmed, item_event(0, "l"), item_event(1, "m", kind="flag", class_name=None)]
    assert [item.index for item in review(later, p)] == [1]
    changed = [*confirmed, item_event(2, "c", class_name="b")]
    assert [item.index for item in review(changed, p)] == [2]  # compared with its current label
    taken_back = [*confirmed, replace(item_event(0, "u", kind="undo", class_name=None), undoes="r")]
    assert [item.index for item in review(taken_back, p)] == [0]


def test_undone_labels_and_unknown_classes_are_accepted() -> None:
    p = out_of_fold({0: 0.9, 1: 0.9})
    assert review([item_event(0), replace(item_event(0, "u", kind="undo"), undoes="e0")], p) == []
    assert review([item_event(0, class_name="old"), item_event(1, class_name="b")], p) == []
    assert review([], None) == []


def test_changing_ones_own_answer_is_not_a_disagreement() -> None:
    assert review([item_event(0, "x", class_name="b"), item_event(0, "y")]) == []


def test_a_model_too_weak_to_judge_calls_no_label_wrong() -> None:
    events = [
        *(item_event(i, class_name="ab"[i % 2]) for i in range(10)),
        item_event(10, kind="flag", class_name=None),
    ]
    answers = {int(event.item[1:]): event for event in events}
    poor = {i: 0.95 if (i % 2 == 0) == (i < 4) else 0.05 for i in range(10)}  # contradicts four of ten
    judged = agreement(answers, CLASSES, out_of_fold(poor))
    assert judged is not None
    assert (judged.share, judged.n, judged.too_weak) == (0.6, 10, True)
    assert [item.reason for item in review(events, out_of_fold(poor))] == ["flagged"]
    good = {i: 0.95 if (i % 2 == 1) != (i == 3) else 0.05 for i in range(10)}
    judged = agreement(answers, CLASSES, out_of_fold(good))
    assert judged is not None
    assert not judged.too_weak
    first = review(events, out_of_fold(good))[0]
    assert (first.index, first.reason) == (3, "likely wrong")


def test_a_model_that_always_answers_with_the_largest_class_is_too_weak() -> None:
    events = [item_event(i, class_name="b" if i == 0 else "a") for i in range(10)]
    answers = {int(event.item[1:]): event for event in events}
    judged = agreement(answers, CLASSES, out_of_fold(dict.fromkeys(range(10), 0.1)))
    assert judged is not None
    assert judged.share == 0.9
    assert judged.too_weak
    assert review(events, out_of_fold(dict.fromkeys(range(10), 0.1))) == []

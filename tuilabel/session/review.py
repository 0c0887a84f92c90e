"""Answers that want a second look: likely wrong labels, flags, disagreements, audit mistakes. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import likely_wrong, self_confidence
from tuilabel.labels import Event
from tuilabel.learner.trainer.messages import OutOfFoldPredictions

Reason = Literal["likely wrong", "flagged", "disagreement", "audit mistake"]


@dataclass(frozen=True)
class ReviewItem:
    """One answered item to look at again."""

    index: int
    id: str
    reason: Reason
    """The strongest one, in the order of `Reason`."""
    label: int | None
    """The class it has now; None for a flagged one."""
    suggested: int | None
    """The class that models or others took it for."""
    confidence: float | None
    """The probability of that class, where a model says so."""
    score: float
    """0…1, how strongly the label is doubted, to compare items of one reason."""
    by: tuple[tuple[str, int], ...] = ()
    """Annotators and the classes they gave, where they disagree."""


def review_items(
    answers: Mapping[int, Event],
    events: Sequence[Event],
    classes: Sequence[str],
    out_of_fold: OutOfFoldPredictions | None,
) -> list[ReviewItem]:
    """What to look at again: likely wrong labels, the worst first; then flags, disagreements and audit mistakes.

    An item comes once. One that was answered in review comes no more for the answer given there.

    Parameters
    ----------
    answers : the answers that stand, by pool index.
    events : all there are, of every annotator, in their order.
    classes : class names; events of others do not count.
    out_of_fold : probabilities of labelled items; labels that have changed since are judged as they are now.
    """
    place = {name: position for position, name in enumerate(classes)}
    undone = {event.undoes for event in events if event.kind == "undo"}
    valid = [event for event in events if event.kind != "undo" and event.key not in undone]
    settled = {(event.item, event.kind, event.class_name) for event in valid if event.origin == "review"}
    open_ = {
        index: event for index, event in answers.items() if (event.item, event.kind, event.class_name) not in settled
    }
    found = [
        *_likely_wrong(answers, place, out_of_fold),
        *_flagged(open_),
        *_disagreements(open_, valid, place),
        *_audit_mistakes(open_, place),
    ]
    once: dict[int, ReviewItem] = {}
    for item in (item for item in found if item.index in open_):
        once.setdefault(item.index, item)
    return list(once.values())


def _likely_wrong(
    answers: Mapping[int, Event], place: Mapping[str, int], out_of_fold: OutOfFoldPredictions | None
) -> list[ReviewItem]:
    """Confident learning over all labels that models have judged, also those that were looked at already."""
    if out_of_fold is None or out_of_fold.probabilities.shape[1] < 2:
        return []
    label = {index: place.get(event.class_name or "") for index, event in answers.items()}
    known = range(out_of_fold.probabilities.shape[1])  # classes added since are unknown to those models
    rows = [row for row, index in enumerate(out_of_fold.indices.tolist()) if label.get(index) in known]
    if not rows:
        return []
    p: NDArray[np.float32] = out_of_fold.probabilities[rows]
    indices = out_of_fold.indices[rows].tolist()
    given = np.array([label[index] for index in indices], dtype=np.int64)
    doubt = 1 - self_confidence(p, given)
    return [
        ReviewItem(
            indices[k],
            answers[indices[k]].item,
            "likely wrong",
            int(given[k]),
            int(p[k].argmax()),
            float(p[k].max()),
            float(doubt[k]),
        )
        for k in likely_wrong(p, given).tolist()
    ]


def _flagged(answers: Mapping[int, Event]) -> list[ReviewItem]:
    return [
        ReviewItem(index, event.item, "flagged", None, None, None, 1.0)
        for index, event in answers.items()
        if event.kind == "flag"
    ]


def _disagreements(answers: Mapping[int, Event], valid: Sequence[Event], place: Mapping[str, int]) -> list[ReviewItem]:
    """Items that annotators last gave different classes; the more of them are against its label, the higher."""
    given: dict[str, dict[str, str]] = {}
    for event in valid:
        if event.kind == "label" and event.class_name is not None and event.class_name in place:
            given.setdefault(event.item, {})[event.annotator] = event.class_name
    found = []
    for index, event in answers.items():
        votes = given.get(event.item, {})
        if event.kind != "label" or len(set(votes.values())) < 2:
            continue
        others = [name for name in votes.values() if name != event.class_name]
        suggested = max(sorted(set(others)), key=others.count)
        by = tuple(sorted((annotator, place[name]) for annotator, name in votes.items()))
        share = len(others) / len(votes)
        label = place.get(event.class_name or "")
        found.append(ReviewItem(index, event.item, "disagreement", label, place[suggested], None, share, by))
    return sorted(found, key=lambda item: -item.score)


def _audit_mistakes(answers: Mapping[int, Event], place: Mapping[str, int]) -> list[ReviewItem]:
    """Audit items whose model, before it learnt them, said something else; the surest mistakes first."""
    found = []
    for index, event in answers.items():
        label, said = place.get(event.class_name or ""), place.get(event.predicted or "")
        if event.audit and label is not None and said is not None and label != said:
            confidence = event.confidence
            found.append(ReviewItem(index, event.item, "audit mistake", label, said, confidence, confidence or 0.0))
    return sorted(found, key=lambda item: -item.score)

"""Answers to review: likely wrong labels, flags, disagreements, audit mistakes. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import cohen_kappa, likely_wrong, self_confidence
from tuilabel.labels import Event
from tuilabel.learner.trainer.messages import OutOfFoldPredictions

MIN_AGREEMENT = 2 / 3  # of the labels: a model that predicts fewer is not heard about the others
MIN_KAPPA = 0.4  # and its agreement beyond chance, which always predicting the largest class does not reach

Reason = Literal["likely wrong", "flagged", "disagreement", "audit mistake"]


@dataclass(frozen=True)
class ReviewItem:
    """One answered item to review."""

    index: int
    """The item's index in the pool."""
    id: str
    reason: Reason
    """The first that applies, in the order of `Reason`."""
    label: int | None
    """The position of its class; None if it has no label."""
    suggested: int | None
    """The class position that models or other annotators suggest."""
    confidence: float | None
    """The probability of that class, if a model suggests it."""
    score: float
    """How doubtful the label is, 0…1; comparable among items with the same reason."""
    by: tuple[tuple[str, int], ...] = ()
    """Annotators and the class positions they gave, if they disagree."""


@dataclass(frozen=True)
class Agreement:
    """How far models that were not trained on the labels predict them."""

    share: float
    """Of the labels that are predicted, 0…1."""
    n: int
    """Labels with a prediction."""
    too_weak: bool
    """Whether the models are too weak to judge labels: most of what they contradict would be right."""


def agreement(
    standing: Mapping[int, Event], classes: Sequence[str], out_of_fold: OutOfFoldPredictions
) -> Agreement | None:
    """How far the out-of-fold predictions agree with the labels; None without any.

    Parameters
    ----------
    standing : the standing answers, by pool index.
    classes : class names; answers with other names are ignored.
    """
    _, probabilities, given = _predicted_labels(standing, {name: k for k, name in enumerate(classes)}, out_of_fold)
    if not len(given):
        return None
    predicted = probabilities.argmax(axis=1)
    share = float((predicted == given).mean())
    too_weak = share < MIN_AGREEMENT or cohen_kappa(given, predicted) < MIN_KAPPA
    return Agreement(share, len(given), too_weak)


def review_items(
    standing: Mapping[int, Event],
    flags: Mapping[int, Event],
    live_events: Sequence[Event],
    classes: Sequence[str],
    out_of_fold: OutOfFoldPredictions | None,
    number: Callable[[str], int],
) -> list[ReviewItem]:
    """What to review: likely wrong labels, the worst first; then flags, disagreements and audit mistakes.

    Where the model is too weak to judge labels (see `Agreement`), none is called likely wrong. An item appears once. It
    does not appear again because of an answer given in review.

    Parameters
    ----------
    standing : the standing answers, by pool index.
    flags : the flag of each flagged item, by pool index.
    live_events : every answer that was not undone, of every annotator, in the order of the store.
    classes : class names; answers with other names are ignored.
    out_of_fold : probabilities of labelled items; labels that have changed since are evaluated as they are now.
    number : the place of an answer or a flag in the order of the store, by its key.
    """
    class_pos = {name: position for position, name in enumerate(classes)}
    undone = {event.undoes for event in live_events if event.kind == "undo"}
    answers = [event for event in live_events if event.kind != "undo" and event.key not in undone]
    reviewed = {(event.item, event.kind, event.class_name) for event in answers if event.origin == "review"}
    to_review = {
        index: event for index, event in standing.items() if (event.item, event.kind, event.class_name) not in reviewed
    }
    judged = None if out_of_fold is None else agreement(standing, classes, out_of_fold)
    candidates = [
        *([] if judged is None or judged.too_weak else _likely_wrong(standing, class_pos, out_of_fold)),
        *_flagged(standing, flags, answers, class_pos, number),
        *_disagreements(to_review, answers, class_pos),
        *_audit_mistakes(to_review, class_pos),
    ]
    by_index: dict[int, ReviewItem] = {}
    for item in (item for item in candidates if item.index in to_review or item.reason == "flagged"):
        by_index.setdefault(item.index, item)
    return list(by_index.values())


def _likely_wrong(
    standing: Mapping[int, Event], class_pos: Mapping[str, int], out_of_fold: OutOfFoldPredictions | None
) -> list[ReviewItem]:
    """Confident learning over all labels with out-of-fold probabilities, including those already reviewed."""
    if out_of_fold is None or out_of_fold.probabilities.shape[1] < 2:
        return []
    indices, p, given = _predicted_labels(standing, class_pos, out_of_fold)
    if not indices:
        return []
    doubt = 1 - self_confidence(p, given)
    return [
        ReviewItem(
            indices[k],
            standing[indices[k]].item,
            "likely wrong",
            int(given[k]),
            int(p[k].argmax()),
            float(p[k].max()),
            float(doubt[k]),
        )
        for k in likely_wrong(p, given).tolist()
    ]


def _predicted_labels(
    standing: Mapping[int, Event], class_pos: Mapping[str, int], out_of_fold: OutOfFoldPredictions
) -> tuple[list[int], NDArray[np.float32], NDArray[np.int64]]:
    """Pool indices of labels with out-of-fold predictions (k,), their probabilities (k, C), and their classes (k,)."""
    label = {index: class_pos.get(event.class_name or "") for index, event in standing.items()}
    predictable = range(out_of_fold.probabilities.shape[1])  # classes added since are unknown to those models
    rows = [row for row, index in enumerate(out_of_fold.indices.tolist()) if label.get(index) in predictable]
    indices = out_of_fold.indices[rows].tolist()
    return indices, out_of_fold.probabilities[rows], np.array([label[index] for index in indices], dtype=np.int64)


def _flagged(
    standing: Mapping[int, Event],
    flags: Mapping[int, Event],
    answers: Sequence[Event],
    class_pos: Mapping[str, int],
    number: Callable[[str], int],
) -> list[ReviewItem]:
    """Flagged items that were not answered in review since they were flagged."""
    reviewed = {event.item: number(event.key) for event in answers if event.origin == "review" and event.kind != "flag"}
    return [
        ReviewItem(index, flag.item, "flagged", class_pos.get(standing[index].class_name or ""), None, None, 1.0)
        for index, flag in flags.items()
        if flag.item not in reviewed or reviewed[flag.item] < number(flag.key)
    ]


def _disagreements(
    standing: Mapping[int, Event], answers: Sequence[Event], class_pos: Mapping[str, int]
) -> list[ReviewItem]:
    """Items whose annotators' last answers differ in class; those with most votes against the label first."""
    given: dict[str, dict[str, str]] = {}
    for event in answers:
        if event.kind == "label" and event.class_name is not None and event.class_name in class_pos:
            given.setdefault(event.item, {})[event.annotator] = event.class_name
    items = []
    for index, event in standing.items():
        votes = given.get(event.item, {})
        if event.kind != "label" or len(set(votes.values())) < 2:
            continue
        others = [name for name in votes.values() if name != event.class_name]
        suggested = max(sorted(set(others)), key=others.count)
        by = tuple(sorted((annotator, class_pos[name]) for annotator, name in votes.items()))
        share = len(others) / len(votes)
        label = class_pos.get(event.class_name or "")
        items.append(ReviewItem(index, event.item, "disagreement", label, class_pos[suggested], None, share, by))
    return sorted(items, key=lambda item: -item.score)


def _audit_mistakes(standing: Mapping[int, Event], class_pos: Mapping[str, int]) -> list[ReviewItem]:
    """Audit items that the model got wrong before it was trained on them; the most confident mistakes first."""
    items = []
    for index, event in standing.items():
        label, predicted = class_pos.get(event.class_name or ""), class_pos.get(event.predicted or "")
        if event.audit and label is not None and predicted is not None and label != predicted:
            confidence = event.confidence
            items.append(
                ReviewItem(index, event.item, "audit mistake", label, predicted, confidence, confidence or 0.0)
            )
    return sorted(items, key=lambda item: -item.score)

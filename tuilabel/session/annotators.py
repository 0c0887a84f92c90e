"""Who did what, how fast, and how far annotators agree, from the answers that stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tuilabel.estimate import AnnotatorAgreement, annotator_agreement, labels_per_minute
from tuilabel.labels import Event

PACE_WINDOW = 60  # latest answers over which labels per minute is measured
CHECKED_WINDOW = 50  # latest checked labels that count for an annotator's recent accuracy
AFTERWARDS = ("history", "review")
"""Origins of answers that were given in sight of earlier ones, so that they say nothing about agreement."""


@dataclass(frozen=True)
class AnnotatorFigures:
    """What one annotator did."""

    name: str
    labels: int
    """Items with a label of theirs that was not undone."""
    per_minute: float | None
    """Answers per minute of work, over the latest."""
    last: datetime
    """Their newest answer, in UTC."""
    right: int
    """Of their latest labels that somebody else checked in review, those that were confirmed."""
    checked: int
    """These labels."""


@dataclass(frozen=True)
class TeamFigures:
    """What each annotator did, most labels first, and how far they agree."""

    annotators: tuple[AnnotatorFigures, ...]
    agreement: AnnotatorAgreement | None
    """None without an item that two labelled independently."""
    disputed: int
    """Items on which such labels differ and that nobody has decided in review."""


def team_figures(answers: Sequence[Event]) -> TeamFigures:
    """What each annotator did, and how far they agree.

    Parameters
    ----------
    answers : every answer that was not undone, in the order of the store, with current class names.
    """
    by_annotator: dict[str, list[Event]] = {}
    labels: dict[str, dict[str, Event]] = {}
    decided: dict[str, Event] = {}
    for event in answers:
        by_annotator.setdefault(event.annotator, []).append(event)
        if event.kind == "label" and event.origin == "review":
            decided[event.item] = event
        elif event.kind == "label" and event.origin not in AFTERWARDS:
            labels.setdefault(event.item, {})[event.annotator] = event
    given = {item: {who: event.class_name or "" for who, event in mine.items()} for item, mine in labels.items()}
    figures = (_figures(name, events, labels, decided) for name, events in by_annotator.items())
    return TeamFigures(
        tuple(sorted(figures, key=lambda figure: (-figure.labels, figure.name))),
        annotator_agreement(list(given.values())),
        sum(len(set(of_item.values())) > 1 and item not in decided for item, of_item in given.items()),
    )


def _figures(
    name: str, events: Sequence[Event], labels: dict[str, dict[str, Event]], decided: dict[str, Event]
) -> AnnotatorFigures:
    checked = [
        event.class_name == decided[event.item].class_name
        for event in events
        if labels.get(event.item, {}).get(name) is event
        and event.item in decided
        and decided[event.item].annotator != name
    ]
    latest = checked[-CHECKED_WINDOW:]
    return AnnotatorFigures(
        name,
        len({event.item for event in events if event.kind == "label"}),
        labels_per_minute(events[-PACE_WINDOW:]),
        events[-1].at,
        sum(latest),
        len(latest),
    )

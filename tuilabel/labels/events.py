"""What the label store holds: answers as events that are never changed, and the rounds in which items were queried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["label", "skip", "flag", "undo", "note"]
Origin = Literal["batch", "direct", "by-class", "history", "review", "import", "undo", "withdraw"]
"""How an event came about: an answer to an item of a batch, one to an item addressed directly (as are notes), on the
screen of that name, from an imported file; the undoing of a step, or a withdrawal, which is a step of its own."""
ANSWERS = ("label", "skip", "flag")


@dataclass(frozen=True)
class Event:
    """An answer, the undoing of one, or a note on an item."""

    key: str
    """Unique; other events refer to it."""
    kind: Kind
    item: str
    """Content id of the image."""
    class_name: str | None
    annotator: str
    at: datetime
    """In UTC."""
    milliseconds: int
    """From showing the image to the key."""
    round: int
    strategy: str
    """The query strategy that picked the item; empty where none did."""
    origin: Origin
    query_probability: float | None
    """Of drawing this item when it was drawn; None where it was not picked at random."""
    trained_on: int | None
    """Labels that the model behind the prediction was trained on; None without a prediction."""
    predicted: str | None
    """The class that model predicted before it learnt the answer."""
    confidence: float | None
    audit: bool
    """Whether the item was drawn uniformly from the unanswered pool."""
    undoes: str | None = None
    """In an undo the key of the event that it undoes; in an answer that of the undo that it reverts (redo)."""
    note: str | None = None
    """The text of a note; an empty one removes the note before it."""
    step: str | None = None
    """Shared by the events of one key press: they are undone together."""


@dataclass(frozen=True)
class RoundItem:
    """One item of a batch as it was queried."""

    item: str
    audit: bool
    predicted: str | None
    confidence: float | None
    query_probability: float | None


@dataclass(frozen=True)
class Round:
    """One batch and the model behind it."""

    number: int
    asked_at: datetime
    strategy: str
    trained_on: int | None
    test_accuracy: float | None
    test_size: int | None
    """Test items that accuracy was measured on; None without a test, and in rounds of older versions."""
    mean_uncertainty: float | None
    items: tuple[RoundItem, ...]


def current_answers(events: Iterable[Event]) -> dict[str, Event]:
    """The answer that stands for each item id: the last one that was not undone."""
    return {event.item: event for event in standing_answers(list(events))}


def standing_answers(events: Sequence[Event]) -> list[Event]:
    """The answers that were not undone, in order; several for an item that was answered again."""
    undone = {event.undoes for event in events if event.kind == "undo"}
    return [event for event in events if event.kind in ANSWERS and event.key not in undone]

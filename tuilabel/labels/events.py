"""What the label store holds: answers as events that are never changed, and the rounds in which items were queried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["label", "skip", "flag", "undo", "note"]
Origin = Literal["batch", "direct", "by-class", "history", "review", "import", "undo", "withdraw"]
"""How an event came about. Answers: to an item of a batch, to an item addressed directly (notes, too), on the screen of
that name, or from an imported file. Undo events: of a step, or a withdrawal, which is a step of its own."""
ANSWERS = ("label", "skip", "flag")


@dataclass(frozen=True)
class Event:
    """An answer, the undo of one, or a note on an item."""

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
    """Time from showing the image to the key press."""
    round: int
    strategy: str
    """The query strategy that picked the item; empty if none did."""
    origin: Origin
    query_probability: float | None
    """Probability with which the item was drawn; None if it was not picked at random."""
    trained_on: int | None
    """Number of labels that the predicting model was trained on; None without a prediction."""
    predicted: str | None
    """The class that the model predicted before it was trained on the answer."""
    confidence: float | None
    audit: bool
    """Whether the item was drawn uniformly from the unanswered pool."""
    undoes: str | None = None
    """In an undo event, the key of the undone event; in a redone answer, the key of the undo event that it reverts."""
    note: str | None = None
    """The text of a note; an empty text removes the previous note."""
    step: str | None = None
    """Shared by the events of one key press: they are undone together."""
    shown: bool | None = None
    """Whether the prediction was on the screen before the answer, which may then lean on it; None without a prediction,
    and in events of older versions."""


@dataclass(frozen=True)
class RoundItem:
    """One item of a batch as it was queried."""

    item: str
    audit: bool
    predicted: str | None
    confidence: float | None
    query_probability: float | None
    hidden: bool | None = None
    """Whether its prediction was hidden until it was answered; None in rounds of older versions, which hid none."""


@dataclass(frozen=True)
class Round:
    """One batch, and the model that picked it."""

    number: int
    asked_at: datetime
    strategy: str
    trained_on: int | None
    test_accuracy: float | None
    test_size: int | None
    """Number of test items for `test_accuracy`; None without a test set, and in rounds of older versions."""
    mean_uncertainty: float | None
    items: tuple[RoundItem, ...]


def current_answers(events: Iterable[Event]) -> dict[str, Event]:
    """The standing answer of each item id: the last one that was not undone."""
    return {event.item: event for event in standing_answers(list(events))}


def standing_answers(events: Sequence[Event]) -> list[Event]:
    """The answers that were not undone, in order; several for an item that was answered again."""
    undone = {event.undoes for event in events if event.kind == "undo"}
    return [event for event in events if event.kind in ANSWERS and event.key not in undone]

"""What the label store holds: answers as events that are never changed, and the rounds in which items were queried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tuilabel.errors import is_printable

Kind = Literal["label", "skip", "flag", "unflag", "undo", "note"]
"""A label or a skip is an answer. A flag stands beside the answer until it is taken off again; see `Event.beside`."""
Origin = Literal["batch", "direct", "by-class", "similar", "history", "review", "import", "undo", "withdraw"]
"""How an event came about. Answers: to an item of a batch, to an item addressed directly (notes, too), on the screen of
that name, or from an imported file; those by class and of similar items were chosen and are not a sample of the pool.
Undo events: of a step, or a withdrawal, which is a step of its own."""


@dataclass(frozen=True, slots=True)
class Event:
    """An answer, a flag put on or taken off, the undo of one of these, or a note on an item."""

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
    beside: bool = True
    """Whether a flag leaves the answer as it is, and an answer the flag. In events of format 4 and older it is False:
    there, a flag took the place of the label, and a label or a skip that of the flag."""


@dataclass(frozen=True, slots=True)
class RoundItem:
    """One item of a batch as it was queried."""

    item: str
    audit: bool
    predicted: str | None
    confidence: float | None
    query_probability: float | None
    hidden: bool | None = None
    """Whether its prediction was hidden until it was answered; None in rounds of older versions, which hid none."""
    overlap: bool | None = None
    """Whether it was given to several annotators on purpose; None in rounds of older versions."""


@dataclass(frozen=True, slots=True)
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
    annotator: str | None = None
    """Who was asked; None in rounds of older versions, as is the session."""
    session: str | None = None
    """The id of the session that was asked."""


def standing_rows(events: Sequence[Event]) -> tuple[list[int], list[int]]:
    """Which answers to one item stand, and which flags.

    Parameters
    ----------
    events : answers to the item and its flags, none of them undone, in order.

    Returns
    -------
    The rows of the answers, the last of which is the current one, and the rows of the flags; none if it is not flagged.
    """
    answers: list[int] = []
    flags: list[int] = []
    for row, event in enumerate(events):
        if event.kind == "flag":
            flags.append(row)
        elif event.kind == "unflag" or not event.beside:
            flags = []
            answers = [other for other in answers if events[other].kind != "flag"]  # what it took the place of is back
        if event.kind in ("label", "skip") or (event.kind == "flag" and not event.beside):
            answers.append(row)
    return answers, flags


def current_answers(events: Iterable[Event]) -> dict[str, Event]:
    """What stands for each item id: the last answer that was not undone or, without one, the flag."""
    answers, flags = _standing(events)
    return {**flags, **{item: of_item[-1] for item, of_item in answers.items()}}


def current_flags(events: Iterable[Event]) -> dict[str, Event]:
    """The flag of each flagged item, by item id, whether the item has an answer or not."""
    return _standing(events)[1]


def current_notes(events: Iterable[Event]) -> dict[str, Event]:
    """The note of each item that has one, by item id."""
    notes = {event.item: event for event in events if event.kind == "note"}
    return {item: event for item, event in notes.items() if event.note}


def note_text(text: str) -> str:
    """The text of a note in one line, without control characters."""
    return " ".join("".join(c if is_printable(c) else " " for c in text).split())


def standing_answers(events: Iterable[Event]) -> list[Event]:
    """The answers that were not undone, in order; several for an item that was answered again."""
    events = list(events)
    standing = {event.key for of_item in _standing(events)[0].values() for event in of_item}
    return [event for event in events if event.key in standing]


def _standing(events: Iterable[Event]) -> tuple[dict[str, list[Event]], dict[str, Event]]:
    """Answers and flags that stand, by item id."""
    events = list(events)
    undone = {event.undoes for event in events if event.kind == "undo"}
    by_item: dict[str, list[Event]] = {}
    for event in events:
        if event.kind not in ("undo", "note") and event.key not in undone:
            by_item.setdefault(event.item, []).append(event)
    answers: dict[str, list[Event]] = {}
    flags: dict[str, Event] = {}
    for item, of_item in by_item.items():
        rows, flag_rows = standing_rows(of_item)
        if rows:
            answers[item] = [of_item[row] for row in rows]
        if flag_rows:
            flags[item] = of_item[flag_rows[-1]]
    return answers, flags

"""Rows of an export: one label per item, with disagreements between annotators resolved, and its flag and note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tuilabel.datasets import ImagePool
from tuilabel.errors import unknown_name
from tuilabel.labels.events import Event, current_answers, current_flags, current_notes, standing_answers

RESOLVE_RULES = ("latest", "majority", "unanimous")


@dataclass(frozen=True)
class LabelRow:
    """The label of one item with its flag and note, or a prediction if it has a confidence."""

    id: str
    """Content id of the item."""
    index: int
    """Pool index; -1 if the item is no longer in the pool."""
    path: str
    """The name of the file in its source, such as `cats/1.jpg` or `mnist#12`; empty if unknown."""
    label: str
    """Empty for an item that has no label, only a flag or a note."""
    annotator: str
    """All who agree, joined by `+`, under the rules majority and unanimous; `model` for predictions."""
    labelled_at: datetime | None
    seconds: float | None
    """Time from showing the image to the key press."""
    confidence: float | None = None
    probabilities: tuple[float, ...] | None = None
    """One for each class that is passed to the writer."""
    flagged: bool = False
    flagged_by: str = ""
    """The annotator who put the flag there."""
    note: str = ""
    noted_by: str = ""


@dataclass(frozen=True)
class Resolved:
    """One label per item."""

    labels: list[Event]
    """In the order of labelling: the newest answer with the resolved class; `annotator` names all who agree."""
    undecided: int
    """Items with labels on which this rule does not decide."""


def resolve_answers(events: Sequence[Event], resolve: str = "latest") -> Resolved:
    """Resolve the answers of all annotators to one label per item.

    Parameters
    ----------
    events : with current class names; see `with_current_names`.
    resolve : `latest` takes the most recent answer that was not undone, from any annotator. `majority` counts the last
        answer of each annotator and leaves out ties. `unanimous` requires that all who labelled the item agree. In
        both, those who skipped or flagged the item do not count, and an answer that was given in review decides.

    Raises
    ------
    UsageError : if there is no such rule.
    """
    if resolve not in RESOLVE_RULES:
        raise unknown_name("rule", resolve, RESOLVE_RULES)
    number = _numbers(events)
    if resolve == "latest":
        labels = [event for event in current_answers(events).values() if event.kind == "label"]
        return Resolved(sorted(labels, key=lambda event: number[event.key]), 0)
    answers: dict[str, dict[str, Event]] = {}
    for event in standing_answers(events):
        mine = answers.setdefault(event.item, {})
        mine.pop(event.annotator, None)  # the newest answer comes last
        mine[event.annotator] = event
    votes = [_ballot(list(mine.values())) for mine in answers.values()]
    agreed = [_agreed(ballot, resolve, number) for ballot in votes if ballot]
    labels = sorted((event for event in agreed if event is not None), key=lambda event: number[event.key])
    return Resolved(labels, sum(event is None for event in agreed))


def rows_of(events: Sequence[Event], pool: ImagePool, resolve: str = "latest") -> list[LabelRow]:
    """The resolved labels as rows, in the order of labelling; parameters and errors as in `resolve_answers`."""
    return rows_from(resolve_answers(events, resolve).labels, events, pool)


def rows_from(labels: Iterable[Event], events: Sequence[Event], pool: ImagePool) -> list[LabelRow]:
    """One row per label event, with the flag and the note that `events`, the whole log, have for its item."""
    flags, notes = current_flags(events), current_notes(events)
    rows = [
        LabelRow(
            id=event.item,
            index=-1,
            path="",
            label=event.class_name or "",
            annotator=event.annotator,
            labelled_at=event.at,
            seconds=event.milliseconds / 1000,
        )
        for event in labels
    ]
    return _placed([_marked(row, flags, notes) for row in rows], pool)


def rows_without_label(events: Sequence[Event], pool: ImagePool) -> list[LabelRow]:
    """One row per item that no annotator's answer labels and that has a flag or a note, in the order of these."""
    flags, notes = current_flags(events), current_notes(events)
    labelled = {item for item, event in current_answers(events).items() if event.kind == "label"}
    number = _numbers(events)
    marks = sorted([*flags.values(), *notes.values()], key=lambda event: number[event.key])
    items = [item for item in dict.fromkeys(event.item for event in marks) if item not in labelled]
    rows = [LabelRow(item, -1, "", "", "", None, None) for item in items]
    return _placed([_marked(row, flags, notes) for row in rows], pool)


def _marked(row: LabelRow, flags: Mapping[str, Event], notes: Mapping[str, Event]) -> LabelRow:
    """The row with its item's flag and note."""
    flag, note = flags.get(row.id), notes.get(row.id)
    if flag is not None:
        row = replace(row, flagged=True, flagged_by=flag.annotator)
    if note is not None:
        row = replace(row, note=note.note or "", noted_by=note.annotator)
    return row


def _placed(rows: Sequence[LabelRow], pool: ImagePool) -> list[LabelRow]:
    """The rows with the pool indices and names of their items."""
    indices = pool.indices_of([row.id for row in rows]).tolist()
    return [
        replace(row, index=index, path=pool.files.last_name(index)) if index >= 0 else row
        for row, index in zip(rows, indices, strict=True)
    ]


def _numbers(events: Iterable[Event]) -> dict[str, int]:
    """The order of events in the log, by key; clocks jump, and those of several hosts differ."""
    return {event.key: number for number, event in enumerate(events)}


def _ballot(answers: Sequence[Event]) -> list[Event]:
    """The labels that are counted: all, or the one that decides, given in review in sight of the others."""
    labels = [event for event in answers if event.kind == "label"]
    decided = [event for event in labels if event.origin == "review"]
    return decided[-1:] or labels


def _agreed(ballot: Sequence[Event], resolve: str, number: Mapping[str, int]) -> Event | None:
    """The winning answer, with the names of all who gave it; None if there is no winner."""
    counts = Counter(event.class_name for event in ballot).most_common()
    if len(counts) > 1 and (resolve == "unanimous" or counts[0][1] == counts[1][1]):
        return None
    winners = [event for event in ballot if event.class_name == counts[0][0]]
    newest = max(winners, key=lambda event: number[event.key])
    return _signed(newest, "+".join(event.annotator for event in winners))


def _signed(event: Event, annotator: str) -> Event:
    return event if event.annotator == annotator else replace(event, annotator=annotator)

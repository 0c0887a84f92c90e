"""Labels as rows for other programs: one for each item, several annotators resolved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuilabel.datasets import ImagePool
from tuilabel.errors import unknown_name
from tuilabel.labels.events import Event, current_answers, standing_answers

RESOLVE = ("latest", "majority", "unanimous")


@dataclass(frozen=True)
class LabelRow:
    """One item's label."""

    id: str
    """Content id of the item."""
    index: int
    """In the pool; -1 where the pool has it no more."""
    path: str
    """What the source calls the file, as `cats/1.jpg` or `mnist#12`; empty where nobody knows."""
    label: str
    annotator: str
    """Several are joined by `+`, who agree by majority or unanimity; `model` for predictions."""
    labelled_at: datetime | None
    seconds: float | None
    """From the sight of the image to the key."""
    confidence: float | None = None
    probabilities: tuple[float, ...] | None = None
    """Of the classes that the writer is given."""


@dataclass(frozen=True)
class Resolved:
    """One answer for each item."""

    labels: list[Event]
    """The newest answer that says what was resolved, in the order of labelling; `annotator` names all who agree."""
    left_out: int
    """Items that somebody labelled and that have no label by this rule."""


def resolve_answers(events: Sequence[Event], resolve: str = "latest") -> Resolved:
    """One label for each item.

    Parameters
    ----------
    events : with class names as they are now; see `with_current_names`.
    resolve : `latest` is the answer that stands, whoever gave it; `majority` lets the last answer of each annotator
        vote and leaves ties out; `unanimous` wants all who labelled the item to say the same. Who skipped or flagged
        an item has no vote.

    Raises
    ------
    UsageError : where there is no such rule.
    """
    if resolve not in RESOLVE:
        raise unknown_name("rule", resolve, RESOLVE)
    if resolve == "latest":
        labels = [event for event in current_answers(events).values() if event.kind == "label"]
        return Resolved(sorted(labels, key=lambda event: event.at), 0)
    answers: dict[str, dict[str, Event]] = {}
    for event in standing_answers(events):
        mine = answers.setdefault(event.item, {})
        mine.pop(event.annotator, None)  # the newest answer comes last
        mine[event.annotator] = event
    votes = [[event for event in mine.values() if event.kind == "label"] for mine in answers.values()]
    agreed = [_agreed(ballot, resolve) for ballot in votes if ballot]
    labels = sorted((event for event in agreed if event is not None), key=lambda event: event.at)
    return Resolved(labels, sum(event is None for event in agreed))


def rows_of(events: Sequence[Event], pool: ImagePool, resolve: str = "latest") -> list[LabelRow]:
    """The labels as rows, in the order of labelling; parameters and errors as `resolve_answers`."""
    return rows_from(resolve_answers(events, resolve).labels, pool)


def rows_from(labels: Iterable[Event], pool: ImagePool) -> list[LabelRow]:
    """A row for each label."""
    labels = list(labels)
    places = pool.indices_of([event.item for event in labels]).tolist()
    files = pool.files
    return [
        LabelRow(
            id=event.item,
            index=index,
            path=files.last_name(index) if index >= 0 else "",
            label=event.class_name or "",
            annotator=event.annotator,
            labelled_at=event.at,
            seconds=event.milliseconds / 1000,
        )
        for event, index in zip(labels, places, strict=True)
    ]


def _agreed(ballot: Sequence[Event], resolve: str) -> Event | None:
    """The answer that wins, with the names of all who gave it; None where none does."""
    counts = Counter(event.class_name for event in ballot).most_common()
    if len(counts) > 1 and (resolve == "unanimous" or counts[0][1] == counts[1][1]):
        return None
    winners = [event for event in ballot if event.class_name == counts[0][0]]
    newest = max(winners, key=lambda event: event.at)
    return _signed(newest, "+".join(event.annotator for event in winners))


def _signed(event: Event, annotator: str) -> Event:
    return event if event.annotator == annotator else Event(**{**vars(event), "annotator": annotator})

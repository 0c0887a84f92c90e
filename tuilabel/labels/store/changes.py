"""What a store has got since it was last read."""

from __future__ import annotations

from dataclasses import dataclass

from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event, Round


@dataclass(frozen=True)
class Cursor:
    """How far a store was read; by default not at all. Only the store that returned it can read on from there."""

    event: int = 0
    n_events: int = 0
    class_change: int = 0
    round: int = 0


@dataclass(frozen=True)
class Changes:
    """Everything that was written after a cursor, each kind in the order of writing, at one moment; false if nothing.

    Attributes
    ----------
    events, class_changes, rounds : what was written, including what the reader wrote. A class change comes before the
        event number n of the store if its `after` is at most n.
    n_before : number of the first of `events`: how many events the store held before it.
    cursor : where to read on.
    """

    events: tuple[Event, ...]
    n_before: int
    class_changes: tuple[ClassChange, ...]
    rounds: tuple[Round, ...]
    cursor: Cursor

    def __bool__(self) -> bool:
        return bool(self.events or self.class_changes or self.rounds)


@dataclass(frozen=True)
class Extent:
    """How much a store holds.

    Attributes
    ----------
    last : key of the last event; None without one.
    """

    events: int
    class_changes: int
    rounds: int
    last: str | None

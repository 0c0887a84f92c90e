"""Classes that come, change their names and join: which there are now, and what a name has meant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tuilabel.errors import UsageError
from tuilabel.labels.events import Event

ChangeKind = Literal["begin", "add", "rename", "merge", "undo", "redo"]


@dataclass(frozen=True)
class ClassChange:
    """One change of a project's classes."""

    key: str
    """Unique; an undo or redo refers to it."""
    kind: ChangeKind
    """`begin` is a class that was named on the command line or came with the dataset; `add` came while labelling."""
    name: str
    """Of the class as it was called then."""
    into: str | None
    """The new name (rename), the class that it joined (merge)."""
    annotator: str
    at: datetime
    """In UTC."""
    after: int
    """How many events the store held before: that, not a clock, says what a name in an event meant."""
    undoes: str | None = None
    """The key of the change that is taken back (undo) or holds again (redo)."""


@dataclass
class _Step:
    """What a change does to the slots, and whether it holds."""

    kind: ChangeKind
    slot: int
    name: str = ""
    into: int = -1
    holds: bool = True


class ClassBook:
    """The classes after some changes.

    Each class has a *slot*, a number that it keeps for good and that no other class ever gets; a *position* is its
    place among the classes that are left, 0…C-1, by growing slot. A merged class leads to the one it joined.
    """

    def __init__(self, changes: Iterable[ClassChange] = ()) -> None:
        self._steps: dict[str, _Step] = {}
        self._n_slots = 0
        self._given: dict[str, int] = {}
        """The first slot that ever bore a name."""
        self._fold()
        for change in changes:
            self.apply(change)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes there are, by position."""
        return self._living_names

    @property
    def slots(self) -> tuple[int, ...]:
        """Their slots."""
        return self._living

    @property
    def begun(self) -> tuple[str, ...]:
        """The classes that were named on the command line or came with the dataset, as they were called then."""
        return tuple(step.name for step in self._steps.values() if step.kind == "begin")

    def apply(self, change: ClassChange) -> None:
        """Take in a change; one that refers to something unknown does nothing."""
        match change.kind:
            case "begin" | "add":
                self._steps[change.key] = _Step(change.kind, self._n_slots, change.name)
                self._given.setdefault(change.name, self._n_slots)
                self._n_slots += 1
            case "rename" if (slot := self.slot(change.name)) is not None and change.into is not None:
                self._steps[change.key] = _Step("rename", slot, change.into)
                self._given.setdefault(change.into, slot)
            case "merge" if (slot := self.slot(change.name)) is not None:
                into = self.slot(change.into)
                if into is not None and into != slot:
                    self._steps[change.key] = _Step("merge", slot, into=into)
            case "undo" | "redo" if change.undoes in self._steps:
                self._steps[change.undoes].holds = change.kind == "redo"
        self._fold()

    def slot(self, name: str | None) -> int | None:
        """The slot of the class that is called `name` now; None where there is none."""
        return None if name is None else self._slot_of.get(name)

    def position(self, slot: int | None) -> int | None:
        """Where the class that `slot` belongs to now stands in `names`; None where it is no more."""
        return None if slot is None else self._position_of.get(slot)

    def name(self, slot: int | None) -> str | None:
        """What the class that `slot` belongs to is called now; None where it is no more."""
        position = self.position(slot)
        return None if position is None else self.names[position]

    def first(self, name: str) -> int | None:
        """The slot that first bore `name`, whatever it is called now; None where none ever did."""
        return self._given.get(name)

    def is_last(self, key: str) -> bool:
        """Whether the change `key` holds and none that came after it does: then it can be taken back."""
        standing = [other for other, step in self._steps.items() if step.holds]
        return bool(standing) and standing[-1] == key

    def _fold(self) -> None:
        names: dict[int, str] = {}
        joined: dict[int, int] = {}
        for step in self._steps.values():
            if not step.holds:
                continue
            if step.kind == "merge":
                joined[step.slot] = step.into
            else:
                names[step.slot] = step.name
        self._living = tuple(slot for slot in sorted(names) if slot not in joined)
        self._living_names = tuple(names[slot] for slot in self._living)
        self._slot_of = dict(zip(self._living_names, self._living, strict=True))
        places = {slot: position for position, slot in enumerate(self._living)}
        for slot in joined:
            home = slot
            for _ in joined:
                home = joined.get(home, home)
            if home in places:
                places[slot] = places[home]
        self._position_of = places


class ClassTimeline:
    """What names in events and rounds meant when they were written.

    The classes that a project began with count from before its first event: a store of format 1 did not note them.

    Parameters
    ----------
    changes : all class changes, in order.
    """

    def __init__(self, changes: Sequence[ClassChange]) -> None:
        self.book = ClassBook(changes)
        begin = next((k for k, change in enumerate(changes) if change.kind != "begin"), len(changes))
        later = changes[begin:]
        self._after = [change.after for change in later]
        self._times = [change.at for change in later]
        growing = ClassBook(changes[:begin])
        self._meanings = [_meanings(growing)]
        for change in later:
            growing.apply(change)
            self._meanings.append(_meanings(growing))

    def slot(self, name: str | None, before: int) -> int | None:
        """The slot of the class called `name` when the store held `before` events; None where there was none."""
        return self._slot(name, bisect_right(self._after, before))

    def slot_at(self, name: str | None, at: datetime) -> int | None:
        """The same at a time by the clock, for rounds."""
        return self._slot(name, bisect_right(self._times, at))

    def _slot(self, name: str | None, n_changes: int) -> int | None:
        return None if name is None else self._meanings[n_changes].get(name)


def with_current_names(events: Sequence[Event], changes: Sequence[ClassChange]) -> list[Event]:
    """The events with every class name as it is now; without changes, as they are.

    A label of a class that is no more, or never was one, keeps its name.
    """
    if not changes:
        return list(events)
    timeline = ClassTimeline(changes)
    return [
        renamed(event, timeline.book, timeline.slot(event.class_name, n), timeline.slot(event.predicted, n))
        for n, event in enumerate(events)
    ]


def renamed(event: Event, book: ClassBook, slot: int | None, predicted: int | None) -> Event:
    """The event with the names that the classes of its two slots have now."""
    name = book.name(slot) or event.class_name
    guess = book.name(predicted) or event.predicted
    if (name, guess) == (event.class_name, event.predicted):
        return event
    return replace(event, class_name=name, predicted=guess)


def clean_class_name(name: str, taken: Sequence[str]) -> str:
    """The name without spaces around it; raises `UsageError` where it cannot be a class name or is `taken`."""
    name = name.strip()
    if not name:
        raise UsageError("a class needs a name")
    if "," in name or not name.isprintable():
        raise UsageError(f"a class cannot be called {name!r}: leave out commas and control characters")
    if name in taken:
        raise UsageError(f"there is a class {name} already: give another name, or merge the two")
    return name


def _meanings(book: ClassBook) -> dict[str, int]:
    return dict(zip(book.names, book.slots, strict=True))

"""Classes, which can be added, renamed and merged: the current ones, and what a name meant earlier."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tuilabel.datasets.sources.texts import normal
from tuilabel.errors import UsageError, is_printable
from tuilabel.labels.events import Event

ChangeKind = Literal["begin", "add", "rename", "merge", "undo", "redo"]


@dataclass(frozen=True, slots=True)
class ClassChange:
    """One change of a project's classes."""

    key: str
    """Unique; an undo or redo refers to it."""
    kind: ChangeKind
    """`begin` for a class that the project started with, `add` for one added while labelling."""
    name: str
    """The name of the class at that time."""
    into: str | None
    """The new name (rename), or the class that it was merged into (merge)."""
    annotator: str
    at: datetime
    """In UTC."""
    after: int
    """Number of events in the store before the change. This, not the time, decides what a name in an event means. The
    store counts them when it writes the change, so that two writers agree on the order."""
    undoes: str | None = None
    """The key of the change that is undone or redone."""


@dataclass
class _Step:
    """The effect of a change, and whether it is active: not undone."""

    kind: ChangeKind
    class_id: int
    name: str = ""
    into: int = -1
    active: bool = True


class ClassBook:
    """The classes after some changes.

    Each class has an *id*, a number that it keeps and that no other class ever gets; its *position* is 0…C-1 among the
    classes that are left, by ascending id. The id of a merged class leads to the class that it was merged into.

    Two annotators may change the classes at once, neither knowing of the other's change. The order of the changes
    decides, and no two classes ever have one name: a class that is added again is the one that there is, and a change
    that would give a class the name of another has no effect.
    """

    def __init__(self, changes: Iterable[ClassChange] = ()) -> None:
        self.start_over(changes)

    def start_over(self, changes: Iterable[ClassChange]) -> None:
        """Be the classes after these changes alone."""
        self._steps: dict[str, _Step] = {}
        self._n_ids = 0
        self._first_ids: dict[str, int] = {}
        """The id of the first class that ever had a name."""
        self.meanings: dict[str, int] = {}
        self._fold()
        for change in changes:
            self.apply(change)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, by position."""
        return self._names

    @property
    def class_ids(self) -> tuple[int, ...]:
        """The ids of the classes, by position."""
        return self._class_ids

    @property
    def initial_names(self) -> tuple[str, ...]:
        """The original names of the classes that the project started with."""
        return tuple(dict.fromkeys(step.name for step in self._steps.values() if step.kind == "begin"))

    def apply(self, change: ClassChange) -> None:
        """Apply a change; one that refers to something unknown has no effect."""
        match change.kind:
            case "begin" | "add" if (there_is := self.class_id(change.name)) is not None:
                self._steps[change.key] = _Step(change.kind, there_is, change.name)
            case "begin" | "add":
                self._steps[change.key] = _Step(change.kind, self._n_ids, change.name)
                self._first_ids.setdefault(change.name, self._n_ids)
                self._n_ids += 1
            case "rename" if (class_id := self.class_id(change.name)) is not None and change.into is not None:
                if self.class_id(change.into) in (None, class_id):
                    self._steps[change.key] = _Step("rename", class_id, change.into)
                    self._first_ids.setdefault(change.into, class_id)
            case "merge" if (class_id := self.class_id(change.name)) is not None:
                into = self.class_id(change.into)
                if into is not None and into != class_id:
                    self._steps[change.key] = _Step("merge", class_id, into=into)
            case "undo" | "redo" if change.undoes in self._steps:
                step, was_active = self._steps[change.undoes], self._steps[change.undoes].active
                step.active = change.kind == "redo"
                self._fold()
                if len(set(self._names)) < len(self._names):
                    step.active = was_active
        self._fold()

    def key_of(self, class_id: int) -> str:
        """The key of the change that added a class: unlike the id, it is the same in any order of the changes."""
        return next(
            key for key, step in self._steps.items() if step.kind in ("begin", "add") and step.class_id == class_id
        )

    def id_of_key(self, key: str) -> int | None:
        """The id of the class that the change `key` added; None if there is no such change."""
        step = self._steps.get(key)
        return None if step is None else step.class_id

    def class_id(self, name: str | None) -> int | None:
        """The id of the class now called `name`; None if there is none."""
        return None if name is None else self._id_of.get(name)

    def first_id(self, name: str) -> int | None:
        """The id of the first class ever called `name`, even if it was renamed since; None if there was none."""
        return self._first_ids.get(name)

    def position(self, class_id: int | None) -> int | None:
        """The position of the class that an id leads to; None if it no longer exists."""
        return None if class_id is None else self._position_of.get(class_id)

    def name(self, class_id: int | None) -> str | None:
        """The current name of the class that an id leads to; None if it no longer exists."""
        position = self.position(class_id)
        return None if position is None else self.names[position]

    def is_last(self, key: str) -> bool:
        """Whether the change `key` is the last active one, so that it can be undone."""
        active = [other for other, step in self._steps.items() if step.active]
        return bool(active) and active[-1] == key

    def _fold(self) -> None:
        names: dict[int, str] = {}
        merged: dict[int, int] = {}
        for step in self._steps.values():
            if not step.active:
                continue
            if step.kind == "merge":
                merged[step.class_id] = step.into
            else:
                names[step.class_id] = step.name
        self._class_ids = tuple(class_id for class_id in sorted(names) if class_id not in merged)
        self._names = tuple(names[class_id] for class_id in self._class_ids)
        self._id_of = dict(zip(self._names, self._class_ids, strict=True))
        self.meanings = {**self.meanings, **self._id_of}
        positions = {class_id: position for position, class_id in enumerate(self._class_ids)}
        for class_id in merged:
            target = class_id
            for _ in merged:
                target = merged.get(target, target)
            if target in positions:
                positions[class_id] = positions[target]
        self._position_of = positions


class ClassTimeline:
    """What names in events and rounds meant when they were written.

    The classes that a project started with count from before its first event: a store of format 1 did not record them.
    A name that no class has any more means the class that had it last: somebody used it who did not know of the change.

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
        self._meanings = [growing.meanings]
        for change in later:
            growing.apply(change)
            self._meanings.append(growing.meanings)

    def class_id(self, name: str | None, before: int) -> int | None:
        """The id of the class called `name` when the store held `before` events; None if there was none."""
        return self._class_id(name, bisect_right(self._after, before))

    def class_id_at(self, name: str | None, at: datetime) -> int | None:
        """The id of the class called `name` at a time, for rounds; None if there was none."""
        return self._class_id(name, bisect_right(self._times, at))

    def _class_id(self, name: str | None, n_changes: int) -> int | None:
        return None if name is None else self._meanings[n_changes].get(name)


def with_current_names(events: Sequence[Event], changes: Sequence[ClassChange]) -> list[Event]:
    """The events with current class names; without changes, unchanged.

    A label of a class that no longer exists, or never did, keeps its name.
    """
    if not changes:
        return list(events)
    timeline = ClassTimeline(changes)
    return [
        with_names(event, timeline.book, timeline.class_id(event.class_name, n), timeline.class_id(event.predicted, n))
        for n, event in enumerate(events)
    ]


def with_names(event: Event, book: ClassBook, class_id: int | None, predicted_id: int | None) -> Event:
    """The event with the current names of its class and its predicted class."""
    name = book.name(class_id) or event.class_name
    predicted = book.name(predicted_id) or event.predicted
    if (name, predicted) == (event.class_name, event.predicted):
        return event
    return replace(event, class_name=name, predicted=predicted)


def clean_class_name(name: str, taken: Sequence[str]) -> str:
    """The name without surrounding spaces, in Unicode's composed form.

    Raises
    ------
    UsageError : if it is not a valid class name or is `taken`.
    """
    name = normal(name.strip())
    if not name:
        raise UsageError("a class needs a name")
    if not is_printable(name):
        raise UsageError(f"a class cannot be called {name!r}: leave out control characters")
    if name in taken:
        raise UsageError(f"there is a class {name} already: choose another name, or merge the two")
    return name

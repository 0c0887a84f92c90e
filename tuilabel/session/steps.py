"""What one annotator can take back, step by step, read from the log: the same after a restart as before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tuilabel.labels import ClassChange, Event
from tuilabel.session.ledger import StandingAnswer


@dataclass(eq=False)
class Step:
    """What one key did: answers given, answers withdrawn, or a change of the classes."""

    kind: Literal["answer", "withdraw", "classes"]
    entries: dict[str, tuple[int, Event]] = field(default_factory=dict)
    """By key: the item's index, and the answer or the undo event."""
    change: ClassChange | None = None


class Steps:
    """One annotator's steps that stand, oldest first.

    A step that is undone leaves the list and comes back at its end when it is redone. The answer that an undone
    withdrawal brings back takes the place of the one withdrawn.
    """

    def __init__(self, annotator: str) -> None:
        self._annotator = annotator
        self._steps: list[Step] = []
        self._at: dict[str, Step] = {}
        self._withdrawn: dict[str, tuple[int, StandingAnswer]] = {}

    def take(self, index: int, event: Event, taken_back: StandingAnswer | None) -> None:
        """Follow an event of the log; `taken_back` is the answer that an undo removed."""
        mine = event.annotator == self._annotator
        if event.kind == "undo":
            if event.origin != "withdraw":
                self._remove(event.undoes)
            elif taken_back is not None:
                self._withdrawn[event.key] = (index, taken_back)
                if mine:
                    self._add("withdraw", index, event)
        elif event.undoes in self._withdrawn:
            _, answer = self._withdrawn.pop(event.undoes)
            self._remove(event.undoes)
            step = self._at.pop(answer.event.key, None)
            if step is not None:
                step.entries = {
                    (event.key if key == answer.event.key else key): (
                        (index, event) if key == answer.event.key else entry
                    )
                    for key, entry in step.entries.items()
                }
                self._at[event.key] = step
        elif mine:
            self._add("answer", index, event)

    def take_change(self, change: ClassChange, changed: ClassChange | None) -> None:
        """Follow a class change; `changed` is the one that an undo or redo is about."""
        if change.kind == "undo":
            self._remove(change.undoes)
        elif change.annotator == self._annotator and change.kind != "begin":
            done = changed if change.kind == "redo" else change
            if done is not None:
                self._steps.append(Step("classes", change=done))
                self._at[done.key] = self._steps[-1]

    def backwards(self) -> Iterator[Step]:
        """The steps, newest first."""
        return reversed(self._steps)

    def withdrawn(self, key: str) -> tuple[int, StandingAnswer]:
        """The item's index and the answer that the withdrawal `key` took back."""
        return self._withdrawn[key]

    def latest(self, n: int) -> list[Event]:
        """The last `n` answers, oldest first."""
        found: list[Event] = []
        for event in self._backwards():
            if len(found) == n:
                break
            found.append(event)
        return found[::-1]

    def _backwards(self) -> Iterator[Event]:
        for step in reversed(self._steps):
            if step.kind == "answer":
                yield from (event for _, event in reversed(step.entries.values()))

    def _add(self, kind: Literal["answer", "withdraw"], index: int, event: Event) -> None:
        last = self._steps[-1] if self._steps else None
        together = event.step is not None and last is not None and last.kind == kind
        if last is None or not together or next(iter(last.entries.values()))[1].step != event.step:
            last = Step(kind)
            self._steps.append(last)
        last.entries[event.key] = (index, event)
        self._at[event.key] = last

    def _remove(self, key: str | None) -> None:
        step = self._at.pop(key or "", None)
        if step is None:
            return
        step.entries.pop(key or "", None)
        if not step.entries:
            place = next(k for k in reversed(range(len(self._steps))) if self._steps[k] is step)
            del self._steps[place]

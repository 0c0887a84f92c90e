"""What one annotator can undo, step by step, derived from the log: the same before and after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from tuilabel.labels import ClassChange, Event
from tuilabel.session.ledger import StandingAnswer


@dataclass(eq=False, slots=True)
class Step:
    """What one key did: answers and flags given, answers withdrawn, or a class change."""

    kind: Literal["answer", "withdraw", "classes"]
    entries: list[tuple[int, Event]] = field(default_factory=list)
    """For each event: the item's pool index, and the answer or the undo event."""
    change: ClassChange | None = None


class Steps:
    """One annotator's steps that are not undone, oldest first.

    An undone step leaves the list, and is appended again when it is redone. When a withdrawal is undone, the restored
    answer takes the place of the withdrawn one.
    """

    def __init__(self, annotator: str) -> None:
        self._annotator = annotator
        self.forget()

    def forget(self) -> None:
        """Forget every step."""
        self._steps: list[Step] = []
        self._step_of: dict[str, Step] = {}
        """By key of an event or a class change."""
        self._withdrawn: dict[str, tuple[int, StandingAnswer]] = {}

    def follow(self, pool_idx: int, event: Event, removed: StandingAnswer | None) -> None:
        """Follow an event of the log.

        Parameters
        ----------
        pool_idx : the item it is about.
        removed : the answer that an undo event removed.
        """
        is_mine = event.annotator == self._annotator
        if event.kind == "undo":
            if event.origin != "withdraw":
                self._remove(event.undoes)
            elif removed is not None:
                self._withdrawn[event.key] = (pool_idx, removed)
                if is_mine:
                    self._add("withdraw", pool_idx, event)
        elif event.undoes in self._withdrawn:
            self._restore(pool_idx, event)
        elif is_mine:
            self._add("answer", pool_idx, event)

    def follow_change(self, change: ClassChange, changed: ClassChange | None) -> None:
        """Follow a class change; `changed` is the one that an undo or redo is about."""
        if change.kind == "undo":
            self._remove(change.undoes)
        elif change.annotator == self._annotator and change.kind != "begin":
            done = changed if change.kind == "redo" else change
            if done is not None:
                self._steps.append(Step("classes", change=done))
                self._step_of[done.key] = self._steps[-1]

    def newest_first(self) -> Iterator[Step]:
        """The steps, newest first."""
        return reversed(self._steps)

    def withdrawn(self, key: str) -> tuple[int, StandingAnswer]:
        """The item's pool index and the answer that the withdrawal `key` removed."""
        return self._withdrawn[key]

    def latest(self, n: int) -> list[Event]:
        """The last `n` answers, oldest first."""
        return list(islice(self._answers_newest_first(), n))[::-1]

    def _answers_newest_first(self) -> Iterator[Event]:
        for step in reversed(self._steps):
            if step.kind == "answer":
                yield from (event for _, event in reversed(step.entries) if event.kind != "unflag")

    def _restore(self, pool_idx: int, event: Event) -> None:
        """Put an answer that undoes a withdrawal in the place of the withdrawn one."""
        _, answer = self._withdrawn.pop(event.undoes or "")
        self._remove(event.undoes)
        step = self._step_of.pop(answer.event.key, None)
        if step is not None:
            step.entries = [
                (pool_idx, event) if other.key == answer.event.key else (its_idx, other)
                for its_idx, other in step.entries
            ]
            self._step_of[event.key] = step

    def _add(self, kind: Literal["answer", "withdraw"], pool_idx: int, event: Event) -> None:
        last = self._steps[-1] if self._steps else None
        continues = event.step is not None and last is not None and last.kind == kind
        if last is None or not continues or last.entries[0][1].step != event.step:
            last = Step(kind)
            self._steps.append(last)
        last.entries.append((pool_idx, event))
        self._step_of[event.key] = last

    def _remove(self, key: str | None) -> None:
        step = self._step_of.pop(key or "", None)
        if step is None:
            return
        row = next((row for row, (_, event) in enumerate(step.entries) if event.key == key), None)
        if row is not None:  # a class change has none
            del step.entries[row]
        if not step.entries:
            row = next(row for row in reversed(range(len(self._steps))) if self._steps[row] is step)
            del self._steps[row]

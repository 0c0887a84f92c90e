"""Answers, notes and classes: each change goes to the writer first, then to the ledger, then to the steps of undo."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.labels import ClassBook, ClassChange, ClassTimeline, Event, Writer
from tuilabel.labels.classes import ChangeKind
from tuilabel.session.ledger import Ledger, StandingAnswer
from tuilabel.session.steps import Step, Steps


@dataclass(frozen=True)
class Moved:
    """What an undo or a redo touched."""

    indices: tuple[int, ...] = ()
    """Of items; empty for a change of the classes."""
    classes: bool = False


@dataclass(frozen=True)
class _Undone:
    """A step that can be redone: the keys of what its undo wrote, with what is to be written again."""

    step: Step
    written: tuple[tuple[int, StandingAnswer, str], ...] = ()
    """For each item: its index, the answer that was removed or brought back, and the key of the undo."""


class Answers:
    """Everything that the annotators said about one pool, as the log tells it.

    Parameters
    ----------
    events, changes : what the store holds; both are followed from the first entry on.
    classes : names that must be there; what the store does not know of them is added.
    """

    def __init__(
        self,
        pool: ImagePool,
        events: Sequence[Event],
        changes: Sequence[ClassChange],
        classes: Sequence[str],
        writer: Writer,
        annotator: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._pool, self._writer, self._annotator, self._clock = pool, writer, annotator, clock
        self._n_events = len(events)
        self._changes = {change.key: change for change in changes}
        self.book = ClassBook(changes)
        new = [name for name in dict.fromkeys(classes) if self.book.first(name) is None]
        self._write_changes([self._change("begin", name) for name in new])
        self.timeline = ClassTimeline(list(self._changes.values()))
        self.ledger = Ledger(len(pool.ids), self.book)
        self.notes: dict[int, str] = {}
        self.steps = Steps(annotator)
        self._undone: list[_Undone] = []
        self._follow(events, changes)

    # -- giving -------------------------------------------------------------------------------------------------

    def give(self, given: Sequence[tuple[int, Event]]) -> None:
        """Write answers or notes to items, each with its index; several answers are one step."""
        self._undone = self._undone if all(event.kind == "note" for _, event in given) else []
        self._write(given)

    def withdraw(self, index: int) -> bool:
        """Take back the standing answer to an item with what its annotator had said before; False without one."""
        stack = self.ledger.answers(index)
        if not stack:
            return False
        self._undone = []
        self._write(self._withdrawal(index))
        return True

    def change_classes(self, kind: ChangeKind, name: str, into: str | None = None) -> None:
        """Add, rename or merge; the caller has checked that it can be done."""
        self._undone = []
        self.steps.take_change(self._write_change(kind, name, into), None)
        self.ledger.rebuild()

    # -- back and forth -----------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a step of this annotator to take back."""
        return self._next_undo() is not None

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back in this sitting, and nothing was done since."""
        return bool(self._undone)

    def undo(self) -> Moved | None:
        """Take back the last step; None where there is none."""
        step = self._next_undo()
        if step is None:
            return None
        if step.change is not None:
            moved = self._change_back("undo", step.change)
            self._undone.append(_Undone(step))
            return moved
        name = uuid.uuid4().hex
        written: list[tuple[int, Event]] = []
        undone: list[tuple[int, StandingAnswer, str]] = []
        for key, (index, event) in step.entries.items():
            if step.kind == "withdraw":
                _, answer = self.steps.withdrawn(key)
                again = self._again(answer, key, name)
                written.append((index, again))
                undone.append((index, self._answer(again), key))
            elif self.ledger.stands(index, key):
                back = self._taking_back(event, name)
                written.append((index, back))
                undone.append((index, self.ledger.answers(index)[-1], back.key))
        self._write(written)
        self._undone.append(_Undone(step, tuple(undone)))
        return Moved(tuple(index for index, _ in written))

    def redo(self) -> Moved | None:
        """Do again the step that was taken back last; None where there is none."""
        if not self._undone:
            return None
        last = self._undone[-1]
        if last.step.change is not None:
            moved = self._change_back("redo", last.step.change)
            self._undone.pop()
            return moved
        if last.step.kind == "withdraw":
            written = self._withdrawal(last.written[0][0])
        else:
            name = uuid.uuid4().hex if len(last.written) > 1 else None
            written = [(i, self._again(answer, key, name)) for i, answer, key in last.written]
        self._write(written)
        self._undone.pop()
        return Moved(tuple(index for index, _ in written))

    # -- inside -------------------------------------------------------------------------------------------------

    def _follow(self, events: Sequence[Event], changes: Sequence[ClassChange]) -> None:
        """Go through the log; what is said of items that left the pool stays in the store."""
        waiting = list(reversed(changes))
        places = self._pool.indices_of([event.item for event in events]).tolist()
        for n, (index, event) in enumerate(zip(places, events, strict=True)):
            while waiting and waiting[-1].after <= n:
                self._follow_change(waiting.pop())
            if index >= 0:
                slot = self.timeline.slot(event.class_name, n)
                self._take(index, StandingAnswer(event, slot, self.timeline.slot(event.predicted, n)))
        while waiting:
            self._follow_change(waiting.pop())
        self.ledger.rebuild()

    def _follow_change(self, change: ClassChange) -> None:
        self.steps.take_change(change, self._changes.get(change.undoes or ""))

    def _write(self, entries: Sequence[tuple[int, Event]]) -> None:
        self._writer.put(*(event for _, event in entries))
        self._n_events += len(entries)
        for index, event in entries:
            self._take(index, self._answer(event))
            if event.kind != "note":
                self.ledger.show(index)

    def _take(self, index: int, answer: StandingAnswer) -> None:
        """Follow an event, in the log or new; a label of a class that never was is left out."""
        event = answer.event
        if event.kind == "note":
            self.notes.pop(index, None)
            if event.note:
                self.notes[index] = event.note
        elif event.kind == "undo":
            taken_back = self.ledger.drop(index, event.undoes)
            self.steps.take(index, event, taken_back)
        elif event.kind != "label" or answer.slot is not None:
            self.ledger.push(index, answer)
            self.steps.take(index, event, None)

    def _answer(self, event: Event) -> StandingAnswer:
        return StandingAnswer(event, self.book.slot(event.class_name), self.book.slot(event.predicted))

    def _withdrawal(self, index: int) -> list[tuple[int, Event]]:
        stack, step = self.ledger.answers(index), uuid.uuid4().hex
        whose = stack[-1].event.annotator
        mine = [answer.event for answer in stack if answer.event.annotator == whose]
        return [(index, self._taking_back(event, step, "withdraw")) for event in mine]

    def _taking_back(self, event: Event, step: str | None, origin: Literal["undo", "withdraw"] = "undo") -> Event:
        return replace(
            event,
            key=uuid.uuid4().hex,
            kind="undo",
            class_name=None,
            annotator=self._annotator,
            at=self._clock(),
            origin=origin,
            undoes=event.key,
            step=step,
        )

    def _again(self, answer: StandingAnswer, undo: str, step: str | None) -> Event:
        """The same answer as a new event: what is on disk is never changed."""
        return replace(self.ledger.now(answer), key=uuid.uuid4().hex, undoes=undo, step=step)

    def _next_undo(self) -> Step | None:
        return next((step for step in self.steps.backwards() if self._can_take_back(step)), None)

    def _can_take_back(self, step: Step) -> bool:
        """Whether nobody else has answered since, taken the answers back, or built on the classes."""
        if step.kind == "answer":
            return any(self.ledger.stands(index, key) for key, (index, _) in step.entries.items())
        if step.kind == "withdraw":
            answers = (self.steps.withdrawn(key)[1] for key in step.entries)
            return all(a.event.kind != "label" or self.book.position(a.slot) is not None for a in answers)
        assert step.change is not None
        if not self.book.is_last(step.change.key):
            return False
        slot = self.book.slot(step.change.name)
        return step.change.kind != "add" or slot is None or not self.ledger.uses(slot)

    def _change_back(self, kind: ChangeKind, change: ClassChange) -> Moved:
        written = self._write_change(kind, change.name, change.into, change.key)
        self.steps.take_change(written, change)
        self.ledger.rebuild()
        return Moved(classes=True)

    def _write_change(
        self, kind: ChangeKind, name: str, into: str | None = None, undoes: str | None = None
    ) -> ClassChange:
        change = self._change(kind, name, into, undoes)
        self._write_changes([change])
        return change

    def _write_changes(self, changes: Sequence[ClassChange]) -> None:
        self._writer.put_class_changes(*changes)
        for change in changes:
            self._changes[change.key] = change
            self.book.apply(change)

    def _change(self, kind: ChangeKind, name: str, into: str | None = None, undoes: str | None = None) -> ClassChange:
        key = uuid.uuid4().hex
        return ClassChange(key, kind, name, into, self._annotator, self._clock(), self._n_events, undoes)

"""Answers, flags, notes and classes: each change goes to the writer first, then to the ledger, then to the steps."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.labels import Changes, ClassBook, ClassChange, ClassTimeline, Event, Writer
from tuilabel.labels.classes import ChangeKind
from tuilabel.session.ledger import Ledger, StandingAnswer
from tuilabel.session.steps import Step, Steps


@dataclass(frozen=True)
class Touched:
    """What an undo or a redo changed."""

    pool_indices: tuple[int, ...] = ()
    """The items whose answers changed; empty for a class change."""
    answers: tuple[Event, ...] = ()
    """The answers and flags that were taken back or put back, with current class names."""
    change: ClassChange | None = None
    """The class change that was undone or done again."""
    is_back: bool = False
    """Whether they stand again: after a redo, and after a withdrawal was undone."""


@dataclass(frozen=True)
class Followed:
    """What others have changed."""

    pool_indices: tuple[int, ...] = ()
    """The items about which they wrote something."""
    classes: bool = False
    """Whether they have changed the classes."""


@dataclass(frozen=True)
class _UndoneStep:
    """A step that can be redone, with what a redo has to write again."""

    step: Step
    entries: tuple[tuple[int, StandingAnswer, str], ...] = ()
    """For each item: its pool index, the answer that was removed or restored, and the key of the undo event."""


class Answers:
    """All answers, flags, notes and classes of one pool, derived from the log.

    The order in the store decides. What this session has written counts at once, and as later than all that others have
    stored, until the store gives it back (`follow`) and so says where it belongs.

    Parameters
    ----------
    log, changes : the store's events and class changes; both are replayed from the start.
    classes : class names; those that the store does not know are added.

    Attributes
    ----------
    book, timeline : the current classes, and what names meant earlier.
    ledger : the standing answers and flags.
    notes : the current notes, by pool index.
    steps : what this annotator can undo.
    """

    def __init__(
        self,
        pool: ImagePool,
        log: Sequence[Event],
        changes: Sequence[ClassChange],
        classes: Sequence[str],
        writer: Writer,
        annotator: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._pool, self._writer, self._annotator, self._clock = pool, writer, annotator, clock
        self._n_events = len(log)
        self._stored, self._stored_changes = list(log), list(changes)
        self._pending: dict[str, tuple[int, Event] | ClassChange] = {}
        """By key: what this session has written and the store has not given back yet, in order."""
        self._is_without_item = False
        """Whether there are events of items that are not in the pool, or not yet."""
        self._changes = {change.key: change for change in changes}
        self.book = ClassBook(changes)
        new = [name for name in dict.fromkeys(classes) if self.book.first_id(name) is None]
        self._write_changes([self._make_change("begin", name) for name in new])
        self.timeline = ClassTimeline(list(self._changes.values()))
        self.ledger = Ledger(len(pool.ids), self.book)
        self.notes: dict[int, str] = {}
        self.steps = Steps(annotator)
        self._undone: list[_UndoneStep] = []
        self._follow_log()

    # -- changes ------------------------------------------------------------------------------------------------

    def write(self, events: Sequence[tuple[int, Event]]) -> None:
        """Write answers, flags or notes, each with the pool index of its item; several answers form one step."""
        self._undone = self._undone if all(event.kind == "note" for _, event in events) else []
        self._write_and_follow(events)

    def withdraw(self, pool_indices: Sequence[int]) -> list[int]:
        """Withdraw the standing answers of items and their annotators' earlier ones, as one step.

        Of an item without an answer its flag is withdrawn.

        Returns
        -------
        Pool indices of the items that had either.
        """
        answered = [pool_idx for pool_idx in dict.fromkeys(pool_indices) if pool_idx in self.ledger.standing]
        if answered:
            self._undone = []
            self._write_and_follow(self._withdrawal(answered))
        return answered

    def change_classes(self, kind: ChangeKind, name: str, into: str | None = None) -> None:
        """Add, rename or merge a class; the caller has checked that this is possible."""
        self._undone = []
        self.steps.follow_change(self._write_change(kind, name, into), None)
        self.ledger.rebuild()

    @property
    def unstored(self) -> Iterable[int]:
        """Pool indices of items with answers, flags or notes that the store has not given back yet."""
        return (entry[0] for entry in self._pending.values() if isinstance(entry, tuple))

    # -- undo and redo ------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether this annotator has a step to undo."""
        return self._next_undo() is not None

    @property
    def can_redo(self) -> bool:
        """Whether a step was undone in this session, with no other change since."""
        return bool(self._undone)

    def undo(self) -> Touched | None:
        """Undo the last step; None if there is none."""
        step = self._next_undo()
        if step is None:
            return None
        if step.change is not None:
            touched = self._revert_change("undo", step.change)
            self._undone.append(_UndoneStep(step))
            return touched
        step_key = uuid.uuid4().hex
        written: list[tuple[int, Event]] = []
        undone: list[tuple[int, StandingAnswer, str]] = []
        for pool_idx, event in step.entries:
            key = event.key
            if step.kind == "withdraw":
                _, answer = self.steps.withdrawn(key)
                restored = self._repeated(answer, key, step_key)
                written.append((pool_idx, restored))
                undone.append((pool_idx, self._standing(restored), key))
            elif self.ledger.stands(pool_idx, key):
                removal = self._removal(event, step_key)
                written.append((pool_idx, removal))
                undone.append((pool_idx, self.ledger.entry(pool_idx, key), removal.key))
        self._write_and_follow(written)
        self._undone.append(_UndoneStep(step, tuple(undone)))
        return self._touched(undone, is_back=step.kind == "withdraw")

    def redo(self) -> Touched | None:
        """Redo the step that was undone last; None if there is none."""
        if not self._undone:
            return None
        last = self._undone[-1]
        if last.step.change is not None:
            touched = self._revert_change("redo", last.step.change)
            self._undone.pop()
            return touched
        if last.step.kind == "withdraw":
            written = self._withdrawal(dict.fromkeys(pool_idx for pool_idx, _, _ in last.entries))
        else:
            step_key = uuid.uuid4().hex if len(last.entries) > 1 else None
            written = [(pool_idx, self._repeated(answer, key, step_key)) for pool_idx, answer, key in last.entries]
        self._write_and_follow(written)
        self._undone.pop()
        return self._touched(last.entries, is_back=last.step.kind != "withdraw")

    def _touched(self, entries: Sequence[tuple[int, StandingAnswer, str]], *, is_back: bool) -> Touched:
        answers = tuple(self.ledger.with_current_names(answer) for _, answer, _ in entries)
        return Touched(tuple(pool_idx for pool_idx, _, _ in entries), answers, is_back=is_back)

    def _next_undo(self) -> Step | None:
        return next((step for step in self.steps.newest_first() if self._can_be_undone(step)), None)

    def _can_be_undone(self, step: Step) -> bool:
        """Whether no later change answered its items again, withdrew its answers or used its classes."""
        if step.kind == "answer":
            return any(self.ledger.stands(pool_idx, event.key) for pool_idx, event in step.entries)
        if step.kind == "withdraw":
            answers = (self.steps.withdrawn(event.key)[1] for _, event in step.entries)
            return all(a.event.kind != "label" or self.book.position(a.class_id) is not None for a in answers)
        assert step.change is not None
        if not self.book.is_last(step.change.key):
            return False
        class_id = self.book.class_id(step.change.name)
        return step.change.kind != "add" or class_id is None or not self.ledger.uses(class_id)

    # -- following the log --------------------------------------------------------------------------------------

    def follow(self, changes: Changes) -> Followed:
        """Follow what was written since to the store, by this session and by others.

        A class change of somebody else makes everything anew: it may come before changes that this session has made
        already. All else is about single items.
        """
        classes = any(change.key not in self._pending for change in changes.class_changes)
        n_before = len(self._stored)
        self._stored_changes += changes.class_changes
        for change in changes.class_changes:
            self._pending.pop(change.key, None)
        if changes.class_changes:
            self.timeline = ClassTimeline(self._stored_changes)
        touched: dict[int, None] = {}
        indices = self._pool.indices_of([event.item for event in changes.events]).tolist()
        for n, (pool_idx, event) in enumerate(zip(indices, changes.events, strict=True), n_before):
            own = self._pending.pop(event.key, None)
            self._stored.append(own[1] if isinstance(own, tuple) and own[1] == event else event)  # not kept twice
            if own is None:
                self._n_events += 1
                touched[pool_idx] = None
                if not classes:
                    self._follow_stored(n, pool_idx, event)
        if -1 in touched:
            self._is_without_item = True
            del touched[-1]
        if classes:
            self._start_over()
        else:
            for pool_idx in touched:
                self.ledger.update(pool_idx)
        return Followed(tuple(touched), classes)

    def on_pool_grown(self) -> bool:
        """Follow what is known of items that were not in the pool so far; whether there was anything."""
        if self._is_without_item:
            self._start_over()
            return True
        return False

    def _start_over(self) -> None:
        """Follow everything from the beginning, as a new session would; what is not stored yet comes last."""
        self.book.start_over(self._stored_changes)
        self._changes = {change.key: change for change in self._stored_changes}
        self.ledger.forget()
        self.steps.forget()
        self.notes.clear()
        self._undone = []
        self._follow_log()
        for entry in self._pending.values():
            if isinstance(entry, ClassChange):
                self._changes[entry.key] = entry
                self.book.apply(entry)
                self._follow_change(entry)
            else:
                self._follow(entry[0], self._standing(entry[1]))
        self.ledger.rebuild()

    def _follow_log(self) -> None:
        """Replay the log; events of items that are not in the pool are skipped."""
        waiting = list(reversed(self._stored_changes))
        indices = self._pool.indices_of([event.item for event in self._stored]).tolist()
        self._is_without_item = -1 in indices
        for n, (pool_idx, event) in enumerate(zip(indices, self._stored, strict=True)):
            while waiting and waiting[-1].after <= n:
                self._follow_change(waiting.pop())
            self._follow_stored(n, pool_idx, event)
        while waiting:
            self._follow_change(waiting.pop())
        self.ledger.rebuild()

    def _follow_stored(self, n: int, pool_idx: int, event: Event) -> None:
        """Apply the event before which the store had `n` others."""
        if pool_idx >= 0:
            class_id = self.timeline.class_id(event.class_name, n)
            answer = StandingAnswer(event, class_id, self.timeline.class_id(event.predicted, n))
            self._follow(pool_idx, answer, self._pending)

    def _follow_change(self, change: ClassChange) -> None:
        self.steps.follow_change(change, self._changes.get(change.undoes or ""))

    def _follow(self, pool_idx: int, answer: StandingAnswer, below: Container[str] = ()) -> None:
        """Apply an event, replayed or new; a label of a class that never existed is ignored.

        Parameters
        ----------
        below : keys of events that are later than this one.
        """
        event = answer.event
        if event.kind == "note":
            if not any(entry.kind == "note" for entry in self._pending_of(pool_idx) if entry.key in below):
                self.notes.pop(pool_idx, None)
                if event.note:
                    self.notes[pool_idx] = event.note
        elif event.kind == "undo":
            removed = self.ledger.drop(pool_idx, event.undoes)
            self.steps.follow(pool_idx, event, removed)
        elif event.kind != "label" or answer.class_id is not None:
            self.ledger.push(pool_idx, answer, below)
            self.steps.follow(pool_idx, event, None)

    def _pending_of(self, pool_idx: int) -> Iterable[Event]:
        return (entry[1] for entry in self._pending.values() if isinstance(entry, tuple) and entry[0] == pool_idx)

    # -- writing ------------------------------------------------------------------------------------------------

    def _write_and_follow(self, events: Sequence[tuple[int, Event]]) -> None:
        self._writer.put(*(event for _, event in events))
        self._n_events += len(events)
        self._pending.update((event.key, (pool_idx, event)) for pool_idx, event in events)
        for pool_idx, event in events:
            self._follow(pool_idx, self._standing(event))
            if event.kind != "note":
                self.ledger.update(pool_idx)

    def _standing(self, event: Event) -> StandingAnswer:
        meanings = self.book.meanings
        return StandingAnswer(event, meanings.get(event.class_name or ""), meanings.get(event.predicted or ""))

    def _withdrawal(self, pool_indices: Iterable[int]) -> list[tuple[int, Event]]:
        """Undo events for the standing answers of items and their annotators' earlier ones, or for flags; one step."""
        step_key = uuid.uuid4().hex
        written = []
        for pool_idx in pool_indices:
            stack = self.ledger.answers(pool_idx)
            annotator = stack[-1].event.annotator if stack else None
            earlier = [answer.event for answer in stack if answer.event.annotator == annotator]
            earlier = earlier or [flag.event for flag in self.ledger.flag_entries(pool_idx)]
            written += [(pool_idx, self._removal(event, step_key, "withdraw")) for event in earlier]
        return written

    def _removal(self, event: Event, step_key: str, origin: Literal["undo", "withdraw"] = "undo") -> Event:
        """An event that undoes an answer."""
        return replace(
            event,
            key=uuid.uuid4().hex,
            kind="undo",
            class_name=None,
            annotator=self._annotator,
            at=self._clock(),
            origin=origin,
            undoes=event.key,
            step=step_key,
        )

    def _repeated(self, answer: StandingAnswer, undo_key: str, step_key: str | None) -> Event:
        """The same answer as a new event: existing entries are never changed."""
        event = self.ledger.with_current_names(answer)
        return replace(event, key=uuid.uuid4().hex, undoes=undo_key, step=step_key)

    def _revert_change(self, kind: Literal["undo", "redo"], change: ClassChange) -> Touched:
        written = self._write_change(kind, change.name, change.into, change.key)
        self.steps.follow_change(written, change)
        self.ledger.rebuild()
        return Touched(change=change, is_back=kind == "redo")

    def _write_change(
        self, kind: ChangeKind, name: str, into: str | None = None, undoes: str | None = None
    ) -> ClassChange:
        change = self._make_change(kind, name, into, undoes)
        self._write_changes([change])
        return change

    def _write_changes(self, changes: Sequence[ClassChange]) -> None:
        self._writer.put_class_changes(*changes)
        for change in changes:
            self._pending[change.key] = self._changes[change.key] = change
            self.book.apply(change)

    def _make_change(
        self, kind: ChangeKind, name: str, into: str | None = None, undoes: str | None = None
    ) -> ClassChange:
        key = uuid.uuid4().hex
        return ClassChange(key, kind, name, into, self._annotator, self._clock(), self._n_events, undoes)

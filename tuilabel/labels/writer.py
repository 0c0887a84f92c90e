"""Writers from a session to the store: immediately, or in a thread so that no key waits for the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from threading import Condition, Thread
from typing import Protocol

from tuilabel.errors import TuilabelError
from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event, Round
from tuilabel.labels.slow import SLOW_AFTER, told_when_slow

Entry = Event | ClassChange | Round

RETRY_AFTER = 1.0  # seconds
KEEP_AFTER = 1.0  # seconds without anything to write, after which the store is looked after
CLOSE_TIMEOUT = 5.0  # seconds that closing waits for the disk


class Store(Protocol):
    """What a writer writes to: `LabelStore`."""

    def append(self, events: Sequence[Event]) -> None:
        """Write events; on return they are on disk."""

    def add_class_changes(self, changes: Sequence[ClassChange]) -> object:
        """Write class changes."""

    def add_round(self, row: Round) -> None:
        """Write a round."""


class Keeper(Protocol):
    """What looks after the store of a `BackgroundWriter`, in its thread: `StoreKeeper`."""

    def wrote(self, entries: Sequence[Entry]) -> None:
        """Called with what was written, before it is reported as saved."""

    def keep(self) -> None:
        """Called when nothing is written; raises `TuilabelError` if the store is lost."""

    def failed(self, error: TuilabelError, waiting: Sequence[Entry]) -> str:
        """Called when something could not be written; returns what to say about it."""


class Writer(Protocol):
    """Writes events, class changes and rounds to a store, in order."""

    def put(self, *events: Event) -> None:
        """Write `events`, now or soon; either all or none are written."""

    def put_class_changes(self, *changes: ClassChange) -> None:
        """Write `changes`, now or soon; either all or none are written."""

    def put_round(self, row: Round) -> None:
        """Write `row`, now or soon."""


class InlineWriter:
    """Writes immediately; raises `TuilabelError` if that fails. For tests, notebooks and simulations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, *events: Event) -> None:
        """Write `events` now."""
        self._store.append(events)

    def put_class_changes(self, *changes: ClassChange) -> None:
        """Write `changes` now."""
        self._store.add_class_changes(changes)

    def put_round(self, row: Round) -> None:
        """Write `row` now."""
        self._store.add_round(row)


class NullWriter:
    """Writes nothing: for simulations, and sessions whose answers need not be kept."""

    def put(self, *events: Event) -> None:
        """Drop `events`."""

    def put_class_changes(self, *changes: ClassChange) -> None:
        """Drop `changes`."""

    def put_round(self, row: Round) -> None:
        """Drop `row`."""


class BackgroundWriter:
    """Writes in a thread: waiting entries go into one transaction, and a failed write is retried.

    Parameters
    ----------
    on_saved : called in the thread with the events that were written; empty after class changes and rounds.
    on_failed : called in a thread with the reason and the number of events and class changes that are waiting; also if
        the store takes longer than `slow_after` seconds, which may still end well.
    retry_after : seconds until a failed write is retried.
    keeper : looks after the store, each `keep_after` seconds without anything to write.
    """

    def __init__(
        self,
        store: Store,
        on_saved: Callable[[Sequence[Event]], object] = lambda _events: None,
        on_failed: Callable[[str, int], object] = lambda _reason, _waiting: None,
        retry_after: float = RETRY_AFTER,
        keeper: Keeper | None = None,
        keep_after: float = KEEP_AFTER,
        slow_after: float = SLOW_AFTER,
    ) -> None:
        self._store = store
        self._slow_after = slow_after
        self._on_saved, self._on_failed = on_saved, on_failed
        self._retry_after = retry_after
        self._keeper, self._keep_after = keeper, keep_after
        self._is_lost = False
        self._waiting: list[Entry] = []
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._run, name="label-writer", daemon=True)
        self._thread.start()

    def put(self, *events: Event) -> None:
        """Queue `events`; they are written in one transaction."""
        self._queue(*events)

    def put_class_changes(self, *changes: ClassChange) -> None:
        """Queue `changes`; they are written in one transaction."""
        self._queue(*changes)

    def put_round(self, row: Round) -> None:
        """Queue `row`."""
        self._queue(row)

    def flush(self) -> None:
        """Wait until everything queued is on disk."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> list[Event | ClassChange]:
        """Write what is waiting, retrying once if that failed, and stop the thread.

        Returns the events and class changes that could not be written within `timeout` seconds.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        with self._changed:
            return self._unwritten()

    def _unwritten(self) -> list[Event | ClassChange]:
        return [entry for entry in self._waiting if not isinstance(entry, Round)]

    def _queue(self, *entries: Entry) -> None:
        with self._changed:
            if self._closing:
                raise RuntimeError("the label writer is closed")
            self._waiting.extend(entries)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting or self._closing, None if self._keeper is None else self._keep_after
                )
                entries, last = list(self._waiting), self._closing
            if entries and not self._write(entries):
                if last:
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, self._retry_after)
            elif last and not self._waiting:
                return
            elif not entries and self._keeper is not None:
                self._keep(self._keeper)

    def _keep(self, keeper: Keeper) -> None:
        """Look after the store; what has happened to it is said before the next key."""
        try:
            keeper.keep()
        except TuilabelError as error:
            self._is_lost = True
            self._fail(error)
        else:
            if self._is_lost:
                self._on_saved([])
            self._is_lost = False

    def _write(self, entries: Sequence[Entry]) -> bool:
        """Write runs of events, runs of class changes, and rounds, in order; True if all of it was written."""
        for kind, group in groupby(entries, type):
            run = list(group)
            for part in [[entry] for entry in run] if kind is Round else [run]:
                try:
                    with told_when_slow(self._say_slow, self._slow_after):
                        self._write_part(part)
                except TuilabelError as error:
                    self._fail(error)
                    return False
                if self._keeper is not None:
                    self._keeper.wrote(part)
                with self._changed:
                    del self._waiting[: len(part)]
                    self._changed.notify_all()
                self._on_saved([entry for entry in part if isinstance(entry, Event)])
        return True

    def _fail(self, error: TuilabelError) -> None:
        with self._changed:
            waiting, n_waiting = list(self._waiting), len(self._unwritten())
        self._on_failed(str(error) if self._keeper is None else self._keeper.failed(error, waiting), n_waiting)

    def _say_slow(self, reason: str) -> None:
        with self._changed:
            n_waiting = len(self._unwritten())
        self._on_failed(reason, n_waiting)

    def _write_part(self, part: Sequence[Entry]) -> None:
        events = [entry for entry in part if isinstance(entry, Event)]
        changes = [entry for entry in part if isinstance(entry, ClassChange)]
        if events:
            self._store.append(events)
        if changes:
            self._store.add_class_changes(changes)
        for entry in part:
            if isinstance(entry, Round):
                self._store.add_round(entry)

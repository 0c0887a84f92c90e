"""What a writer does besides writing: it sees that the store is there, and keeps twin, snapshots and rescue file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tuilabel.errors import TuilabelError
from tuilabel.labels.events import Event
from tuilabel.labels.rescue import Entry, in_order, key_of, write_rescue
from tuilabel.labels.snapshots import EVERY, take_snapshot
from tuilabel.labels.store import Changes, LabelStore, StoreLostError
from tuilabel.labels.twin import Twin

log = logging.getLogger(__name__)


class StoreKeeper:
    """Looks after the store of an open project. All but `saw` and `close` is called in the thread of the writer.

    Parameters
    ----------
    directory, file : of the project, and its store; None for a store on a server, which has neither twin nor snapshots.
    settings : the text of the settings, which a rescue file needs if they are lost as well.
    known : what the store held at the start.
    """

    def __init__(self, directory: Path, file: Path | None, store: LabelStore, settings: str, known: Changes) -> None:
        self._directory, self._file, self._store, self._settings = directory, file, store, settings
        self._known: dict[object, Entry] = {key_of(entry): entry for entry in in_order(known)}
        """Everything that a rescue file needs, in order, and once: a session also sees what it has written itself."""
        self._stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self._rescue: tuple[Path, int] | None = None
        self._changed = True
        self._is_new = not known.events
        self._labels = 0
        self._due = True
        """Whether it is time for a snapshot, as it is at the start."""

    def wrote(self, entries: Sequence[Entry]) -> None:
        """Note what was written; every few hundred labels a snapshot is taken."""
        self._note(entries)
        self._changed = True
        self._labels += sum(isinstance(entry, Event) and entry.kind == "label" for entry in entries)
        is_time = self._labels >= EVERY
        if is_time:
            self._labels, self._due = 0, True
        if is_time or self._is_new:  # from the first answer on a store that is gone is not taken for a new one
            self._bring_up_to_date()
        if self._rescue is not None:  # the store is back at its place
            with suppress(OSError):
                self._rescue[0].unlink()
            self._rescue = None

    def saw(self, changes: Changes) -> None:
        """Note what others wrote, or this session by another way than the writer; may be called in any thread."""
        self._note(in_order(changes))

    def _note(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._known.setdefault(key_of(entry), entry)

    def keep(self) -> None:
        """Look after the store while nothing is written.

        Raises
        ------
        StoreLostError : if the store is not at its place any more.
        """
        self._store.check_place()
        if self._changed:
            self._bring_up_to_date()

    def failed(self, error: TuilabelError, waiting: Sequence[Entry]) -> str:
        """Save what is known if the store is lost; returns what to say about it."""
        if not isinstance(error, StoreLostError):
            return str(error)
        try:
            return f"{error}: {self._rescued(waiting)}"
        except TuilabelError as worse:
            return f"{error}, and there is no rescue file: {worse}; put it back before you quit"

    def close(self, unsaved: Sequence[Entry]) -> Path | None:
        """Bring twin and snapshots up to date; what was not saved goes to a rescue file, whose path is returned."""
        try:
            if not unsaved:
                self._changed = self._due = True
                self.keep()
                return None
        except StoreLostError:
            pass
        with suppress(TuilabelError):
            self._write_rescue(unsaved)
        return None if self._rescue is None else self._rescue[0]

    def _rescued(self, waiting: Sequence[Entry]) -> str:
        path = self._write_rescue(waiting)
        with suppress(ValueError):  # it is elsewhere
            path = path.relative_to(Path.cwd())
        return f"quit, then run `tuilabel repair`: all answers are in {path}"

    def _write_rescue(self, waiting: Sequence[Entry]) -> Path:
        size = len(self._known) + len(waiting)
        if self._rescue is None or self._rescue[1] != size or not self._rescue[0].exists():
            known = list(self._known.values())
            entries = {key_of(entry): entry for entry in (*known, *waiting)}.values()
            path = write_rescue(self._directory, self._store.project, self._settings, entries, self._stamp)
            self._rescue = path, size
        return self._rescue[0]

    def _bring_up_to_date(self) -> None:
        """Write the twin, and take a snapshot if one is due; a failure is no reason to stop labelling."""
        self._changed = False
        try:
            if self._file is not None:
                extent = self._store.extent()
                Twin.of(self._store.project, extent).write(self._directory)
                self._is_new = not extent.events
                if self._due and extent.events:
                    self._due = False
                    take_snapshot(self._directory, self._file, extent)
        except TuilabelError as error:
            log.warning("%s", error)

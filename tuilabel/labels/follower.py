"""Follows a store that several sessions share, in a thread of its own so that no key waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Thread

from tuilabel.errors import TuilabelError
from tuilabel.labels.slow import told_when_slow
from tuilabel.labels.store import Changes, Cursor, LabelStore
from tuilabel.labels.store.team import Drawn, DrawRequest, Seat, Team

log = logging.getLogger(__name__)

News = Changes | Team | Drawn

POLL = 0.7  # seconds: what a colleague stores is on the screen within two
SIGN_OF_LIFE = 20.0  # seconds between two, and between two renewals of leases
CLOSE_TIMEOUT = 5.0  # seconds that closing waits for the store


class InlineFollower:
    """Follows and draws in the thread of the session, whenever it has something to say; for Python programs.

    Parameters
    ----------
    known : how far the session knows the store.
    """

    ahead = 0

    def __init__(self, store: LabelStore, seat: Seat, known: Cursor) -> None:
        self._store, self._seat, self._known = store, seat, known
        self._deliver: Callable[[News], object] = lambda _: None
        self._renewed_at = time.monotonic()

    def start(self, deliver: Callable[[News], object]) -> None:
        """Begin; `deliver` is called with what is new, first with what came while the session was being opened."""
        self._deliver = deliver
        self._look()

    def draw(self, request: DrawRequest) -> None:
        """Draw a batch."""
        self._deliver(self._seat.draw(request, self._known))

    def hold(self, items: Iterable[str]) -> None:
        """Renew the leases of these items every now and then, and see what others have written."""
        if time.monotonic() - self._renewed_at > SIGN_OF_LIFE:
            self._renewed_at = time.monotonic()
            self._seat.renew(tuple(items), is_active=True)
            self._deliver(self._seat.team())
        self._look()

    def _look(self) -> None:
        changes = self._store.since(self._known)
        self._known = changes.cursor
        if changes:
            self._deliver(changes)

    def close(self) -> None:
        """Return all items."""
        self._seat.leave()


class Follower:
    """Brings what others write, and draws batches that nobody else is asked.

    Parameters
    ----------
    known : how far the session knows the store.
    deliver : called in the thread with what is new: `Changes`, `Team` and `Drawn`, for `LabellingSession.handle`.
    poll : seconds between two looks at the store.
    on_failed : called in a thread with the reason each time that a batch cannot be drawn, or if that takes long; it is
        tried again.
    on_recovered : called in the thread when it could be after all.
    """

    ahead = 3
    """Unanswered items that are left when a session has its next batch drawn."""

    def __init__(
        self,
        store: LabelStore,
        seat: Seat,
        known: Cursor,
        deliver: Callable[[News], object],
        poll: float = POLL,
        on_failed: Callable[[str], object] = lambda _reason: None,
        on_recovered: Callable[[], object] = lambda: None,
    ) -> None:
        self._store, self._seat, self._known, self._deliver = store, seat, known, deliver
        self._poll, self._on_failed, self._on_recovered = poll, on_failed, on_recovered
        self._has_failed = False
        self._changed = Condition()
        self._request: DrawRequest | None = None
        self._items: tuple[str, ...] = ()
        self._is_active = False
        self._closing = False
        self._team = Team()
        self._renewed_at = time.monotonic()
        self._thread = Thread(target=self._run, name="follower", daemon=True)

    def start(self, items: Sequence[str] = ()) -> None:
        """Begin; `items` are those that the session asks from before.

        What others have answered while the session was being opened is delivered before this returns.

        Raises
        ------
        TuilabelError : if the store cannot be read.
        """
        self._items = tuple(items)
        self._look()
        self._thread.start()

    def draw(self, request: DrawRequest) -> None:
        """Draw a batch soon; the answer is a `Drawn`."""
        with self._changed:
            self._request = request
            self._changed.notify_all()

    def hold(self, items: Iterable[str]) -> None:
        """Say which items the session asks now, after a key; their leases are renewed every now and then."""
        with self._changed:
            self._items, self._is_active = tuple(items), True

    def close(self) -> None:
        """Return all items, and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._request is not None, self._poll)
                request, closing = self._request, self._closing
            try:
                if closing:
                    self._seat.leave()
                    return
                if request is None:
                    self._look()
                else:
                    with told_when_slow(self._fail):
                        self._look()
                        self._draw(request)
                self._renew()
            except TuilabelError as error:  # answers wait for the same store, and the screen says so there
                log.warning("%s", error)
                if closing:
                    return
                if request is not None:
                    self._fail(str(error))
                time.sleep(self._poll)

    def _fail(self, reason: str) -> None:
        self._has_failed = True
        self._on_failed(reason)

    def _look(self) -> None:
        changes = self._store.since(self._known)
        self._known = changes.cursor
        if changes:
            self._deliver(changes)
        team = self._seat.team()
        if team != self._team:
            self._team = team
            self._deliver(team)

    def _draw(self, request: DrawRequest) -> None:
        drawn = self._seat.draw(request, self._known)
        with self._changed:
            self._request = None
            self._items += () if drawn.row is None else tuple(item.item for item in drawn.row.items)
        self._deliver(drawn)
        if self._has_failed:
            self._has_failed = False
            self._on_recovered()

    def _renew(self) -> None:
        if time.monotonic() - self._renewed_at < SIGN_OF_LIFE:
            return
        with self._changed:
            items, is_active, self._is_active = self._items, self._is_active, False
        self._seat.renew(items, is_active=is_active)
        self._renewed_at = time.monotonic()

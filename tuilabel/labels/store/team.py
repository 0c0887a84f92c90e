"""Who works on a store: sessions, the items that each is asked (leases), and what each annotator may do (members)."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa

from tuilabel.errors import UsageError, unknown_name
from tuilabel.labels.events import Round
from tuilabel.labels.lock import is_running
from tuilabel.labels.store import schema
from tuilabel.labels.store.changes import Cursor
from tuilabel.labels.store.roles import ROLES, Role, read_roles, role_among
from tuilabel.labels.store.store import LabelStore

LEASE = 600.0  # seconds without a key after which items may be given to somebody else
GONE = 60.0  # seconds without a sign of life after which a session does not count as present any more


@dataclass(frozen=True)
class Present:
    """A session that is open now."""

    session: str
    annotator: str
    host: str
    process: int
    since: datetime
    """In UTC."""


@dataclass(frozen=True)
class Team:
    """Who is here, and what each is asked, at one moment.

    Attributes
    ----------
    leases : by session id, the content ids of the items that it is asked.
    roles : by annotator; see `role_of`.
    """

    sessions: tuple[Present, ...] = ()
    leases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)

    def leased_to_others(self, session: str) -> frozenset[str]:
        """Content ids of the items that other sessions are asked."""
        return frozenset().union(*(items for holder, items in self.leases.items() if holder != session))

    def role_of(self, annotator: str) -> Role:
        """What an annotator may do. While no roles are given everybody is an owner, then only those who are named."""
        return role_among(dict(self.roles), annotator)


@dataclass(frozen=True)
class DrawRequest:
    """What the next batch may be made of.

    Attributes
    ----------
    places : how many people may still be asked each candidate, by content id: more than one where opinions overlap.
    compose : makes the round from its number and the items that are taken by others; None if too few are left. It may
        be called in another thread, and more than once.
    """

    places: Mapping[str, int]
    compose: Callable[[int, Collection[str]], Round | None]


@dataclass(frozen=True)
class Drawn:
    """The round that was drawn, if there were items for one, and the items that were taken by others."""

    row: Round | None
    taken: frozenset[str] = frozenset()


class Seat:
    """One session's place at a store that it may share with others.

    Parameters
    ----------
    session : its id.
    lease : seconds for which items are its own after a key.
    clock : seconds since 1970. Hosts that share a store should agree on it to within a minute.
    """

    def __init__(
        self,
        store: LabelStore,
        session: str,
        annotator: str,
        *,
        lease: float = LEASE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self.session, self.annotator = store, session, annotator
        self._lease, self._clock = lease, clock

    def enter(self, items: Sequence[str] = ()) -> Team:
        """Be present, and hold those of the items that nobody else holds; returns who else is here.

        Raises
        ------
        TuilabelError : if the store cannot be written, as for all methods.
        """
        now, host, columns = self._clock(), platform.node(), schema.sessions.c
        with self._store.writing() as connection:
            here = connection.execute(sa.select(columns.session, columns.process).where(columns.host == host))
            ended = [row.session for row in here if not is_running(row.process)]  # killed: its items are free at once
            connection.execute(sa.delete(schema.leases).where(schema.leases.c.session.in_(ended)))
            is_over = columns.session.in_(ended) | (columns.seen < now - self._lease)
            connection.execute(sa.delete(schema.sessions).where(is_over))
            connection.execute(
                sa.insert(schema.sessions),
                {
                    "session": self.session,
                    "annotator": self.annotator,
                    "host": host,
                    "process": os.getpid(),
                    "since": now,
                    "seen": now,
                },
            )
            self._hold(connection, items, now)
        return self.team()

    def leave(self) -> None:
        """Return the items, and be here no longer."""
        with self._store.writing() as connection:
            for table in (schema.leases, schema.sessions):
                connection.execute(sa.delete(table).where(table.c.session == self.session))

    def renew(self, items: Sequence[str], *, is_active: bool) -> None:
        """Show that the session is alive.

        Parameters
        ----------
        items : what it asks now; others that it held are returned. What somebody else holds by now stays theirs.
        is_active : whether there was a key since: else the leases are left to expire.
        """
        now = self._clock()
        with self._store.writing() as connection:
            mine = schema.sessions.c.session == self.session
            connection.execute(sa.update(schema.sessions).where(mine).values(seen=now))
            if is_active:
                self._hold(connection, items, now)

    def draw(self, request: DrawRequest, known: Cursor) -> Drawn:
        """Draw a batch and lease its items, in one transaction: no two sessions get the same item.

        Parameters
        ----------
        known : how far the session has followed the store; what others have answered since is taken as well.
        """
        now, events = self._clock(), schema.events.c
        with self._store.writing() as connection:
            leases = _leases(connection, now)
            done = _answered(connection, request.places) if request.places else frozenset()
            held = Counter(
                item for lease in leases if lease[0] != self.session and lease not in done for item in lease[1:]
            )
            answered = sa.select(events.item).where(
                events.number > known.event,
                events.kind.in_(("label", "skip", "flag")),
                events.annotator != self.annotator,
            )
            held.update(set(connection.scalars(answered)))
            taken = frozenset(item for item, n in held.items() if n >= request.places.get(item, 1))
            number = connection.scalar(sa.select(sa.func.max(schema.rounds.c.number))) or 0
            row = request.compose(number + 1, taken)
            if row is not None:
                self._store.insert_round(connection, row)
                self._lease_to_me(connection, [item.item for item in row.items], now)
        return Drawn(row, taken)

    def team(self) -> Team:
        """Who is here, and what each is asked."""
        return read_team(self._store, self._clock())

    def _hold(self, connection: sa.Connection, items: Sequence[str], now: float) -> None:
        leases = _leases(connection, now)
        mine = {item for session, item in leases if session == self.session}
        of_others = {item for session, item in leases if session != self.session} - mine
        connection.execute(sa.delete(schema.leases).where(schema.leases.c.session == self.session))
        self._lease_to_me(connection, [item for item in items if item not in of_others], now)

    def _lease_to_me(self, connection: sa.Connection, items: Sequence[str], now: float) -> None:
        mine = schema.leases.c.session == self.session
        connection.execute(sa.delete(schema.leases).where(schema.leases.c.until < now))
        connection.execute(sa.delete(schema.leases).where(mine, schema.leases.c.item.in_(items)))
        rows = [{"item": item, "session": self.session, "until": now + self._lease} for item in items]
        if rows:
            connection.execute(sa.insert(schema.leases), rows)


def read_team(store: LabelStore, now: float | None = None) -> Team:
    """Who works on a store now, and on what; raises `TuilabelError` if it cannot be read."""
    now = time.time() if now is None else now
    leases: dict[str, set[str]] = {}
    with store.reading() as connection:
        for session, item in _leases(connection, now):
            leases.setdefault(session, set()).add(item)
        columns = schema.sessions.c
        rows = connection.execute(sa.select(schema.sessions).where(columns.seen >= now - GONE).order_by(columns.since))
        sessions = tuple(
            Present(
                row["session"],
                row["annotator"],
                row["host"],
                row["process"],
                datetime.fromtimestamp(row["since"], UTC).replace(microsecond=0),
            )
            for row in rows.mappings()
        )
        roles = read_roles(connection)
    return Team(sessions, {session: frozenset(items) for session, items in leases.items()}, roles)


def set_role(store: LabelStore, annotator: str, role: str, *, by: str) -> None:
    """Say what an annotator may do. With the first role, whoever began the project becomes an owner.

    Raises
    ------
    UsageError : if there is no such role, `by` is not an owner, or nobody would be an owner any more.
    TuilabelError : if the store cannot be written.
    """
    if role not in ROLES:
        raise unknown_name("role", role, ROLES)
    table, changes = schema.members, schema.class_changes.c
    with store.writing() as connection:
        roles = read_roles(connection)
        if not roles:
            began = connection.scalar(sa.select(changes.annotator).order_by(changes.number).limit(1)) or by
            connection.execute(sa.insert(table), {"annotator": began, "role": "owner", "set_by": began})
            roles[began] = "owner"
        if roles.get(by) != "owner":
            owners = ", ".join(sorted(name for name, its in roles.items() if its == "owner"))
            raise UsageError(f"{by} is not an owner of this project: ask {owners}", parameter="annotator")
        if role != "owner" and [name for name, its in roles.items() if its == "owner"] == [annotator]:
            raise UsageError(f"{annotator} is the only owner: make somebody else an owner first")
        connection.execute(sa.delete(table).where(table.c.annotator == annotator))
        connection.execute(sa.insert(table), {"annotator": annotator, "role": role, "set_by": by})


def _answered(connection: sa.Connection, items: Collection[str]) -> frozenset[tuple[str, str]]:
    """Session and item wherever an open session's annotator has answered one of the items: its lease counts no more."""
    events, sessions = schema.events.c, schema.sessions.c
    rows = connection.execute(
        sa.select(sessions.session, events.item)
        .join(schema.events, events.annotator == sessions.annotator)
        .where(events.kind.in_(("label", "skip")), events.item.in_(items))
    )
    return frozenset((row.session, row.item) for row in rows)


def _leases(connection: sa.Connection, now: float) -> Sequence[tuple[str, str]]:
    """Session and item of each lease that has not expired."""
    columns = schema.leases.c
    rows = connection.execute(sa.select(columns.session, columns.item).where(columns.until >= now))
    return [(row.session, row.item) for row in rows]

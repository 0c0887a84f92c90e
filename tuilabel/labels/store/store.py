"""The label store: append-only tables in a database, through SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from tuilabel.errors import TuilabelError
from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event, Round, RoundItem
from tuilabel.labels.store import roles, schema, sqlite
from tuilabel.labels.store.address import ServerAddress
from tuilabel.labels.store.changes import Changes, Cursor, Extent
from tuilabel.labels.store.database import Begin, Database, LabelsMoved, NewerFormat, NoLabels, StoreLostError

BEGINNING = Cursor()


class LabelStore:
    """Events, class changes and rounds on disk. Rows are only added: the database refuses to change or delete one.

    Create it with `open` or `connect`. Safe to use from several threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._project = ""
        self._last: tuple[int, str] | None = None
        """Number and key of an event that the store has had: if it is not there, this is another store."""

    @property
    def project(self) -> str:
        """The id of the project, which the store keeps for good."""
        return self._project

    @classmethod
    def open(cls, path: Path, project: str | None = None, *, moved: bool = False) -> LabelStore:
        """Open the SQLite store at `path`, to be read and written; it is created if it is missing.

        A store of an older format gets the columns that it lacks.

        Parameters
        ----------
        project : id of the project, for a store that has none yet; None for a new id.
        moved : whether it may be one whose labels were moved to another one.

        Raises
        ------
        LabelsMoved : if they were.
        TuilabelError : if the file cannot be created, read or written, is not a label store, or is of a newer format.
        """
        return cls._prepared(sqlite.open_file(path), project, moved=moved)

    @classmethod
    def read(cls, path: Path, project: str | None = None) -> LabelStore:
        """The store at `path` as it is now: a copy in memory, so that nothing is written next to it.

        It may be one that only others may write, or that a session is writing.

        Parameters
        ----------
        project : see `open`.

        Raises
        ------
        TuilabelError : if there is none, or it cannot be read, is not a label store, or is of a newer format.
        """
        return cls._prepared(sqlite.copy_of_file(path), project)

    @classmethod
    def connect(
        cls, address: ServerAddress, project: str | None = None, *, create: bool = True, moved: bool = False
    ) -> LabelStore:
        """Open the store in the PostgreSQL database at `address`.

        Parameters
        ----------
        project : see `open`.
        create : whether to create it if it is missing, and to add what one of an older format lacks.
        moved : whether it may be one whose labels were moved to another one.

        Raises
        ------
        LabelsMoved : if they were.
        TuilabelError : if the database cannot be reached, read or written, or it is of a newer format; `NoLabels` if
            there is no store and none is to be created.
        """
        from tuilabel.labels.store import postgresql  # a project on this machine starts without its dialect

        return cls._prepared(postgresql.connect(address), project, create=create, moved=moved)

    @classmethod
    def _prepared(
        cls, database: Database, project: str | None, *, create: bool = True, moved: bool = False
    ) -> LabelStore:
        store = cls(database)
        try:
            store._prepare(project or uuid4().hex, create)
            if not moved:
                store._check_not_moved()
        except BaseException:
            database.engine.dispose()
            raise
        return store

    def append(self, events: Sequence[Event]) -> None:
        """Write events in order; on return they are on disk. An event that is already stored is not written again.

        Raises
        ------
        TuilabelError : if they cannot be written, or not by these annotators; then none of them is written.
        """
        if events:
            with self.writing() as connection:
                roles.check_events(connection, events)
                self._insert(connection, schema.events, [schema.row_from(event) for event in events])

    def add_class_changes(self, changes: Sequence[ClassChange]) -> list[ClassChange]:
        """Write class changes in order, each once.

        Returns
        -------
        The changes as they are stored: `after` is the number of events that the store holds, whatever it was.

        Raises
        ------
        TuilabelError : if they cannot be written, or not by these annotators; then none of them is written.
        """
        if not changes:
            return []
        with self.writing() as connection:
            roles.check_class_changes(connection, changes)
            after = connection.scalar(sa.select(sa.func.count()).select_from(schema.events)) or 0
            self._insert(connection, schema.class_changes, [schema.row_from(replace(c, after=after)) for c in changes])
            stored = {change.key: change for change in _class_changes(connection, after=0)[0]}
            return [stored[change.key] for change in changes]

    def add_round(self, row: Round) -> None:
        """Write a round with its items, once; raises `TuilabelError` if it cannot be written."""
        with self.writing() as connection:
            self.insert_round(connection, row)

    @staticmethod
    def insert_round(connection: sa.Connection, row: Round) -> None:
        """Write a round with its items as part of a transaction, unless it is there."""
        values, table = schema.row_from(row), schema.rounds
        same = (table.c[name].is_not_distinct_from(values[name]) for name in ("asked_at", "number", "session"))
        if connection.scalar(sa.select(table.c.row).where(*same)) is not None:
            return  # it was written, and the connection was lost before the answer came
        key = connection.execute(sa.insert(table), values).inserted_primary_key
        assert key is not None
        items = [{"round_row": key[0], "position": k, **schema.storable(item)} for k, item in enumerate(row.items)]
        if items:
            connection.execute(sa.insert(schema.round_items), items)

    def add_copy(self, changes: Changes) -> None:
        """Write what another store had, as it was there: class changes keep their `after`.

        Raises
        ------
        TuilabelError : if it cannot be written; then none of it is written.
        """
        with self.writing() as connection:
            for table, entries in ((schema.events, changes.events), (schema.class_changes, changes.class_changes)):
                if entries:
                    self._insert(connection, table, [schema.row_from(entry) for entry in entries])
            for row in changes.rounds:
                self.insert_round(connection, row)

    def close_if_unchanged(self, since: Cursor, moved_to: str) -> bool:
        """Take nothing any more, because the labels are in another store now; not if anything was written `since`.

        Parameters
        ----------
        moved_to : where they are, for those who open this store later.

        Returns
        -------
        Whether it is closed.

        Raises
        ------
        TuilabelError : if the database fails.
        """
        with self.writing() as connection:
            if _since(connection, since):
                return False
            for statement in self._database.close:
                connection.exec_driver_sql(statement)
            connection.execute(sa.update(schema.about), {"moved_to": moved_to})
            return True

    def reopen(self) -> None:
        """Take labels again, which are moved back here; raises `TuilabelError` if the database fails."""
        with self.writing() as connection:
            for statement in self._database.reopen:
                connection.exec_driver_sql(statement)
            connection.execute(sa.update(schema.about), {"moved_to": None})

    def events(self) -> list[Event]:
        """Every event in the order of writing; raises `TuilabelError` if they cannot be read."""
        with self.reading() as connection:
            return _events(connection, after=0)[0]

    def class_changes(self) -> list[ClassChange]:
        """Every class change in the order of writing; raises `TuilabelError` if they cannot be read."""
        with self.reading() as connection:
            return _class_changes(connection, after=0)[0]

    def rounds(self) -> list[Round]:
        """Every round in the order of writing; raises `TuilabelError` if they cannot be read."""
        with self.reading() as connection:
            return _rounds(connection, after=0)[0]

    def since(self, cursor: Cursor = BEGINNING) -> Changes:
        """Everything that was written after `cursor`, by anybody; by default all that the store holds.

        It is cheap if there is nothing new, so that a session can follow the others by asking every now and then.

        Raises
        ------
        TuilabelError : if the store cannot be read.
        """
        with self.reading() as connection:
            return _since(connection, cursor)

    @property
    def where(self) -> str:
        """Where it is, for messages."""
        return self._database.where

    @property
    def moved_to(self) -> str | None:
        """Where its labels were moved; None if they are here. Raises `TuilabelError` if the store cannot be read."""
        with self._begin("open", self._database.reading) as connection:
            moved_to: str | None = connection.scalar(sa.select(schema.about.c.moved_to))
        return moved_to

    def extent(self) -> Extent:
        """How much the store holds; raises `TuilabelError` if it cannot be read."""
        tables = (schema.events, schema.class_changes, schema.rounds)
        with self.reading() as connection:
            events, changes, rounds = (
                connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables
            )
            last = _last_event(connection)
        return Extent(events, changes, rounds, None if last is None else last[1])

    def has_event(self, key: str) -> bool:
        """Whether an event of this key is stored; raises `TuilabelError` if the store cannot be read."""
        with self.reading() as connection:
            return connection.scalar(sa.select(schema.events.c.number).where(schema.events.c.key == key)) is not None

    def damage(self) -> str | None:
        """What the database finds wrong with itself in a quick check; None if nothing."""
        if self._database.engine.dialect.name != "sqlite":
            return None  # a server looks after its files
        with self.reading() as connection:
            return sqlite.damage(connection)

    def check_place(self) -> None:
        """Raise `StoreLostError` unless the store is still the one at its place."""
        if reason := self._database.moved():
            raise StoreLostError(f"{self._database.where} {reason}")

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction in which everything is read as of one moment; raises `TuilabelError` if the database fails."""
        return self._begin("read", self._database.reading)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction of the only writer, committed and flushed at its end, in the store that was opened.

        Raises
        ------
        StoreLostError : if the store was deleted, replaced or damaged in the meantime; what was written may be lost.
        TuilabelError : if it cannot be written; then nothing is.
        """
        with self._begin("write", self._database.writing) as connection:
            if connection.scalar(sa.select(schema.about.c.project)) != self._project:
                raise StoreLostError(f"{self._database.where} was overwritten by the store of another project")
            if self._last is not None:
                number, key = self._last
                if connection.scalar(sa.select(schema.events.c.key).where(schema.events.c.number == number)) != key:
                    raise StoreLostError(f"{self._database.where} was overwritten: it no longer has what was in it")
            yield connection
            last = _last_event(connection)
        self.check_place()  # SQLite commits to a file that was deleted, too
        self._last = last

    def close(self) -> None:
        """Close the connections."""
        self._database.engine.dispose()

    def _insert(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, except those whose key is already stored."""
        insert = self._database.insert(table)
        connection.execute(insert.on_conflict_do_nothing(index_elements=["key"]), rows)

    def _prepare(self, project: str, create: bool) -> None:
        with self._begin("open", self._database.reading) as connection:
            version = self._format(connection)
            if version == schema.VERSION:
                self._identify(connection)
                return
        if not create:
            if version is None:
                raise NoLabels(f"there are no labels at {self._database.where}: start `tuilabel label` first")
            raise TuilabelError(
                f"{self._database.where} is of an older format ({version}): start `tuilabel label`, which brings it "
                "up to date"
            )
        with self._begin("open", self._database.writing) as connection:
            version = self._format(connection)  # once more, as another process may have been faster
            if version == schema.VERSION:
                self._identify(connection)
                return
            for statement in self._database.creating:
                connection.exec_driver_sql(statement)
            schema.metadata.create_all(connection)
            if version is None:
                connection.execute(sa.insert(schema.about), {"version": schema.VERSION, "project": project})
            else:
                _add_columns(connection)
                connection.execute(sa.update(schema.about), {"version": schema.VERSION, "project": project})
            for statement in self._database.append_only:
                connection.exec_driver_sql(statement)
            self._identify(connection)

    def _identify(self, connection: sa.Connection) -> None:
        """Note which project the store is of, and how far it goes."""
        self._project = connection.scalar(sa.select(schema.about.c.project)) or ""
        self._last = _last_event(connection)

    def _check_not_moved(self) -> None:
        if (moved_to := self.moved_to) is not None:
            is_server = moved_to.startswith("postgresql://")
            advice = f"run `tuilabel move-store '{moved_to}'` to go on there" if is_server else "go on there"
            raise LabelsMoved(f"the labels of {self.where} were moved to {moved_to}: {advice}")

    def _format(self, connection: sa.Connection) -> int | None:
        """The format of the store; None if the database is empty. Raises `TuilabelError` if it is none that we know."""
        if foreign := self._database.foreign(connection):
            raise TuilabelError(
                f"{self._database.where} has {foreign}, which is not tuilabel's and might change labels: put the right "
                "file back, or run `tuilabel repair`"
            )
        inspector = sa.inspect(connection)
        has_format = inspector.has_table(schema.about.name)
        declared = self._database.declared(connection)
        if declared > schema.VERSION:
            raise self._newer(declared)
        if not has_format and inspector.get_table_names():
            raise TuilabelError(
                f"{self._database.where} is a database of something else: put the right file back, or run `tuilabel "
                "repair`, or pass another `project`"
            )
        version: int | None = connection.scalar(sa.select(schema.about.c.version)) if has_format else None
        if version is not None and version > schema.VERSION:
            raise self._newer(version)
        return version

    def _newer(self, version: int) -> NewerFormat:
        return NewerFormat(
            f"{self._database.where} was written by a newer version of tuilabel (format {version}): update tuilabel"
        )

    @contextmanager
    def _begin(self, doing: str, begin: Begin) -> Iterator[sa.Connection]:
        try:
            with self._database.engine.begin() as connection:  # commits on leaving, which flushes
                begin(connection)
                yield connection
        except sa.exc.SQLAlchemyError as error:
            reason = _first_reason(str(getattr(error, "orig", None) or error))
            if doing == "write" and (moved := self._database.moved()):
                raise StoreLostError(f"{self._database.where} {moved}") from error
            if doing == "write" and self._database.is_damage(reason):
                raise StoreLostError(f"{self._database.where} is damaged ({reason})") from error
            raise TuilabelError(
                f"cannot {doing} {self._database.where}: {reason}; {self._database.advice(reason)}"
            ) from error


def _first_reason(text: str) -> str:
    """The line of an error that says why; with several addresses of a host there is one for each."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [text]
    return next((line.removeprefix("- ") for line in lines if line.startswith("- ")), lines[0])


def _last_event(connection: sa.Connection) -> tuple[int, str] | None:
    """Number and key of the last event; None without one."""
    table = schema.events
    row = connection.execute(sa.select(table.c.number, table.c.key).order_by(table.c.number.desc()).limit(1)).first()
    return None if row is None else (row[0], row[1])


def _add_columns(connection: sa.Connection) -> None:
    """Add the columns that a store of an older format lacks."""
    inspector = sa.inspect(connection)
    for table in schema.metadata.tables.values():
        there = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.c:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"))


def _since(connection: sa.Connection, cursor: Cursor) -> Changes:
    events, event_numbers = _events(connection, cursor.event)
    class_changes, change_numbers = _class_changes(connection, cursor.class_change)
    rounds, rows = _rounds(connection, cursor.round)
    reached = Cursor(
        max(event_numbers, default=cursor.event),
        cursor.n_events + len(events),
        max(change_numbers, default=cursor.class_change),
        max(rows, default=cursor.round),
    )
    return Changes(tuple(events), cursor.n_events, tuple(class_changes), tuple(rounds), reached)


def _events(connection: sa.Connection, after: int) -> tuple[list[Event], list[int]]:
    """The events whose number in the table is above `after`, and these numbers."""
    rows, numbers = _read(connection, schema.events.c.number, after)
    return [schema.event_from(row) for row in rows], numbers


def _class_changes(connection: sa.Connection, after: int) -> tuple[list[ClassChange], list[int]]:
    """The class changes whose number is above `after`, and these numbers."""
    rows, numbers = _read(connection, schema.class_changes.c.number, after)
    return [ClassChange(**{**row, "at": schema.time_from(row["at"])}) for row in rows], numbers


def _rounds(connection: sa.Connection, after: int) -> tuple[list[Round], list[int]]:
    """The rounds whose row is above `after`, and these rows."""
    rows, numbers = _read(connection, schema.rounds.c.row, after)
    items: dict[int, list[RoundItem]] = {}
    if numbers:
        table = schema.round_items
        columns = [column for column in table.c if column.name not in ("round_row", "position")]
        query = sa.select(table.c.round_row, *columns).where(table.c.round_row > after)
        for row in connection.execute(query.order_by(table.c.round_row, table.c.position)):
            items.setdefault(row[0], []).append(schema.round_item_from(row[1:]))
    rounds = [
        Round(**{**row, "asked_at": schema.time_from(row["asked_at"])}, items=tuple(items.get(number, ())))
        for number, row in zip(numbers, rows, strict=True)
    ]
    return rounds, numbers


def _read(connection: sa.Connection, serial: sa.Column[int], after: int) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows of a table whose serial number is above `after`, without it, and these numbers.

    Columns have the program's names for them: a few are stored under older names.
    """
    columns = (column.label(column.key) for column in serial.table.c if column is not serial)
    query = sa.select(serial.label("serial"), *columns).where(serial > after).order_by(serial)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return rows, [row.pop("serial") for row in rows]

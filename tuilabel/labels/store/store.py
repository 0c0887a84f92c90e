"""The label store: append-only tables in a database, through SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from tuilabel.errors import TuilabelError
from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event, Round, RoundItem
from tuilabel.labels.store import schema, sqlite
from tuilabel.labels.store.database import Database


class LabelStore:
    """Events, class changes and rounds on disk. Rows are only added: SQLite itself refuses to change or delete one.

    Create it with `open`. Safe to use from several threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path) -> LabelStore:
        """Open the SQLite store at `path`, to be read and written; it is created if it is missing.

        A store of an older format gets the columns that it lacks.

        Raises
        ------
        TuilabelError : if the file cannot be created, read or written, is not a label store, or is of a newer format.
        """
        return cls._prepared(sqlite.open_file(path))

    @classmethod
    def read(cls, path: Path) -> LabelStore:
        """The store at `path` as it is now: a copy in memory, so that nothing is written next to it.

        It may be one that only others may write, or that a session is writing.

        Raises
        ------
        TuilabelError : if there is none, or it cannot be read, is not a label store, or is of a newer format.
        """
        return cls._prepared(sqlite.copy_of_file(path))

    @classmethod
    def _prepared(cls, database: Database) -> LabelStore:
        store = cls(database)
        try:
            store._prepare()
        except BaseException:
            database.engine.dispose()
            raise
        return store

    def append(self, events: Sequence[Event]) -> None:
        """Write events in order; on return they are on disk. An event that is already stored is not written again.

        Raises
        ------
        TuilabelError : if they cannot be written; then none of them is written.
        """
        self._insert(schema.events, events)

    def add_class_changes(self, changes: Sequence[ClassChange]) -> None:
        """Write class changes in order, each once; raises `TuilabelError` if they cannot be written."""
        self._insert(schema.class_changes, changes)

    def add_round(self, row: Round) -> None:
        """Write a round with its items; raises `TuilabelError` if it cannot be written."""
        with self._begin("write") as connection:
            values = {name: value for name, value in asdict(row).items() if name != "items"}
            inserted = connection.execute(sa.insert(schema.rounds), {**values, "asked_at": row.asked_at.isoformat()})
            key = inserted.inserted_primary_key
            assert key is not None
            items = [{"round_row": key[0], "position": k, **asdict(item)} for k, item in enumerate(row.items)]
            if items:
                connection.execute(sa.insert(schema.round_items), items)

    def events(self) -> list[Event]:
        """Every event in the order of writing; raises `TuilabelError` if they cannot be read."""
        with self._begin("read") as connection:
            rows = connection.execute(
                schema.columns_of(schema.events, without=("number",)).order_by(schema.events.c.number)
            ).mappings()
            return [schema.event_from(row) for row in rows]

    def class_changes(self) -> list[ClassChange]:
        """Every class change in the order of writing; raises `TuilabelError` if they cannot be read."""
        with self._begin("read") as connection:
            rows = connection.execute(
                schema.columns_of(schema.class_changes, without=("number",)).order_by(schema.class_changes.c.number)
            ).mappings()
            return [ClassChange(**{**row, "at": schema.time_from(row["at"])}) for row in rows]

    def rounds(self) -> list[Round]:
        """Every round in the order of writing; raises `TuilabelError` if they cannot be read."""
        columns = [column for column in schema.round_items.c if column.name not in ("round_row", "position")]
        items: dict[int, list[RoundItem]] = {}
        with self._begin("read") as connection:
            query = sa.select(schema.round_items.c.round_row, *columns).order_by(
                "round_row", schema.round_items.c.position
            )
            for row in connection.execute(query):
                items.setdefault(row[0], []).append(RoundItem(*row[1:]))
            numbers = connection.scalars(sa.select(schema.rounds.c.row).order_by(schema.rounds.c.row)).all()
            rows = connection.execute(
                schema.columns_of(schema.rounds, without=("row",)).order_by(schema.rounds.c.row)
            ).mappings()
            return [
                Round(**{**row, "asked_at": schema.time_from(row["asked_at"])}, items=tuple(items.get(number, ())))
                for number, row in zip(numbers, rows, strict=True)
            ]

    def close(self) -> None:
        """Close the connections."""
        self._database.engine.dispose()

    def _insert(self, table: sa.Table, entries: Sequence[Event] | Sequence[ClassChange]) -> None:
        """Write entries in one transaction, except those whose key is already stored."""
        if not entries:
            return
        rows = [{**vars(entry), "at": entry.at.isoformat()} for entry in entries]
        with self._begin("write") as connection:
            connection.execute(sqlite_insert(table).on_conflict_do_nothing(index_elements=["key"]), rows)

    def _prepare(self) -> None:
        with self._begin("open") as connection:
            schema.about.create(connection, checkfirst=True)
            version = connection.scalar(sa.select(schema.about.c.version))
            if version is not None and version > schema.VERSION:
                raise TuilabelError(
                    f"{self._database.where} was written by a newer version of tuilabel (format {version}): "
                    "update tuilabel"
                )
            if version == schema.VERSION:
                return
            schema.metadata.create_all(connection)
            if version is None:
                connection.execute(sa.insert(schema.about), {"version": schema.VERSION})
            else:
                for column in (
                    column for since, columns in schema.ADDED.items() if since > version for column in columns
                ):
                    kind = column.type.compile(connection.dialect)
                    connection.execute(sa.text(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"))
                connection.execute(sa.update(schema.about), {"version": schema.VERSION})
            for statement in self._database.append_only:
                connection.execute(sa.text(statement))

    @contextmanager
    def _begin(self, doing: str) -> Iterator[sa.Connection]:
        try:
            with self._database.engine.begin() as connection:  # commits on leaving; `synchronous=FULL` flushes
                yield connection
        except sa.exc.SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise TuilabelError(
                f"cannot {doing} {self._database.where}: {reason}; {self._database.advice(reason)}"
            ) from error

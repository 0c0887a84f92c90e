"""The label store: append-only tables in SQLite, through SQLAlchemy Core."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from tuilabel.errors import TuilabelError
from tuilabel.files import can_write, is_on_network
from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event, Round, RoundItem

VERSION = 5

_metadata = sa.MetaData()
_about = sa.Table("about", _metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
_events = sa.Table(
    "events",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(32), nullable=False, unique=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("item", sa.String(32), nullable=False),
    sa.Column("class_name", sa.Text),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("query_probability", sa.Double),
    sa.Column("model", sa.Integer, key="trained_on"),
    sa.Column("predicted", sa.Text),
    sa.Column("confidence", sa.Double),
    sa.Column("audit", sa.Boolean, nullable=False),
    sa.Column("undoes", sa.String(32)),
    sa.Column("note", sa.Text),
    sa.Column("step", sa.String(32)),
    sa.Column("origin", sa.String(16)),
    sa.Column("shown", sa.Boolean),
    sa.Column("beside", sa.Boolean),
)
_class_changes = sa.Table(
    "class_changes",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(32), nullable=False, unique=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("into", sa.Text),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("after", sa.Integer, nullable=False),
    sa.Column("undoes", sa.String(32)),
)
_rounds = sa.Table(
    "rounds",
    _metadata,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("asked_at", sa.String(32), nullable=False),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("model", sa.Integer, key="trained_on"),
    sa.Column("test_accuracy", sa.Double),
    sa.Column("mean_uncertainty", sa.Double),
    sa.Column("test_size", sa.Integer),
)
_round_items = sa.Table(
    "round_items",
    _metadata,
    sa.Column("round_row", sa.Integer, sa.ForeignKey("rounds.row"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.String(32), nullable=False),
    sa.Column("audit", sa.Boolean, nullable=False),
    sa.Column("predicted", sa.Text),
    sa.Column("confidence", sa.Double),
    sa.Column("query_probability", sa.Double),
    sa.Column("hidden", sa.Boolean),
)

_ADDED: dict[int, tuple[sa.Column[Any], ...]] = {
    2: (_events.c.note, _events.c.step),
    3: (_rounds.c.test_size, _events.c.origin),
    4: (_events.c.shown, _round_items.c.hidden),
    5: (_events.c.beside,),
}
"""Columns added by a format; format 2 also added the table of class changes."""

_FORMER_STRATEGIES = ("by-class", "history", "review", "import", "withdraw", "note")
"""Values of `strategy` in format 2 that stand for an origin, or mark a note."""


class LabelStore:
    """Events, class changes and rounds on disk. Rows are only added: SQLite itself refuses to change or delete one.

    Create it with `open`. Safe to use from several threads.
    """

    def __init__(self, engine: sa.Engine, where: str) -> None:
        self._engine = engine
        self._where = where

    @classmethod
    def open(cls, path: Path) -> LabelStore:
        """Open the SQLite store at `path`, to be read and written; it is created if it is missing.

        Commits are flushed to disk. The journal is a write-ahead log, or a rollback journal on a network file system,
        where write-ahead logs are not reliable. A store of an older format gets the columns that it lacks.

        Raises
        ------
        TuilabelError : if the file cannot be created, read or written, is not a label store, or is of a newer format.
        """
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": 5.0})
        journal = "DELETE" if is_on_network(path) else "WAL"

        @sa.event.listens_for(engine, "connect")
        def _set_up(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA journal_mode={journal}")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")

        return cls._prepared(engine, path)

    @classmethod
    def read(cls, path: Path) -> LabelStore:
        """The store at `path` as it is now: a copy in memory, so that nothing is written next to it.

        It may be one that only others may write, or that a session is writing.

        Raises
        ------
        TuilabelError : if there is none, or it cannot be read, is not a label store, or is of a newer format.
        """
        if not path.is_file():
            raise TuilabelError(f"there are no labels at {path}: start `tuilabel label` first")
        try:
            copied = _in_memory(path)
        except (OSError, sqlite3.Error) as error:
            reason = str(getattr(error, "strerror", None) or error)
            raise TuilabelError(f"cannot open {path}: {reason}; {_advice(reason)}") from error
        engine = sa.create_engine("sqlite://", creator=lambda: copied, poolclass=sa.pool.StaticPool)
        return cls._prepared(engine, path)

    @classmethod
    def _prepared(cls, engine: sa.Engine, path: Path) -> LabelStore:
        store = cls(engine, str(path))
        try:
            store._prepare()
        except BaseException:
            engine.dispose()
            raise
        return store

    def append(self, events: Sequence[Event]) -> None:
        """Write events in order; on return they are on disk. An event that is already stored is not written again.

        Raises
        ------
        TuilabelError : if they cannot be written; then none of them is written.
        """
        self._insert(_events, events)

    def add_class_changes(self, changes: Sequence[ClassChange]) -> None:
        """Write class changes in order, each once; raises `TuilabelError` if they cannot be written."""
        self._insert(_class_changes, changes)

    def add_round(self, row: Round) -> None:
        """Write a round with its items; raises `TuilabelError` if it cannot be written."""
        with self._begin("write") as connection:
            values = {name: value for name, value in asdict(row).items() if name != "items"}
            inserted = connection.execute(sa.insert(_rounds), {**values, "asked_at": row.asked_at.isoformat()})
            key = inserted.inserted_primary_key
            assert key is not None
            items = [{"round_row": key[0], "position": k, **asdict(item)} for k, item in enumerate(row.items)]
            if items:
                connection.execute(sa.insert(_round_items), items)

    def events(self) -> list[Event]:
        """Every event in the order of writing; raises `TuilabelError` if they cannot be read."""
        with self._begin("read") as connection:
            rows = connection.execute(_select(_events, without=("number",)).order_by(_events.c.number)).mappings()
            return [_event(row) for row in rows]

    def class_changes(self) -> list[ClassChange]:
        """Every class change in the order of writing; raises `TuilabelError` if they cannot be read."""
        with self._begin("read") as connection:
            rows = connection.execute(
                _select(_class_changes, without=("number",)).order_by(_class_changes.c.number)
            ).mappings()
            return [ClassChange(**{**row, "at": _time(row["at"])}) for row in rows]

    def rounds(self) -> list[Round]:
        """Every round in the order of writing; raises `TuilabelError` if they cannot be read."""
        columns = [column for column in _round_items.c if column.name not in ("round_row", "position")]
        items: dict[int, list[RoundItem]] = {}
        with self._begin("read") as connection:
            query = sa.select(_round_items.c.round_row, *columns).order_by("round_row", _round_items.c.position)
            for row in connection.execute(query):
                items.setdefault(row[0], []).append(RoundItem(*row[1:]))
            numbers = connection.scalars(sa.select(_rounds.c.row).order_by(_rounds.c.row)).all()
            rows = connection.execute(_select(_rounds, without=("row",)).order_by(_rounds.c.row)).mappings()
            return [
                Round(**{**row, "asked_at": _time(row["asked_at"])}, items=tuple(items.get(number, ())))
                for number, row in zip(numbers, rows, strict=True)
            ]

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _insert(self, table: sa.Table, entries: Sequence[Event] | Sequence[ClassChange]) -> None:
        """Write entries in one transaction, except those whose key is already stored."""
        if not entries:
            return
        rows = [{**vars(entry), "at": entry.at.isoformat()} for entry in entries]
        with self._begin("write") as connection:
            connection.execute(insert(table).on_conflict_do_nothing(index_elements=["key"]), rows)

    def _prepare(self) -> None:
        with self._begin("open") as connection:
            _about.create(connection, checkfirst=True)
            version = connection.scalar(sa.select(_about.c.version))
            if version is not None and version > VERSION:
                raise TuilabelError(
                    f"{self._where} was written by a newer version of tuilabel (format {version}): update tuilabel"
                )
            if version == VERSION:
                return
            _metadata.create_all(connection)
            if version is None:
                connection.execute(sa.insert(_about), {"version": VERSION})
            else:
                for column in (column for since, columns in _ADDED.items() if since > version for column in columns):
                    kind = column.type.compile(connection.dialect)
                    connection.execute(sa.text(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"))
                connection.execute(sa.update(_about), {"version": VERSION})
            for statement in _append_only():
                connection.execute(sa.text(statement))

    @contextmanager
    def _begin(self, doing: str) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:  # commits on leaving; `synchronous=FULL` flushes
                yield connection
        except sa.exc.SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise TuilabelError(f"cannot {doing} {self._where}: {reason}; {_advice(reason)}") from error


def _in_memory(path: Path) -> sqlite3.Connection:
    """A copy of the database; raises `OSError` or `sqlite3.Error`."""
    log, shared = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    if can_write(path):
        return _copied(path, "rw")  # SQLite clears up its files, as it does not after "ro"
    if log.exists() and shared.exists():
        return _copied(path, "ro")  # somebody is labelling
    with tempfile.TemporaryDirectory() as folder:
        for file in filter(Path.exists, (path, log)):
            shutil.copyfile(file, Path(folder, file.name))
        return _copied(Path(folder, path.name), "rw")


def _copied(path: Path, mode: str) -> sqlite3.Connection:
    copied = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5.0)) as stored:
        stored.backup(copied)
    return copied


def _select(table: sa.Table, without: Collection[str]) -> sa.Select[Any]:
    """All columns except `without`, under the program's names for them: a few are stored under older names."""
    return sa.select(*(column.label(column.key) for column in table.c if column.key not in without))


def _event(row: Mapping[Any, Any]) -> Event:
    """The event of a row. Before format 3 its origin was kept as its strategy; before format 5 flags were answers."""
    values = {**row, "at": _time(row["at"]), "beside": bool(row["beside"])}
    if row["origin"] is None:
        kind, strategy = row["kind"], row["strategy"]
        if kind == "undo":
            values["origin"] = "withdraw" if strategy == "withdraw" else "undo"
        elif kind == "note":
            values["origin"] = "direct"
        else:
            values["origin"] = strategy if strategy in _FORMER_STRATEGIES else "batch"
        values["strategy"] = "" if strategy in _FORMER_STRATEGIES else strategy
    return Event(**values)


def _append_only() -> list[str]:
    return [
        f"CREATE TRIGGER IF NOT EXISTS {table}_{action.lower()} BEFORE {action} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'labels are never changed, only added to'); END"
        for table in ("events", "class_changes", "rounds", "round_items")
        for action in ("UPDATE", "DELETE")
    ]


def _advice(reason: str) -> str:
    advice_for: dict[str, str] = {
        "full": "make room on the disk",
        "locked": "close the other program that uses it",
        "malformed": "make a copy of it and restore a backup",
        "not a database": "move that file away or pass another `project`",
    }
    return next(
        (advice for word, advice in advice_for.items() if word in reason), "check the directory and its permissions"
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

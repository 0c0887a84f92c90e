"""SQLite as the database of a store: a file for one host, or a copy of it in memory."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from tuilabel.errors import TuilabelError
from tuilabel.files import create_file
from tuilabel.labels.store.database import Database, NoLabels
from tuilabel.labels.store.schema import APPEND_ONLY, MOVED

_ROLLBACK: set[Path] = set()
"""Stores that this process has opened. Their header is not read again: closing a file by other means than SQLite's
gives up the locks that SQLite has on it."""


def open_file(path: Path) -> Database:
    """The database in the file `path`, which is created if it is missing.

    Commits are flushed to disk, and so is the removal of the journal that ends them. It is a rollback journal: the file
    is complete after each commit, a reader writes nothing, SQLite refuses to write to a file that is no longer at its
    path, and several processes may write. With a write-ahead log, two of them that reset it at once may damage the file
    in SQLite before 3.51.3. A store that has such a log is converted.
    """
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": 5.0})

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the store begins its transactions itself
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute("PRAGMA foreign_keys=ON")
        _ROLLBACK.add(path.absolute())

    try:
        create_file(path)
    except OSError as error:
        reason = str(error.strerror or error)
        raise TuilabelError(f"cannot open {path}: {reason}; {advice(reason)}") from error
    return _database(engine, path)


def copy_of_file(path: Path) -> Database:
    """What the file `path` holds now, in memory, so that nothing is written next to it.

    Raises
    ------
    NoLabels : if there is no such file.
    TuilabelError : if it cannot be read.
    """
    if not path.is_file():
        raise NoLabels(f"there are no labels at {path}: start `tuilabel label` first")
    try:
        copied = _in_memory(path)
    except (OSError, sqlite3.Error) as error:
        reason = str(getattr(error, "strerror", None) or error)
        raise TuilabelError(f"cannot open {path}: {reason}; {advice(reason)}") from error
    engine = sa.create_engine("sqlite://", creator=lambda: copied, poolclass=sa.pool.StaticPool)
    return _database(engine, path)


def _database(engine: sa.Engine, path: Path) -> Database:
    # IMMEDIATE: a transaction that reads first and then writes would fail at once when another writer was faster.
    return Database(
        engine,
        str(path),
        reading=("BEGIN",),
        writing=("BEGIN IMMEDIATE",),
        creating=(),
        append_only=append_only(),
        close=tuple(
            f"CREATE TRIGGER IF NOT EXISTS {table}_moved BEFORE INSERT ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
            for table in APPEND_ONLY
        ),
        reopen=tuple(f"DROP TRIGGER IF EXISTS {table}_moved" for table in APPEND_ONLY),
        insert=insert,
        advice=advice,
    )


def append_only() -> tuple[str, ...]:
    """Statements that make SQLite refuse to change or delete a row."""
    return tuple(
        f"CREATE TRIGGER IF NOT EXISTS {table}_{action.lower()} BEFORE {action} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'labels are never changed, only added to'); END"
        for table in APPEND_ONLY
        for action in ("UPDATE", "DELETE")
    )


def advice(reason: str) -> str:
    """What to do about an error of SQLite, by its words."""
    advice_for: dict[str, str] = {
        "full": "make room on the disk",
        "locked": "close the other program that uses it",
        "malformed": "make a copy of it and restore a backup",
        MOVED: "quit, and open the project again",
        "not a database": "move that file away or pass another `project`",
    }
    return next(
        (advice for word, advice in advice_for.items() if word in reason), "check the directory and its permissions"
    )


def _in_memory(path: Path) -> sqlite3.Connection:
    """A copy of the database; raises `OSError` or `sqlite3.Error`.

    Where somebody was killed while writing, or an older version has left a write-ahead log, SQLite would have to write
    to the files to read them: then a copy of them is read.
    """
    if path.absolute() in _ROLLBACK:
        return _copied(path, "ro")
    if not _has_write_ahead_log(path):
        try:
            return _copied(path, "ro")
        except sqlite3.OperationalError:
            if not path.with_name(path.name + "-journal").exists():
                raise
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-journal", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(path.name + suffix), Path(folder, path.name + suffix))
        return _copied(Path(folder, path.name), "rw")


def _has_write_ahead_log(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"  # the versions of the file format that are needed to write and read it


def _copied(path: Path, mode: str) -> sqlite3.Connection:
    copied = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5.0)) as stored:
        stored.backup(copied)
    return copied

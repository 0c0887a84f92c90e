"""SQLite as the database of a store: a file for one host, or a copy of it in memory."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from tuilabel.errors import TuilabelError
from tuilabel.files import can_write, is_on_network
from tuilabel.labels.store.database import Database
from tuilabel.labels.store.schema import APPEND_ONLY


def open_file(path: Path) -> Database:
    """The database in the file `path`, which is created if it is missing.

    Commits are flushed to disk. The journal is a write-ahead log, or a rollback journal on a network file system, where
    write-ahead logs are not reliable.
    """
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": 5.0})
    journal = "DELETE" if is_on_network(path) else "WAL"

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the store begins its transactions itself
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    return _database(engine, path)


def copy_of_file(path: Path) -> Database:
    """What the file `path` holds now, in memory, so that nothing is written next to it.

    Raises
    ------
    TuilabelError : if there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise TuilabelError(f"there are no labels at {path}: start `tuilabel label` first")
    try:
        copied = _in_memory(path)
    except (OSError, sqlite3.Error) as error:
        reason = str(getattr(error, "strerror", None) or error)
        raise TuilabelError(f"cannot open {path}: {reason}; {advice(reason)}") from error
    engine = sa.create_engine("sqlite://", creator=lambda: copied, poolclass=sa.pool.StaticPool)
    return _database(engine, path)


def _database(engine: sa.Engine, path: Path) -> Database:
    # IMMEDIATE: a transaction that reads first and then writes would fail at once when another writer was faster.
    return Database(engine, str(path), ("BEGIN",), ("BEGIN IMMEDIATE",), append_only(), advice)


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
        "not a database": "move that file away or pass another `project`",
    }
    return next(
        (advice for word, advice in advice_for.items() if word in reason), "check the directory and its permissions"
    )


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

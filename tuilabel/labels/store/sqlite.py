"""SQLite as the database of a store: a file for one host, or a copy of it in memory."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write, create_file
from tuilabel.labels.store.database import Database, NoLabels, begin_with
from tuilabel.labels.store.schema import APPEND_ONLY, MOVED, VERSION
from tuilabel.labels.store.waiting import RETRY_AFTER, Patience, wait_for_turn

APPLICATION_ID = int.from_bytes(b"TUIL")
"""Marks the file as a label store, for `file` and for people who look into it."""

CHECK_SECONDS = 1.0
"""What a start spends on looking for damage at most: 100,000 events take 0.06 s."""

_DAMAGE = ("malformed", "not a database", "no such table", "no such column")

TIMEOUT = 30.0  # seconds that a reader or a writer waits for others: with twenty writers on a busy disk it takes some
LONGEST_WAIT, SHORTEST_WAIT = 0.04, 0.006  # seconds between two tries to write, of one who has just come and of others

_ROLLBACK: set[Path] = set()
"""Stores that this process has opened. Their header is not read again: closing a file by other means than SQLite's
gives up the locks that SQLite has on it."""


def open_file(path: Path) -> Database:
    """The database in the file `path`, which is created if it is missing.

    Commits are flushed to disk, and so is the removal of the journal that ends them. It is a rollback journal: the file
    is complete after each commit, a reader writes nothing, SQLite refuses to write to a file that is no longer at its
    path, and several processes may write. With a write-ahead log, two of them that reset it at once may damage the file
    in SQLite before 3.51.3. A store that has such a log is converted.

    Raises
    ------
    TuilabelError : if it cannot be created, or another program keeps it locked for too long.
    """
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": TIMEOUT})
    place = _Place(path)

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the store begins its transactions itself
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute("PRAGMA foreign_keys=ON")
        _distrust(connection)
        _ROLLBACK.add(path.absolute())
        place.connected()

    try:
        create_file(path)
    except OSError as error:
        reason = str(error.strerror or error)
        raise TuilabelError(f"cannot open {path}: {reason}; {_advice_on(path, reason)}") from error
    wait_for_turn(path)
    return replace(_database(engine, path), moved=place.moved)


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
        raise TuilabelError(f"cannot open {path}: {reason}; {_advice_on(path, reason)}") from error
    engine = sa.create_engine("sqlite://", creator=lambda: copied, poolclass=sa.pool.StaticPool)
    return _database(engine, path)


def _database(engine: sa.Engine, path: Path) -> Database:
    return Database(
        engine,
        str(path),
        reading=begin_with("BEGIN"),
        writing=_begin_writing,
        creating=(f"PRAGMA application_id={APPLICATION_ID}", f"PRAGMA user_version={VERSION}"),
        append_only=append_only(),
        close=tuple(
            f"CREATE TRIGGER IF NOT EXISTS {table}_moved BEFORE INSERT ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
            for table in APPEND_ONLY
        ),
        reopen=tuple(f"DROP TRIGGER IF EXISTS {table}_moved" for table in APPEND_ONLY),
        insert=insert,
        advice=partial(_advice_on, path),
        is_damage=is_damage,
        foreign=_foreign,
        declared=_declared,
    )


def _declared(connection: sa.Connection) -> int:
    """The format in the header of the file, if it is a store; a later format may have other tables."""
    is_ours = connection.exec_driver_sql("PRAGMA application_id").scalar() == APPLICATION_ID
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0) if is_ours else 0


def _distrust(connection: sqlite3.Connection) -> None:
    """Take a file for what it may be: written by anybody, by other means than SQLite. See sqlite.org/security.html."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")


def _foreign(connection: sa.Connection) -> str | None:
    """A trigger or view that no store has: it would change answers as they are written, or never end."""
    own = {("trigger", f"{table}_{what}") for table in APPEND_ONLY for what in ("update", "delete", "moved")}
    found = connection.exec_driver_sql("SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')")
    return next((f"a {row.type} {row.name}" for row in found if (row.type, row.name) not in own), None)


def _begin_writing(connection: sa.Connection) -> None:
    """Begin the transaction of the only writer, once it is this one's turn.

    IMMEDIATE, because a transaction that reads first and then writes would fail at once when another writer was faster.
    SQLite itself tries more and more rarely, so that of twenty writers those who have waited longest come last, and one
    or the other not at all. Here it is the other way round, and without SQLAlchemy, whose errors take their time.
    """
    raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)
    raw.execute("PRAGMA busy_timeout=0")
    begun = time.monotonic()
    try:
        while (waited := time.monotonic() - begun) < TIMEOUT:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                if "locked" not in str(error):
                    break
            time.sleep(random.uniform(0.5, 1.5) * max(SHORTEST_WAIT, LONGEST_WAIT * (1 - waited)))
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout={TIMEOUT * 1000:.0f}")


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
        "malformed": "run `tuilabel repair`, which saves what can be read",
        "readonly": "its owner may let you write to it (`chmod g+w`)",
        "not a database": "put the right file back, or run `tuilabel repair`",
        MOVED: "quit, and open the project again",
    }
    return next(
        (advice for word, advice in advice_for.items() if word in reason), "check the directory and its permissions"
    )


def _advice_on(path: Path, reason: str) -> str:
    """What to do about an error with the file `path`; the journal of a killed program may keep others out."""
    journal = path.with_name(path.name + "-journal")
    with suppress(OSError):
        status = journal.stat()
        if status.st_size and not (os.access(journal, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
            try:
                owner = journal.owner()
            except KeyError:  # no entry in the list of users
                owner = f"user {status.st_uid}"
            return (
                f"a program of {owner} was killed while it wrote, and you may not undo what it left in {journal}: let "
                f"{owner} open the project once, or `chmod g+rw` that file and `chmod g+w` its directory"
            )
    return advice(reason)


def is_damage(reason: str) -> bool:
    """Whether the file has been changed by others than SQLite, by the words of an error."""
    return any(word in reason for word in _DAMAGE)


def copy_file(path: Path, target: Path) -> None:
    """Copy the database in the file `path`, which others may be writing, to a new file; `target` is complete or absent.

    Raises
    ------
    TuilabelError : if it cannot be read, or the copy not be written, or another program keeps it locked for too long.
    """
    if not path.is_file():
        raise TuilabelError(f"there are no labels at {path}")
    with atomic_write(target) as temporary:
        try:
            with (
                closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as stored,
                closing(sqlite3.connect(temporary)) as copied,
            ):
                stored.backup(copied, progress=Patience(path).on_copied, sleep=RETRY_AFTER)
        except sqlite3.Error as error:
            raise TuilabelError(f"cannot copy {path} to {target}: {error}; {advice(str(error))}") from error


def damage(connection: sa.Connection) -> str | None:
    """What SQLite's own check finds wrong with a database, in `CHECK_SECONDS` at most; None if nothing."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    until = time.monotonic() + CHECK_SECONDS
    raw.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        found = str(raw.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        found = "ok" if "interrupted" in str(error) else str(error)
    finally:
        raw.set_progress_handler(None, 0)
    return None if found == "ok" else " ".join(found.split())


class _Place:
    """Where the file is that was opened first, and whether it still is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None
        self._size = 0

    def connected(self) -> None:
        """Called with each new connection; raises `sqlite3.OperationalError` if it is to another file."""
        if self._opened is None:
            status = self._path.stat()
            self._opened = status.st_dev, status.st_ino
        elif reason := self.moved():
            raise sqlite3.OperationalError(reason)

    def moved(self) -> str | None:
        """Why the file is no longer there; None if it is."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return "was deleted or moved away"
        except OSError as error:
            return f"can no longer be reached ({error.strerror})"
        if self._opened not in (None, (status.st_dev, status.st_ino)):
            return "was replaced by another file"
        if status.st_size < self._size:
            return "was cut short"  # a store only grows
        self._size = status.st_size
        return None


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
    _distrust(copied)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=0)) as stored:
        stored.backup(copied, progress=Patience(path).on_copied, sleep=RETRY_AFTER)
    return copied

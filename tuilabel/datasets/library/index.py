"""The SQLite index of a library: the files of its source, the items they contain, and the files with problems.

Files come and go; an item keeps its position forever. The tables call it `place`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TypeVar, cast

from tuilabel.datasets.library.listing import NEXT_VERSION, SCHEMA, decoded, encoded, known_folder, update
from tuilabel.datasets.sources import Entry, Folder
from tuilabel.files import is_on_network

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    name BLOB PRIMARY KEY, size INT, stamp TEXT, label TEXT, test INT, rank INT, listing INT,
    place INT, problem TEXT, tries INT DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unread ON files (tries, rank) WHERE place IS NULL AND problem IS NULL;
CREATE INDEX IF NOT EXISTS by_place ON files (test, place);
CREATE INDEX IF NOT EXISTS problems ON files (name) WHERE problem IS NOT NULL;
CREATE TABLE IF NOT EXISTS items (
    test INT, place INT, id TEXT, width INT, height INT, label TEXT, PRIMARY KEY (test, place)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS by_id ON items (test, id);
CREATE TABLE IF NOT EXISTS copies (test INT, place INT, data BLOB, PRIMARY KEY (test, place));
CREATE TABLE IF NOT EXISTS skipped (name BLOB, reason TEXT);
"""
_MOVED = """
SELECT items.place, files.label FROM items
JOIN files ON files.test = items.test AND files.place = items.place AND files.listing = ?2
WHERE items.test = ?1 AND files.label IS NOT items.label AND NOT EXISTS (
    SELECT 1 FROM files AS same WHERE same.test = items.test AND same.place = items.place AND same.listing = ?2
    AND same.label IS items.label
) ORDER BY name DESC
"""  # items all of whose files are in another class than when they were read
_CONFLICTS = """
SELECT one.name, one.label, MIN(other.name), other.label FROM files AS one
JOIN files AS other ON other.test = one.test AND other.place = one.place AND other.listing = one.listing
WHERE one.place IS NOT NULL AND one.listing = ? AND one.name < other.name AND one.label <> other.label
GROUP BY one.name, other.label ORDER BY one.name
"""
_UNREAD = "place IS NULL AND problem IS NULL AND listing = ?"
_ROWS = 5_000  # rows per statement
_TIMEOUT = 30  # seconds that another process may take to write

_Json = TypeVar("_Json")


@dataclass(frozen=True)
class UnreadFile:
    """A file that was listed, but not read yet."""

    name: str
    label: str | None
    test: bool
    tries: int
    """Crashes while this file was being read."""


@dataclass(frozen=True)
class NewItem:
    """An image that the library does not contain yet."""

    test: bool
    position: int
    id: str
    width: int
    height: int
    label: str | None
    copy: bytes | None = None
    """A JPEG of medium size, if reading the file again is slow."""


@dataclass(frozen=True)
class Problem:
    """A file that cannot be used, and why."""

    name: str
    reason: str


class LibraryIndex:
    """The tables of one library; may be used by several threads and processes, with one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._connection = sqlite3.connect(path, timeout=_TIMEOUT, check_same_thread=False, isolation_level=None)
        self._connection.execute(f"PRAGMA journal_mode={'DELETE' if is_on_network(path) else 'WAL'}")
        self._connection.execute("PRAGMA synchronous=NORMAL")  # a cache: after a power failure files are read again
        self._connection.executescript(_SCHEMA + SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    # -- values ----------------------------------------------------------------------------------------

    def value(self, key: str) -> object:
        """The value stored under `key`; None if there is none."""
        rows = self._rows("SELECT value FROM about WHERE key = ?", key)
        return rows[0][0] if rows else None

    def store_values(self, **values: object) -> None:
        """Store values under their names."""
        with self._writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", values.items())

    @property
    def listing(self) -> int:
        """The number that every file has which was there when the source was listed last; 0 before that."""
        number = self.value("listing")
        return number if isinstance(number, int) else 0

    def _derived(self, key: str, compute: Callable[[], _Json]) -> _Json:
        """What `compute` reads from the tables; it is kept until they change, as it takes seconds for a million files.

        Parameters
        ----------
        compute : gives something that JSON keeps as it is.
        """
        version = self.value("version")
        stored = self.value(f"derived {key}")
        if isinstance(stored, str):
            of, value = json.loads(stored)
            if of == version:
                return cast("_Json", value)
        value = compute()
        with self._lock, suppress(sqlite3.OperationalError):  # another process writes: it is computed again
            self._connection.execute("PRAGMA busy_timeout = 0")
            try:
                self.store_values(**{f"derived {key}": json.dumps([version, value])})
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {1000 * _TIMEOUT}")
        return value

    # -- files ----------------------------------------------------------------------------------------------------

    def update_listing(self, found: Iterable[Entry | Folder], *, shuffled: bool) -> Iterator[int]:
        """Replace the list of files by the current one, atomically.

        A file that is new or has changed becomes unread. Yields the number of files so far, at last that of all.

        Parameters
        ----------
        found : the files; those of a folder may be followed by the folder, and one alone is as `known_folder` says.
        shuffled : whether files may be read in any order: it is then pseudo-random, so that the files read so far are
            always a representative sample of all.
        """
        with self._writing() as connection:
            yield from update(connection, found, number=max(self.listing, 1), shuffled=shuffled)

    def known_folder(self, prefix: str) -> Folder | None:
        """A folder of the source as it was listed last; None if it was not."""
        with self._lock:
            return known_folder(self._connection, prefix)

    def store_skipped(self, skipped: Iterable[tuple[str, str]]) -> None:
        """Store what the last listing skipped, with the reasons."""
        with self._writing() as connection:
            connection.execute("DELETE FROM skipped")
            connection.executemany("INSERT INTO skipped VALUES (?, ?)", ((encoded(n), r) for n, r in skipped))

    def store_passed_over(self, counts: Mapping[str, int]) -> None:
        """Store how many files the last listing took for no images, by suffix."""
        self.store_values(passed_over=json.dumps(counts))

    def passed_over(self) -> dict[str, int]:
        """What was stored with `store_passed_over`."""
        stored = self.value("passed_over")
        counts: dict[str, int] = json.loads(stored) if isinstance(stored, str) else {}
        return counts

    def n_files(self) -> int:
        """Number of files in the last listing."""
        number = self.value("files")
        return number if isinstance(number, int) else 0

    def n_unread(self) -> int:
        """Number of files that have not been read yet."""
        return _number(self._rows(f"SELECT COUNT(*) FROM files WHERE {_UNREAD}", self.listing))

    def unread(self, n: int) -> list[UnreadFile]:
        """The next files to read; those that were being read during a crash come last."""
        query = f"SELECT name, label, test, tries FROM files WHERE {_UNREAD} ORDER BY tries, rank LIMIT ?"
        rows = self._rows(query, self.listing, n)
        return [
            UnreadFile(decoded(name), _text(label), bool(test), int(str(tries))) for name, label, test, tries in rows
        ]

    def begin_attempt(self, names: Sequence[str]) -> None:
        """Record that these files are about to be read; after a crash the record remains."""
        self._count_attempts(names, 1)

    def end_attempt(self, names: Sequence[str]) -> None:
        """Record that these files were not read after all, without a crash."""
        self._count_attempts(names, -1)

    def _count_attempts(self, names: Sequence[str], by: int) -> None:
        with self._writing() as connection:
            rows = [(by, encoded(name)) for name in names]
            connection.executemany("UPDATE files SET tries = max(0, tries + ?) WHERE name = ?", rows)

    def names_at(self, position: int, *, test: bool = False) -> list[str]:
        """The files of the last listing with the content of the item at `position`, by name."""
        query = "SELECT name FROM files WHERE test = ? AND place = ? AND listing = ? ORDER BY name"
        return [decoded(name) for (name,) in self._rows(query, int(test), position, self.listing)]

    def last_name_at(self, position: int, *, test: bool = False) -> str:
        """The name of the first file with that content, or its last known name; "" if unknown."""
        query = "SELECT name FROM files WHERE test = ? AND place = ? ORDER BY listing DESC, name LIMIT 1"
        rows = self._rows(query, int(test), position)
        return decoded(rows[0][0]) if rows else ""

    def stamp_of(self, name: str) -> str | None:
        """The stamp of a file of the last listing; None if it is not in it."""
        rows = self._rows("SELECT stamp FROM files WHERE name = ? AND listing = ?", encoded(name), self.listing)
        return _text(rows[0][0]) if rows else None

    def files_by_name(self) -> Iterator[tuple[str, bool, int]]:
        """(name, whether in the test split, position of its item or -1) of every listed file, sorted by name."""
        query = "SELECT name, test, place FROM files WHERE listing = ? AND name > ? ORDER BY name LIMIT ?"
        listing: int = self.listing
        last: object = b""
        while rows := self._rows(query, listing, last, _ROWS):  # in parts: a million names take little memory
            for name, test, place in rows:
                yield decoded(name), bool(test), -1 if place is None else int(str(place))
            last = rows[-1][0]

    def labels(self) -> list[str]:
        """Every class in the last listing."""
        return [*self.label_counts()]

    def label_counts(self) -> dict[str, int]:
        """The number of files of each class in the last listing."""
        query = "SELECT label, COUNT(*) FROM files WHERE listing = ? AND label IS NOT NULL GROUP BY label"
        return self._derived("classes", lambda: {str(k): int(str(n)) for k, n in self._rows(query, self.listing)})

    def problems(self) -> list[Problem]:
        """The files of the last listing that cannot be used, by name, then those that it skipped."""
        query = "SELECT name, problem FROM files WHERE problem IS NOT NULL AND listing = ? ORDER BY name"
        rows = self._rows(query, self.listing) + self._rows("SELECT name, reason FROM skipped ORDER BY name")
        return [Problem(decoded(name), str(reason)) for name, reason in rows]

    def n_problems(self) -> int:
        """The number of `problems`."""
        query = "SELECT COUNT(*) FROM files WHERE problem IS NOT NULL AND listing = ?"
        return _number(self._rows(query, self.listing)) + _number(self._rows("SELECT COUNT(*) FROM skipped"))

    def class_conflicts(self) -> list[tuple[str, str, str, str]]:
        """Files with the same content in different classes: (name, class, another name, its class), by name."""
        rows = self._rows(_CONFLICTS, self.listing)
        return [(decoded(name), str(label), decoded(other), str(its)) for name, label, other, its in rows]

    def n_class_conflicts(self) -> int:
        """Number of items whose files are in different classes."""
        query = """SELECT COUNT(*) FROM (SELECT 1 FROM files WHERE place IS NOT NULL AND listing = ?
            GROUP BY test, place HAVING MIN(label) <> MAX(label))"""
        return self._derived("conflicts", lambda: _number(self._rows(query, self.listing))) if self.labels() else 0

    def n_duplicates(self) -> int:
        """Number of files with the same content as another."""
        query = """SELECT COUNT(*) - COUNT(DISTINCT test * (1 << 40) + place) FROM files
            WHERE place IS NOT NULL AND listing = ?"""
        return _number(self._rows(query, self.listing))

    # -- items ----------------------------------------------------------------------------------------------------

    def n_items(self, *, test: bool) -> int:
        """Number of items of the pool, or of the test split."""
        return _number(self._rows("SELECT COALESCE(MAX(place) + 1, 0) FROM items WHERE test = ?", int(test)))

    def position_of(self, item: str, *, test: bool) -> int | None:
        """The position of the item with this id; None if there is no such item."""
        rows = self._rows("SELECT place FROM items WHERE test = ? AND id = ?", int(test), item)
        return _number(rows) if rows else None

    def id_at(self, position: int, *, test: bool) -> str:
        """The id of the item at `position`."""
        return str(self._rows("SELECT id FROM items WHERE test = ? AND place = ?", int(test), position)[0][0])

    def size_at(self, position: int, *, test: bool = False) -> tuple[int, int]:
        """(width, height) of the image at `position` in its file."""
        (width, height) = self._rows(
            "SELECT width, height FROM items WHERE test = ? AND place = ?", int(test), position
        )[0]
        return int(str(width)), int(str(height))

    def copy_at(self, position: int, *, test: bool = False) -> bytes | None:
        """The kept copy of the image at `position`, a JPEG; None if there is none."""
        rows = self._rows("SELECT data FROM copies WHERE test = ? AND place = ?", int(test), position)
        return bytes(rows[0][0]) if rows else None  # type: ignore[call-overload]

    def labels_of_items(self, *, test: bool) -> list[str | None]:
        """The class of each item according to the source, by position; for an item that is gone, the last one known."""
        labels = self._rows("SELECT label FROM items WHERE test = ? ORDER BY place", int(test))
        rows = self._derived(f"moved {test}", lambda: self._rows(_MOVED, int(test), self.listing))
        moved: dict[object, object] = dict(rows)  # type: ignore[arg-type]
        return [_text(moved.get(position, label)) for position, (label,) in enumerate(labels)]

    def gone(self) -> list[int]:
        """Positions of items of the pool without a file."""
        return self._derived("gone", self._find_gone)

    def _find_gone(self) -> list[int]:
        present = bytearray(self.n_items(test=False))
        with self._lock:  # one pass over the table: looking up the files of each item takes ten times as long
            query = "SELECT place FROM files WHERE test = 0 AND place IS NOT NULL AND listing = ?"
            for (place,) in self._connection.execute(query, (self.listing,)):
                present[place] = 1
        return [place for place, found in enumerate(present) if not found]

    def add(self, items: Sequence[NewItem], read: Sequence[tuple[str, int]], problems: Sequence[Problem]) -> None:
        """Store what was read: new items, the position of each file's item, and the problems of other files."""
        with self._writing() as connection:
            rows = [(int(i.test), i.position, i.id, i.width, i.height, i.label) for i in items]
            connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)
            copies = [(int(i.test), i.position, i.copy) for i in items if i.copy is not None]
            connection.executemany("INSERT OR REPLACE INTO copies VALUES (?, ?, ?)", copies)
            positions = [(position, encoded(name)) for name, position in read]
            connection.executemany("UPDATE files SET place = ?, tries = 0 WHERE name = ?", positions)
            reasons = [(problem.reason, encoded(problem.name)) for problem in problems]
            connection.executemany("UPDATE files SET problem = ?, tries = 0 WHERE name = ?", reasons)
            connection.execute(NEXT_VERSION)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(rows: list[tuple[object, ...]]) -> int:
    return int(str(rows[0][0]))

"""Brings the index's list of files up to date with its source: what is as it was is compared, and not written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from tuilabel.datasets.sources import Entry, Folder
from tuilabel.errors import printable

SCHEMA = """
CREATE TABLE IF NOT EXISTS folders (prefix BLOB PRIMARY KEY, stamp TEXT, content TEXT) WITHOUT ROWID;
CREATE TEMP TABLE listed (name BLOB PRIMARY KEY, size INT, stamp TEXT, label TEXT, test INT, rank INT) WITHOUT ROWID;
CREATE TEMP TABLE visited (prefix BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_NEW = "INSERT OR REPLACE INTO files (name, size, stamp, label, test, rank, listing) VALUES (?, ?, ?, ?, ?, ?"
_LISTED = "INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?, ?, ?)"
_CHANGED = """
INSERT INTO files (name, size, stamp, label, test, rank, listing)
SELECT name, size, stamp, label, test, rank, ?1 FROM listed WHERE NOT EXISTS (
    SELECT 1 FROM files WHERE files.name = listed.name AND files.size = listed.size AND files.stamp = listed.stamp
    AND files.test = listed.test AND files.label IS listed.label AND files.listing = ?1
)
ON CONFLICT (name) DO UPDATE SET
    place = CASE WHEN size = excluded.size AND stamp = excluded.stamp AND test = excluded.test THEN place END,
    problem = CASE WHEN size = excluded.size AND stamp = excluded.stamp THEN problem END,
    tries = CASE WHEN size = excluded.size AND stamp = excluded.stamp THEN tries ELSE 0 END,
    size = excluded.size, stamp = excluded.stamp, label = excluded.label, test = excluded.test,
    listing = excluded.listing
"""
_GONE = "UPDATE files SET listing = ?1 WHERE listing = ?2 AND name NOT IN (SELECT name FROM listed)"
_GONE_FROM_FOLDER = f"{_GONE} AND name >= ?3 AND name < ?4 AND (?6 OR instr(substr(name, ?5), x'2f') = 0)"
_FOLDER = """
INSERT INTO folders VALUES (?, ?, ?)
ON CONFLICT (prefix) DO UPDATE SET stamp = excluded.stamp, content = excluded.content
WHERE stamp IS NOT excluded.stamp OR content IS NOT excluded.content
"""
NEXT_VERSION = """
INSERT INTO about VALUES ('version', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1
"""
"""What was derived from the tables of another version is computed again."""
_BEGIN_OF_LOST = -(2**40)  # files that are gone have negative numbers of listings, the last ones the highest
_ROWS = 5_000  # rows per statement


def update(
    connection: sqlite3.Connection, found: Iterable[Entry | Folder], *, number: int, shuffled: bool
) -> Iterator[int]:
    """Replace the list of files by what was found, inside the caller's transaction.

    Yields the number of files so far, at last that of all.

    Parameters
    ----------
    found : entries, those of a folder followed by the folder; a folder alone that is `known` is as it was.
    number : of the listing; it is that of every file that is there. 1 when the source is listed for the first time.
    shuffled : see `LibraryIndex.update_listing`.
    """
    writer = _Writer(connection, number)
    for done, one in enumerate(found):
        if isinstance(one, Folder):
            writer.folders.append(one)
            if writer.n_waiting >= _ROWS:
                writer.write_folders()
                yield writer.n_listed
            continue
        name = encoded(one.name)
        rank = int.from_bytes(blake2b(name, digest_size=6).digest()) if shuffled else done
        label = printable(one.label) if one.label else None  # it is shown on the screen as a class
        writer.rows.append((name, one.size, one.stamp, label, int(one.test), rank))
        if len(writer.rows) >= _ROWS:
            writer.write_rows()
            yield writer.n_listed
    yield writer.end()


class _Writer:
    """Rows and folders that were found, and not compared yet with those of the index."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self.rows: list[tuple[bytes, int, str, str | None, int, int]] = []
        self.folders: list[Folder] = []
        self.n_listed = 0
        self._connection, self._number = connection, number
        self._new = connection.execute("SELECT 1 FROM files").fetchone() is None
        self._by_folder = connection.execute("SELECT 1 FROM folders").fetchone() is not None
        self._insert = f"{_NEW}, {number})" if self._new else _LISTED
        self._lost = _value(connection, "lost", _BEGIN_OF_LOST) + 1
        self._n_compared = 0
        self._n_changed = 0
        connection.execute("DELETE FROM listed")
        connection.execute("DELETE FROM visited")

    @property
    def n_waiting(self) -> int:
        """Number of rows and folders to be compared."""
        return self.n_listed - self._n_compared + len(self.rows) + len(self.folders)

    def write_rows(self) -> None:
        """Write the rows: to the index if nothing is in it, else to where they wait for the end of their folder."""
        self.rows.sort(key=lambda row: row[0])  # neighbours in the table's B-tree
        self._connection.executemany(self._insert, self.rows)
        self.n_listed += len(self.rows)
        self._n_changed += len(self.rows) if self._new else 0
        self.rows = []

    def write_folders(self) -> None:
        """Write the folders, and what has changed in them."""
        self.write_rows()
        run = self._connection.executemany
        run("INSERT OR IGNORE INTO visited VALUES (?)", ((encoded(folder.prefix),) for folder in self.folders))
        listed = [folder for folder in self.folders if folder.listed]
        run(_FOLDER, ((encoded(folder.prefix), folder.stamp, folder.to_json()) for folder in listed))
        if self._by_folder and listed:
            self._compare(listed)
        self.folders = []

    def end(self) -> int:
        """Write the rest, and what is gone; returns the number of files."""
        self.write_folders()
        connection = self._connection
        rows = connection.execute("SELECT * FROM folders WHERE prefix NOT IN (SELECT prefix FROM visited)")
        vanished = [Folder.from_json(decoded(prefix), stamp, content) for prefix, stamp, content in rows]
        connection.executemany("DELETE FROM folders WHERE prefix = ?", ((encoded(one.prefix),) for one in vanished))
        if self._by_folder:
            self._compare(vanished)
        elif not self._new:
            self._store_changed()
            self._n_changed += connection.execute(_GONE, (self._lost, self._number)).rowcount
        if self._n_changed:
            count = connection.execute("SELECT COUNT(*) FROM files WHERE listing = ?", (self._number,)).fetchone()[0]
            values = (("listing", self._number), ("files", count), ("lost", self._lost))
            connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", values)
            connection.execute(NEXT_VERSION)
        connection.execute("DELETE FROM listed")
        connection.execute("DELETE FROM visited")
        return _value(connection, "files", 0)

    def _compare(self, folders: list[Folder]) -> None:
        """Write what has changed in folders that were listed again, or are gone."""
        self._store_changed()
        for folder in folders:
            prefix = encoded(folder.prefix)
            end = prefix[:-1] + b"0" if prefix else b"\xff"  # the byte after "/"; no name has the other one
            values = (self._lost, self._number, prefix, end, len(prefix) + 1, folder.deep)
            self._n_changed += self._connection.execute(_GONE_FROM_FOLDER, values).rowcount
        self._connection.execute("DELETE FROM listed")
        self._n_compared = self.n_listed

    def _store_changed(self) -> None:
        self._n_changed += self._connection.execute(_CHANGED, (self._number,)).rowcount


def known_folder(connection: sqlite3.Connection, prefix: str) -> Folder | None:
    """A folder as it was listed last; None if it was not."""
    row = connection.execute("SELECT stamp, content FROM folders WHERE prefix = ?", (encoded(prefix),)).fetchone()
    return None if row is None else Folder.from_json(prefix, *row)


def encoded(name: str) -> bytes:
    """A file name as it is stored; it may not be valid UTF-8."""
    return name.encode("utf-8", "surrogatepass")


def decoded(name: object) -> str:
    """The inverse of `encoded`."""
    assert isinstance(name, bytes)
    return name.decode("utf-8", "surrogatepass")


def _value(connection: sqlite3.Connection, key: str, default: int) -> int:
    row = connection.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
    return default if row is None else int(row[0])

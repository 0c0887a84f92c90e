"""Images that a table names: a manifest of its own, or the metadata of a Hugging Face imagefolder."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tuilabel.datasets.sources.base import (
    LARGEST,
    Content,
    Entry,
    Notes,
    Skipped,
    SourceError,
    read_file,
    reason_of,
    stamp_of,
    title_of,
    too_large,
)
from tuilabel.datasets.sources.directory import Directory
from tuilabel.datasets.sources.elsewhere import Elsewhere
from tuilabel.datasets.sources.layout import Layout, Splits
from tuilabel.datasets.sources.places import Place, fetch, find, is_url
from tuilabel.datasets.sources.tables import NoPaths, Row, rows_of
from tuilabel.errors import TuilabelError

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


class Manifest:
    """The files that the rows of a table name.

    Paths are relative to the table's folder, absolute, or URLs; one may lead out of the folder with `..`, as the table
    is the person's own. A file is called as the table calls it, below the folder relative to it. Files elsewhere are
    not asked for before they are read: a million questions would take hours.
    """

    sequential = False
    rows = None

    def __init__(self, place: Place) -> None:
        self.where = place.where
        self.title = title_of(place.where)
        self._place = place
        self._notes = Notes()
        first = next(rows_of(place), None)
        self.keeps = not place.is_here or (first is not None and is_url(first.path))

    def list(self) -> Iterator[Entry]:
        """Every file that is there, in the order of the table; a file that is named twice comes once."""
        self._notes = Notes()
        splits = Splits({row.split for row in rows_of(self._place) if row.split})
        seen = set[int]()  # of hashes: a million names would be twice as large
        for row in rows_of(self._place):
            name = self._name(row.path)
            if hash(name) in seen:
                self._notes.add(name, "named before")
                continue
            seen.add(hash(name))
            entry = self._entry(name, row, splits)
            if entry is not None:
                yield entry

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The content of the files, those on this machine first."""
        away: dict[int, tuple[Any, list[tuple[str, str]]]] = {}
        for name in names:
            if self._is_here(name):
                yield name, read_file(self.path(name) or "")
                continue
            try:
                place = self._find(name)
            except TuilabelError as error:
                yield name, SourceError(reason_of(error))
            else:
                away.setdefault(id(place.files), (place.files, []))[1].append((name, place.path))
        for files, named in away.values():
            yield from fetch(files, named)

    def path(self, name: str) -> Path | None:
        """The file, where it lies on this machine."""
        return Path(posixpath.normpath(self._place.beside(name).path)) if self._is_here(name) else None

    def skipped(self) -> Skipped:
        """The rows that the last `list` passed over: of files that are not there, are no files, or named before."""
        return self._notes.all()

    def _name(self, path: str) -> str:
        if is_url(path):
            return path
        name, folder = posixpath.normpath(path), posixpath.dirname(self._place.path)
        return name[len(folder) :].lstrip("/") if name.startswith(f"{folder.rstrip('/')}/") else name

    def _is_here(self, name: str) -> bool:
        return self._place.is_here and not is_url(name)

    def _find(self, name: str) -> Place:
        if is_url(name):
            place = find(name)
            if place.is_here:
                raise TuilabelError("name a file of this machine by its path")
            return place
        return self._place.beside(name)

    def _entry(self, name: str, row: Row, splits: Splits) -> Entry | None:
        test = row.split is not None and row.label is not None and splits.is_test(row.split)
        path = self.path(name)
        if path is None:
            return Entry(name, 0, "", row.label, test)
        try:
            status = path.stat()
        except (OSError, ValueError) as error:
            self._notes.add(name, reason_of(error))
            return None
        if not stat.S_ISREG(status.st_mode):
            self._notes.add(name, "no plain file")
        elif status.st_size > LARGEST:
            self._notes.add(name, str(too_large(status.st_size)))
        else:
            return Entry(name, status.st_size, stamp_of(status), row.label, test)
        return None


class Described:
    """A folder of images with tables of their classes: an imagefolder of Hugging Face's datasets.

    `metadata.csv`, `.jsonl` or `.parquet` lies in the folder or in its split folders (train, validation, test) and
    names the files below it. Images that it does not name have no class.
    """

    sequential = False
    rows = None

    def __init__(self, folder: Directory | Elsewhere, tables: dict[str, Place], layout: Layout) -> None:
        self.where, self.title, self.keeps = folder.where, folder.title, folder.keeps
        self._folder, self._tables, self._layout = folder, tables, layout
        self._notes = Notes()

    def list(self) -> Iterator[Entry]:
        """Every image below the folder, with its class."""
        self._notes = Notes()
        labels = {
            posixpath.normpath(prefix + row.path): row.label
            for prefix, table in self._tables.items()
            for row in rows_of(table)
        }
        for entry in self._folder.list():
            label = labels.pop(entry.name, None) or entry.label
            test = label is not None and self._layout.is_test(entry.name)
            yield Entry(entry.name, entry.size, entry.stamp, label, test)
        for name in labels:
            self._notes.add(name, "named by the metadata, but not there")

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """As the folder reads."""
        return self._folder.read(names)

    def path(self, name: str) -> Path | None:
        """As the folder's."""
        return self._folder.path(name)

    def skipped(self) -> Skipped:
        """What the folder passed over, and files that the tables name in vain."""
        return [*self._folder.skipped(), *self._notes.all()]


def described(folder: Directory | Elsewhere, place: Place) -> Directory | Elsewhere | Described:
    """The folder with the tables of classes in it, or as it is where there are none."""
    folders = folder.folders()
    layout, tables = Layout(folders), dict[str, Place]()
    for prefix in ("", *(f"{name}/" for name in sorted(folders) if layout.is_split(name))):
        for name in _METADATA:
            table = place.below(prefix + name)
            if table.exists():
                try:
                    next(rows_of(table), None)
                except NoPaths:
                    continue  # metadata of something else
                tables[prefix] = table
                break
    return Described(folder, tables, layout) if tables else folder

"""Images listed in a table: a manifest, or the metadata of a Hugging Face imagefolder."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tuilabel.datasets.sources.base import (
    MAX_FILE_BYTES,
    Content,
    Entry,
    SkipLog,
    Skipped,
    SourceError,
    read_file,
    reason_of,
    stamp_of,
    title_of,
    too_large,
)
from tuilabel.datasets.sources.directory import Directory
from tuilabel.datasets.sources.file_refs import FileRef, fetch, file_ref
from tuilabel.datasets.sources.folders import PackedFile
from tuilabel.datasets.sources.layout import Layout, Splits
from tuilabel.datasets.sources.remote_directory import RemoteDirectory
from tuilabel.datasets.sources.remote_policy import check_named
from tuilabel.datasets.sources.tables import NoPathColumn, Row, read_rows
from tuilabel.datasets.sources.texts import is_url, normal, paths_meant
from tuilabel.errors import TuilabelError

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


class Manifest(PackedFile):
    """The files listed in a table.

    Paths are relative to the table's folder, absolute, or URLs; `..` may lead out of the folder, because the user wrote
    the table. Files below the folder are named relative to it, others as in the table. Remote files are not looked up
    before they are read: a million requests would take hours.
    """

    sequential = False
    is_packed = False
    row_shape = None

    def __init__(self, ref: FileRef) -> None:
        self.location = ref.location
        self.title = title_of(ref.location)
        self._ref = ref
        self._skipped = SkipLog()
        first = next(read_rows(ref), None)
        self.keeps_copies = not ref.is_local or (first is not None and is_url(first.path))

    def _listed(self) -> Iterator[Entry]:
        """Every file that exists, in the order of the table; a file that is listed twice is yielded once."""
        self._skipped = SkipLog()
        splits = Splits({row.split for row in read_rows(self._ref) if row.split})
        seen = dict[int, str | None]()  # by hash: a million names would take twice the memory
        for row in read_rows(self._ref):
            if row.problem:
                self._skipped.add(row.where, row.problem)
                continue
            name = self._name(row.path)
            if hash(name) in seen:
                first = seen[hash(name)]
                agrees = row.label is None or row.label == first
                self._skipped.add(name, "listed before" + ("" if agrees else f": as {first}, and here as {row.label}"))
                continue
            seen[hash(name)] = row.label
            entry = self._entry(name, row, splits)
            if entry is not None:
                yield entry

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The content of the files, local ones first."""
        remote: dict[int, tuple[Any, list[tuple[str, str]]]] = {}
        for name in names:
            if self._is_local(name):
                yield name, read_file(self.path(name) or "")
                continue
            try:
                ref = self._find(name)
            except TuilabelError as error:
                yield name, SourceError(reason_of(error))
            else:
                remote.setdefault(id(ref.filesystem), (ref.filesystem, []))[1].append((name, ref.path))
        for files, named in remote.values():
            yield from fetch(files, named)

    def path(self, name: str) -> Path | None:
        """The file, if it is on a local disk."""
        return Path(posixpath.normpath(self._ref.sibling(name).path)) if self._is_local(name) else None

    def skipped(self) -> Skipped:
        """The rows that the last `list` skipped: missing files, files that are not regular, and repeated ones."""
        return self._skipped.all()

    def passed_over(self) -> dict[str, int]:
        """Nothing: the table says which files are images."""
        return {}

    def _name(self, path: str) -> str:
        """The name of the file that is meant: the first of `paths_meant` that exists, else the path as it is."""
        if is_url(path) and not path.lower().startswith("file:"):
            return path
        if not self._ref.is_local:
            return self._relative(path.replace("\\", "/"))
        names = [self._relative(other) for other in paths_meant(path) if not is_url(other)]
        return names[0] if len(names) == 1 else next(filter(self._exists, names), next(iter(names), path))

    def _relative(self, path: str) -> str:
        name, folder = posixpath.normpath(path), posixpath.dirname(self._ref.path)
        return name[len(folder) :].lstrip("/") if name.startswith(f"{folder.rstrip('/')}/") else name

    def _exists(self, name: str) -> bool:
        return os.path.exists(self.path(name) or "")  # noqa: PTH110 - never raises

    def _is_local(self, name: str) -> bool:
        return self._ref.is_local and not is_url(name)

    def _find(self, name: str) -> FileRef:
        if is_url(name):
            check_named(name, self._ref.location)
            ref = file_ref(name)
            if ref.is_local:
                raise TuilabelError("name a local file by its path")
            return ref
        return self._ref.sibling(name)

    def _entry(self, name: str, row: Row, splits: Splits) -> Entry | None:
        test = row.split is not None and row.label is not None and splits.is_test(row.split)
        path = self.path(name)
        if path is None:
            return Entry(name, 0, "", row.label, test)
        try:
            status = path.stat()
        except (OSError, ValueError) as error:
            self._skipped.add(name, reason_of(error))
            return None
        if not stat.S_ISREG(status.st_mode):
            self._skipped.add(name, "not a regular file")
        elif status.st_size > MAX_FILE_BYTES:
            self._skipped.add(name, str(too_large(status.st_size)))
        else:
            return Entry(name, status.st_size, stamp_of(status), row.label, test)
        return None


class DirectoryWithMetadata:
    """A folder of images with tables of their classes: an imagefolder of Hugging Face datasets.

    `metadata.csv`, `.jsonl` or `.parquet` is in the folder or in its split folders (train, validation, test) and lists
    the files below. Images that are not listed have no class.
    """

    sequential = False
    row_shape = None

    def __init__(
        self,
        folder: Directory | RemoteDirectory,
        tables: dict[str, FileRef],
        layout: Layout,
        label_column: str | None = None,
    ) -> None:
        self.location, self.title, self.keeps_copies = folder.location, folder.title, folder.keeps_copies
        self._folder, self._tables, self._layout = folder, tables, layout
        self._label_column = label_column
        self._skipped = SkipLog()

    def list(self) -> Iterator[Entry]:
        """Every image below the folder, with its class."""
        self._skipped = SkipLog()
        labels = dict[str, str | None]()
        for prefix, table in self._tables.items():
            for row in read_rows(table, self._label_column):
                if row.problem:
                    self._skipped.add(f"{prefix}{table.name}, {row.where}", row.problem)
                else:
                    labels[normal(posixpath.normpath(prefix + row.path.replace("\\", "/")))] = row.label
        for entry in self._folder.list():
            label = labels.pop(normal(entry.name), None) or entry.label
            test = label is not None and self._layout.is_test(entry.name)
            yield Entry(entry.name, entry.size, entry.stamp, label, test)
        for name in labels:
            self._skipped.add(name, "listed in the metadata, but missing")

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The content of the files; see the folder."""
        return self._folder.read(names)

    def path(self, name: str) -> Path | None:
        """The file; see the folder."""
        return self._folder.path(name)

    def skipped(self) -> Skipped:
        """What the folder skipped, and files that the tables list but that are missing."""
        return [*self._folder.skipped(), *self._skipped.all()]

    def passed_over(self) -> dict[str, int]:
        """What the folder passed over."""
        return self._folder.passed_over()


def with_metadata(
    folder: Directory | RemoteDirectory, ref: FileRef, label_column: str | None = None
) -> Directory | RemoteDirectory | DirectoryWithMetadata:
    """The folder with its tables of classes, or unchanged if it has none."""
    layout, tables = Layout.find(folder.top), dict[str, FileRef]()
    for prefix in dict.fromkeys(("", layout.root, *layout.splits)):
        for name in _METADATA:
            table = ref.child(prefix + name)
            if table.exists():
                try:
                    next(read_rows(table), None)
                except NoPathColumn:
                    continue  # metadata of another kind
                tables[prefix] = table
                break
    return DirectoryWithMetadata(folder, tables, layout, label_column) if tables else folder

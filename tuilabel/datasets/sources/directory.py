"""A directory of image files, with its subdirectories."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from tuilabel.datasets.sources.base import (
    MAX_FILE_BYTES,
    Content,
    Entry,
    SkipLog,
    Skipped,
    is_hidden,
    is_image,
    read_file,
    reason_of,
    stamp_of,
    title_of,
    too_large,
)
from tuilabel.datasets.sources.folders import Folder, Known, nothing_known, stamp_of_folder
from tuilabel.datasets.sources.layout import Below, Layout
from tuilabel.errors import TuilabelError
from tuilabel.files import keeps_folder_times


class Directory:
    """The images in a directory, found by their suffixes.

    Hidden files and folders, projects (`*.tuilabel`) and folders of the system are skipped. Links to files count as
    files. A linked folder is listed once, after all others, and only if it was not listed under its own name: names do
    not depend on the order in which folders are found, and loops end.

    Parameters
    ----------
    root : the directory.
    labels_from_folders : whether the folders are classes and splits, see `Layout`.
    """

    sequential = False
    keeps_copies = False
    is_packed = False
    row_shape = None

    def __init__(self, root: Path, *, labels_from_folders: bool = False) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 - `resolve` would lose the name that was given
        self.location = str(self.root)
        self.title = title_of(self.location)
        self._labelled = labels_from_folders
        self._skipped = SkipLog()

    def list(self) -> Iterator[Entry]:
        """Every image below the directory, in the order of the file system."""
        return (found for found in self.changes(nothing_known) if isinstance(found, Entry))

    def changes(self, known: Known) -> Iterator[Entry | Folder]:
        """The images of each folder that has changed, followed by the folder; else `known`'s own folder alone.

        A folder has changed if a file or folder in it was added, removed or renamed, not if a file was overwritten.
        """
        layout = Layout.find(self.below) if self._labelled else None
        self._skipped = SkipLog()
        for found in self._walk(known=known, layout="" if layout is None else layout.token):
            if isinstance(found, Folder):
                self._skipped.include(found.log)
            yield layout.classify(found) if isinstance(found, Entry) and layout is not None else found

    def keeps_times(self) -> bool:
        """Whether the time of a folder tells whether it has changed: it does on most file systems."""
        return keeps_folder_times(self.root)

    def below(self, prefix: str) -> Below:
        """What is in a folder, for `Layout.find`.

        Raises
        ------
        TuilabelError : if the folder cannot be read.
        """
        has_images, folders = self.top(prefix)
        return has_images, [name for name in folders if self._holds_images(f"{prefix}{name}/")]

    def top(self, prefix: str = "") -> Below:
        """The same with all folders that are not skipped, whether or not there are images in them."""
        has_images, folders = False, list[str]()
        try:
            with os.scandir(f"{self.location}/{prefix}") as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    if _is_folder(entry):
                        folders.append(entry.name)
                    else:
                        has_images = has_images or is_image(entry.name)
        except OSError as error:
            if not prefix:
                raise self._unreadable(error) from error
        return has_images, folders

    def _holds_images(self, prefix: str) -> bool:
        return any(isinstance(found, Entry) for found in self._walk(prefix))

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files, in the given order."""
        for name in names:
            yield name, read_file(f"{self.location}/{name}")

    def path(self, name: str) -> Path | None:
        """The file itself."""
        return self.root / name

    def skipped(self) -> Skipped:
        """What the last `list` skipped: loops, unreadable folders, broken links, devices, files of over 256 MB."""
        return self._skipped.all()

    def passed_over(self) -> dict[str, int]:
        """Files that are not images, by suffix."""
        return self._skipped.passed_over

    def _walk(self, below: str = "", known: Known = nothing_known, layout: str = "") -> Iterator[Entry | Folder]:
        try:
            # A link to a folder above the root would add everything in it.
            seen = {_identity(folder.stat()) for folder in (self.root, *self.root.resolve().parents)}
        except OSError as error:
            raise self._unreadable(error) from error
        folders, links = [(below, self._status(below))], list[str]()
        while folders or links:
            if folders:
                prefix, status = folders.pop()
            else:
                links.sort(reverse=True)
                prefix = links.pop()
                status = self._status(prefix)
                if not _is_new(status, seen):
                    self._skipped.add(prefix.rstrip("/"), "a link to a folder that is listed already, or to a parent")
                    continue
            stamp = "" if status is None else stamp_of_folder(status, layout)
            folder = known(prefix) if stamp else None
            if folder is None or folder.stamp != stamp:
                folder = yield from self._list_folder(prefix, stamp)
            for name in folder.folders:
                status = self._status(f"{prefix}{name}/")
                if _is_new(status, seen):
                    folders.append((f"{prefix}{name}/", status))
            links += [f"{prefix}{name}/" for name in folder.links]
            yield folder

    def _list_folder(self, prefix: str, stamp: str) -> Generator[Entry, None, Folder]:
        folders, links, log = list[str](), list[str](), SkipLog()
        try:
            with os.scandir(f"{self.location}/{prefix}") as entries:
                for entry in entries:
                    name = entry.name
                    if is_hidden(name):
                        continue
                    try:
                        is_folder = entry.is_dir()
                    except OSError as error:
                        log.add(prefix + name, _why(error))
                        continue
                    if is_folder:
                        (links if entry.is_symlink() else folders).append(name)
                    elif is_image(name):
                        listed = self._entry(prefix + name, entry, log)
                        if listed is not None:
                            yield listed
                    else:
                        log.pass_over(name)
        except OSError as error:
            if not prefix:
                raise self._unreadable(error) from error
            log.add(prefix.rstrip("/"), reason_of(error))
        # What was skipped is looked at each time: a link may lead somewhere again without a change of its folder.
        return Folder(prefix, "" if log else stamp, tuple(folders), tuple(links), log)

    def _status(self, prefix: str) -> os.stat_result | None:
        """The status of a folder; None if it cannot be had: listing it will report why."""
        try:
            return os.stat(f"{self.location}/{prefix}")  # noqa: PTH116 - a hundred thousand folders
        except OSError:
            return None

    def _entry(self, name: str, entry: os.DirEntry[str], log: SkipLog) -> Entry | None:
        try:
            status = entry.stat()
        except OSError as error:
            log.add(name, "a broken link" if entry.is_symlink() else reason_of(error))
            return None
        if not stat.S_ISREG(status.st_mode):
            log.add(name, "not a regular file")
            return None
        if status.st_size > MAX_FILE_BYTES:
            log.add(name, str(too_large(status.st_size)))
            return None
        return Entry(name, status.st_size, stamp_of(status))

    def _unreadable(self, error: OSError) -> TuilabelError:
        return TuilabelError(f"cannot read the directory {self.location}: {reason_of(error)}")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # listing the images reports it


def _why(error: OSError) -> str:
    return "a link that leads to itself" if error.errno == errno.ELOOP else reason_of(error)


def _is_new(status: os.stat_result | None, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder was not found before, under another name; it counts as found from now on."""
    if status is None:
        return True
    identity = _identity(status)
    new = identity not in seen
    seen.add(identity)
    return new


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino

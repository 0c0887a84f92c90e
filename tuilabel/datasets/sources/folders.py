"""What is kept of a folder, archive or table that was listed, so that it is listed again only when it has changed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from tuilabel.datasets.sources.base import IMAGE_SUFFIXES, Entry, SkipLog
from tuilabel.datasets.sources.file_refs import FileRef

RACY = 2 * 10**9
"""Nanoseconds: a folder that changed this shortly before it was listed may change once more without a trace.

The coarsest times of a file system, those of FAT, count in two seconds. Git treats its index in the same way."""

_RULES = 1
"""To be raised when a version of the program lists other members of an archive than the last one did."""


@dataclass(frozen=True)
class Folder:
    """A folder of a source, as it was listed; or an archive or a table, with all that it lists.

    Attributes
    ----------
    prefix : its path in the source, ending in '/'; empty for the source itself.
    stamp : see `stamp_of_folder` and `stamp_of_packed`; empty if it has to be listed again in any case.
    folders, links : the names of the folders in it and of links to folders, in the order of the file system.
    log : what was skipped and passed over in it.
    listed : whether this is what was found now, after the entries in it; else it has not changed.
    deep : whether files whose names have more slashes belong to it as well, as to an archive.
    """

    prefix: str
    stamp: str
    folders: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    log: SkipLog = field(default_factory=SkipLog)
    listed: bool = True
    deep: bool = False

    def to_json(self) -> str:
        """Everything but prefix and stamp."""
        return json.dumps([self.folders, self.links, *self.log.to_json(), self.deep])

    @classmethod
    def from_json(cls, prefix: str, stamp: str, text: str) -> Folder:
        """The inverse of `to_json`, also of what earlier versions wrote."""
        folders, links, passed_over, skipped, more, deep = [*json.loads(text), (), 0, False][:6]
        return cls(prefix, stamp, tuple(folders), tuple(links), SkipLog(passed_over, skipped, more), False, deep)


Known = Callable[[str], Folder | None]
"""The folder with a prefix as it was listed last; None if it was not, or is to be listed again."""


@runtime_checkable
class HasFolders(Protocol):
    """A source that can tell which of its folders, archives or tables have changed."""

    @property
    def is_packed(self) -> bool:
        """Whether they are archives: one that has not changed need not be looked into, as they hold what they list."""

    def changes(self, known: Known) -> Iterator[Entry | Folder]:
        """The images of each folder that has changed, followed by the folder; else `known`'s own folder alone."""

    def keeps_times(self) -> bool:
        """Whether the time of a folder changes whenever something is added to it, removed from it or renamed."""


@runtime_checkable
class FindsByStamp(Protocol):
    """An archive whose entries' stamps say where they are, so that it is read without being listed."""

    def find_by(self, stamp_of: Callable[[str], str | None]) -> None:
        """Ask `stamp_of` for the stamp of a file that was listed another time; it gives None if it was not."""


class PackedFile:
    """A source that is one file, an archive or a table: while the file does not change, its listing is kept.

    A subclass lists in `_listed`, which begins a new `_skipped`; it clears `_is_whole` if it could not list everything.
    """

    _ref: FileRef
    _skipped: SkipLog
    _is_whole = True

    def list(self) -> Iterator[Entry]:
        """Every image, in the order of the file; raises `TuilabelError` if it cannot be read."""
        return (found for found in self.changes(nothing_known) if isinstance(found, Entry))

    def changes(self, known: Known) -> Iterator[Entry | Folder]:
        """Every image, followed by the file as a folder; `known`'s own alone if the file has not changed."""
        stamp = stamp_of_packed(self._ref)
        folder = known("") if stamp else None
        if folder is None or folder.stamp != stamp:
            yield from self._listed()
            folder = Folder("", stamp if self._is_whole else "", log=self._skipped, deep=True)
        self._skipped = folder.log
        yield folder

    def keeps_times(self) -> bool:
        """Whether the time of the file tells whether it has changed."""
        return True

    def _listed(self) -> Iterator[Entry]:
        raise NotImplementedError


def nothing_known(_prefix: str) -> Folder | None:
    """Every folder is to be listed."""
    return None


def stamp_of_folder(status: os.stat_result, layout: str) -> str:
    """What changes when a file or folder in a folder is added, removed or renamed; empty if it changed just now.

    A file that is overwritten in place changes nothing of its folder. The device is not part of it: it is another one
    after each mount of the same file system. A clock that was moved back makes folders young, which is harmless.

    Parameters
    ----------
    layout : what else the entries depend on: the folders that are classes.
    """
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < RACY:
        return ""
    return f"{status.st_ino}:{status.st_mtime_ns}:{status.st_ctime_ns}:{layout}"


def stamp_of_packed(ref: FileRef) -> str:
    """What changes when an archive or a table does; empty if it changed just now, or is remote.

    A file that is replaced has another inode, one that is overwritten another time of change, which no program can set.
    """
    if not ref.is_local:
        return ""
    try:
        status = Path(ref.path).stat()
    except OSError:
        return ""
    return stamp_of_folder(status, f"{status.st_size}:{_RULES}:{len(IMAGE_SUFFIXES)}")

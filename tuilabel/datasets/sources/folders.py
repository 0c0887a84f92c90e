"""What is kept of a folder that was listed, so that it is listed again only when it has changed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from tuilabel.datasets.sources.base import Entry, SkipLog

RACY = 2 * 10**9
"""Nanoseconds: a folder that changed this shortly before it was listed may change once more without a trace.

The coarsest times of a file system, those of FAT, count in two seconds. Git treats its index in the same way."""


@dataclass(frozen=True)
class Folder:
    """A folder of a source, as it was listed.

    Attributes
    ----------
    prefix : its path in the source, ending in '/'; empty for the source itself.
    stamp : see `stamp_of_folder`; empty if it has to be listed again in any case.
    folders, links : the names of the folders in it and of links to folders, in the order of the file system.
    log : what was skipped and passed over in it.
    listed : whether this is what was found now, after the entries in it; else it has not changed.
    """

    prefix: str
    stamp: str
    folders: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    log: SkipLog = field(default_factory=SkipLog)
    listed: bool = True

    def to_json(self) -> str:
        """Everything but prefix and stamp."""
        return json.dumps([self.folders, self.links, self.log.passed_over])

    @classmethod
    def from_json(cls, prefix: str, stamp: str, text: str) -> Folder:
        """The inverse of `to_json`, for a folder in which nothing was skipped."""
        folders, links, passed_over = json.loads(text)
        return cls(prefix, stamp, tuple(folders), tuple(links), SkipLog(passed_over), listed=False)


Known = Callable[[str], Folder | None]
"""The folder with a prefix as it was listed last; None if it was not, or is to be listed again."""


@runtime_checkable
class HasFolders(Protocol):
    """A source that can tell which of its folders have changed."""

    def changes(self, known: Known) -> Iterator[Entry | Folder]:
        """The images of each folder that has changed, followed by the folder; else `known`'s own folder alone."""

    def keeps_times(self) -> bool:
        """Whether the time of a folder changes whenever something is added to it, removed from it or renamed."""


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

"""A folder that is not on this machine: in a bucket, on a server, wherever fsspec reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tuilabel.datasets.sources.base import (
    LARGEST,
    Content,
    Entry,
    Notes,
    Skipped,
    is_hidden,
    is_image,
    reason_of,
    title_of,
    too_large,
)
from tuilabel.datasets.sources.layout import Layout
from tuilabel.datasets.sources.places import Place, fetch, stamp_of_info

_DEEPEST = 64  # a server may answer for any folder


class Elsewhere:
    """The images in a folder elsewhere and in all folders below it, found by their suffixes.

    Hidden files and folders and projects (`*.tuilabel`) are passed over, links too.

    Parameters
    ----------
    place : the folder.
    labels_from_folders : whether the folders say the class and the split, see `Layout`.
    """

    sequential = False
    keeps = True
    rows = None

    def __init__(self, place: Place, *, labels_from_folders: bool = False) -> None:
        self.place = place
        self.where = place.where
        self.title = title_of(place.where)
        self._labelled = labels_from_folders
        self._notes = Notes()

    def list(self) -> Iterator[Entry]:
        """Every image below the folder; one folder's files are in memory at a time."""
        self._notes = Notes()
        layout = Layout(self.folders()) if self._labelled else None
        folders = [""]
        while folders:
            prefix = folders.pop()
            try:
                found = self.place.files.ls(self._path(prefix), detail=True)
            except Exception as error:  # each file system has errors of its own
                if not prefix:
                    raise self.place.failure(error) from error
                self._notes.add(prefix, reason_of(error))
                continue
            for info in found:
                name = self._name(info["name"])
                if name in ("", prefix) or is_hidden(name):
                    continue
                if info["type"] == "directory":
                    if name.count("/") < _DEEPEST and name.startswith(prefix):
                        folders.append(name)
                elif is_image(name):
                    size, stamp = stamp_of_info(info)
                    if info["type"] != "file":
                        self._notes.add(name, "no plain file")
                    elif size > LARGEST:
                        self._notes.add(name, str(too_large(size)))
                    else:
                        entry = Entry(name, size, stamp)
                        yield entry if layout is None else layout.sorted_in(entry)

    def folders(self) -> frozenset[str]:
        """The names of the folders at the top that are not passed over.

        Raises
        ------
        TuilabelError : where the folder cannot be listed.
        """
        try:
            found = self.place.files.ls(self._path(""), detail=True)
        except Exception as error:  # each file system has errors of its own
            raise self.place.failure(error) from error
        names = (self._name(info["name"]) for info in found if info["type"] == "directory")
        return frozenset(name for name in names if name and not is_hidden(name))

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files, in the order given, a few fetched at once."""
        return fetch(self.place.files, ((name, self._path(name)) for name in names))

    def path(self, _name: str) -> Path | None:
        """None: it is not here."""
        return None

    def skipped(self) -> Skipped:
        """What the last `list` passed over: links, folders that cannot be listed, files of over 256 MB."""
        return self._notes.all()

    def _path(self, name: str) -> str:
        return f"{self.place.path.rstrip('/')}/{name}" if name else self.place.path

    def _name(self, path: str) -> str:
        root = self.place.path.strip("/")
        path = path.strip("/")
        return path[len(root) :].strip("/") if path == root or not root or path.startswith(f"{root}/") else ""

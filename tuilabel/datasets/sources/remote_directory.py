"""A remote folder: in a bucket, on a server, on any file system that fsspec supports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tuilabel.datasets.sources.base import (
    MAX_FILE_BYTES,
    Content,
    Entry,
    SkipLog,
    Skipped,
    is_hidden,
    is_image,
    reason_of,
    title_of,
    too_large,
)
from tuilabel.datasets.sources.file_refs import FileRef, fetch, stamp_of_info
from tuilabel.datasets.sources.layout import Below, Layout

_MAX_DEPTH = 64  # a server may list subfolders endlessly


class RemoteDirectory:
    """The images in a remote folder and its subfolders, found by their suffixes.

    Hidden files and folders, projects (`*.tuilabel`), folders of the system and links are skipped.

    Parameters
    ----------
    ref : the folder.
    labels_from_folders : whether the folders are classes and splits, see `Layout`.
    """

    sequential = False
    keeps_copies = True
    row_shape = None

    def __init__(self, ref: FileRef, *, labels_from_folders: bool = False) -> None:
        self.ref = ref
        self.location = ref.location
        self.title = title_of(ref.location)
        self._labelled = labels_from_folders
        self._skipped = SkipLog()

    def list(self) -> Iterator[Entry]:
        """Every image below the folder; the names of one folder at a time are in memory."""
        self._skipped = SkipLog()
        layout = Layout.find(self.top) if self._labelled else None
        folders = [""]
        while folders:
            prefix = folders.pop()
            try:
                infos = self.ref.filesystem.ls(self._path(prefix), detail=True)
            except Exception as error:  # each file system raises its own errors
                if not prefix:
                    raise self.ref.error(error) from error
                self._skipped.add(prefix, reason_of(error))
                continue
            for info in infos:
                name = self._name(info["name"])
                if name in ("", prefix) or is_hidden(name):
                    continue
                if info["type"] == "directory":
                    if name.count("/") < _MAX_DEPTH and name.startswith(prefix):
                        folders.append(name)
                elif is_image(name):
                    size, stamp = stamp_of_info(info)
                    if info["type"] != "file":
                        self._skipped.add(name, "not a regular file")
                    elif size > MAX_FILE_BYTES:
                        self._skipped.add(name, str(too_large(size)))
                    else:
                        entry = Entry(name, size, stamp)
                        yield entry if layout is None else layout.classify(entry)
                else:
                    self._skipped.pass_over(name)

    def top(self, prefix: str = "") -> Below:
        """What is in a folder, for `Layout.find`; also folders without images, as a look into each takes a request.

        Raises
        ------
        TuilabelError : if the folder cannot be listed.
        """
        try:
            infos = self.ref.filesystem.ls(self._path(prefix), detail=True)
        except Exception as error:  # each file system raises its own errors
            raise self.ref.error(error) from error
        named = [(self._name(info["name"])[len(prefix) :].strip("/"), info["type"] == "directory") for info in infos]
        named = [(name, is_folder) for name, is_folder in named if name and not is_hidden(name)]
        return any(is_image(name) for name, is_folder in named if not is_folder), [n for n, folder in named if folder]

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the files, in the given order, a few fetched in parallel."""
        return fetch(self.ref.filesystem, ((name, self._path(name)) for name in names))

    def path(self, _name: str) -> Path | None:
        """None: the file is not on a local disk."""
        return None

    def skipped(self) -> Skipped:
        """What the last `list` skipped: links, folders that cannot be listed, files of over 256 MB."""
        return self._skipped.all()

    def passed_over(self) -> dict[str, int]:
        """Files that are not images, by suffix."""
        return self._skipped.passed_over

    def _path(self, name: str) -> str:
        return f"{self.ref.path.rstrip('/')}/{name}" if name else self.ref.path

    def _name(self, path: str) -> str:
        root = self.ref.path.strip("/")
        path = path.strip("/")
        return path[len(root) :].strip("/") if path == root or not root or path.startswith(f"{root}/") else ""

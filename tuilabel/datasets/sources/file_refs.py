"""Files and folders, on a local disk or on any file system that fsspec supports."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

from tuilabel.datasets.sources.base import MAX_FILE_BYTES, Content, SourceError, reason_of, stamp_of, too_large
from tuilabel.datasets.sources.remote_policy import check_remote, connection_options
from tuilabel.datasets.sources.texts import is_url
from tuilabel.errors import TuilabelError, UsageError

_STAMPS = ("ETag", "etag", "md5Hash", "md5", "mtime", "LastModified", "last_modified", "updated", "created")
_AT_ONCE = 16  # files fetched in parallel: their contents are in memory together


@dataclass(frozen=True)
class FileRef:
    """A file or a folder, local or remote.

    Attributes
    ----------
    location : absolute path or URL, without a password.
    path : its path in its file system.
    filesystem : fsspec's file system; None for a local disk.
    """

    location: str
    path: str
    filesystem: Any = None

    @property
    def is_local(self) -> bool:
        """Whether it is on a local disk."""
        return self.filesystem is None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(_without_query(self.location).rstrip("/"))

    def open(self) -> IO[bytes]:
        """The file, opened for reading. Raises whatever its file system raises."""
        if self.is_local:
            return Path(self.path).open("rb")
        opened: IO[bytes] = self.filesystem.open(self.path, "rb")
        return opened

    def is_folder(self) -> bool:
        """Whether it exists and is a folder; raises like `exists`."""
        if self.is_local:
            return os.path.isdir(self.path)  # noqa: PTH112 - never raises
        return bool(self._call("isdir"))

    def exists(self) -> bool:
        """Whether it exists; raises `TuilabelError` if that cannot be determined."""
        if self.is_local:
            return os.path.exists(self.path)  # noqa: PTH110 - never raises
        return bool(self._call("exists"))

    def status(self) -> tuple[int, str]:
        """Its size in bytes and its `Entry.stamp`; raises whatever its file system raises."""
        if self.is_local:
            status = Path(self.path).stat()
            return status.st_size, stamp_of(status)
        return stamp_of_info(self.filesystem.info(self.path))

    def sibling(self, name: str) -> FileRef:
        """A file or folder in the same folder."""
        return FileRef(_in_folder(self.location, name), _in_folder(self.path, name), self.filesystem)

    def child(self, name: str) -> FileRef:
        """A file or folder in this folder."""
        return FileRef(f"{self.location.rstrip('/')}/{name}", f"{self.path.rstrip('/')}/{name}", self.filesystem)

    def children(self) -> list[tuple[str, bool]]:
        """The names in this folder, sorted, each with whether it is a folder; empty if it cannot be listed."""
        return sorted(self.iter_children())

    def iter_children(self) -> Iterator[tuple[str, bool]]:
        """The same one by one, in no order: who looks for one of them need not wait for a million."""
        try:
            if self.is_local:
                with os.scandir(self.path) as entries:
                    yield from ((entry.name, entry.is_dir()) for entry in entries)
                return
            infos = self.filesystem.ls(self.path, detail=True)
        except Exception:  # reading it will report why
            return
        for info in infos:
            name = posixpath.basename(info["name"].rstrip("/"))
            if name:
                yield name, info["type"] == "directory"

    def error(self, error: Exception) -> TuilabelError:
        """The error to raise if it cannot be read."""
        instead = "" if self.is_local else "; try again, or download it and use the local copy"
        return TuilabelError(f"cannot read {self.location}: {reason_of(error)}{instead}")

    def _call(self, method: str) -> object:
        try:
            return getattr(self.filesystem, method)(self.path)
        except Exception as error:  # each file system raises its own errors
            raise self.error(error) from error


def file_ref(text: str) -> FileRef:
    """The file or folder that a path or URL names, whether or not it exists.

    Raises
    ------
    UsageError : if the URL's scheme is unknown.
    TuilabelError : if the scheme needs a package that is not installed, or its server cannot be reached.
    """
    if not is_url(text):
        path = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - keeps the name that was given
        return FileRef(path, path)
    if not text.lower().startswith("file:"):
        check_remote(without_password(text))
    import fsspec  # takes 0.1 s, and is rarely needed

    try:
        files, path = fsspec.core.url_to_fs(text, use_listings_cache=False, **connection_options(text))
    except ImportError as error:
        raise TuilabelError(
            f"cannot read {without_password(text)}: {without_password(reason_of(error))}, then try again"
        ) from error
    except ValueError as error:
        raise UsageError(f"cannot read {without_password(text)}: {without_password(reason_of(error))}") from error
    except Exception as error:  # each file system raises its own errors
        raise TuilabelError(f"cannot reach {without_password(text)}: {without_password(reason_of(error))}") from error
    if type(files).__name__ == "LocalFileSystem":
        return FileRef(path, path)
    return FileRef(without_password(text).rstrip("/"), path, files)


def without_password(url: str) -> str:
    """The URL without its password, to be shown and stored."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)


def stamp_of_info(info: dict[str, Any]) -> tuple[int, str]:
    """Size and `Entry.stamp` of a file, from the info that fsspec gives."""
    return int(info.get("size") or 0), next((str(info[key]) for key in _STAMPS if info.get(key)), "")


def open_zip(ref: FileRef) -> ZipFile:
    """A .zip, opened for reading; raises `BadZipFile` if it is not one, or whatever its file system raises."""
    return ZipFile(ref.path if ref.is_local else ref.open())


def fetch(filesystem: Any, named: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Content]]:
    """The content of remote files, given as (name, path in the file system), a few in parallel."""
    names = iter(named)
    while batch := list(islice(names, _AT_ONCE)):
        try:
            # `cat` would treat names with * or [ as patterns.
            contents = filesystem.cat_ranges([path for _, path in batch], None, None, on_error="return")
        except Exception as error:  # each file system raises its own errors
            contents = [error] * len(batch)
        for (name, _), content in zip(batch, contents, strict=True):
            if isinstance(content, Exception):
                yield name, SourceError(reason_of(content))
            elif len(content) > MAX_FILE_BYTES:
                yield name, too_large(len(content))
            else:
                yield name, bytes(content)


def _in_folder(text: str, name: str) -> str:
    return posixpath.join(_without_query(text).rpartition("/")[0], name)


def _without_query(text: str) -> str:
    return text.partition("?")[0] if is_url(text) else text

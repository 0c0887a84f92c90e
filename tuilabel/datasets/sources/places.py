"""Where a file lies: on this machine's disks, or wherever fsspec reaches."""

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

from tuilabel.datasets.sources.base import LARGEST, Content, SourceError, reason_of, stamp_of, too_large
from tuilabel.errors import TuilabelError, UsageError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_STAMPS = ("ETag", "etag", "md5Hash", "md5", "mtime", "LastModified", "last_modified", "updated", "created")
_AT_ONCE = 16  # files fetched at once: their content is in memory together


@dataclass(frozen=True)
class Place:
    """A file or a folder.

    Attributes
    ----------
    where : absolute path or URL, without a password.
    path : the path that its file system knows it by.
    files : fsspec's file system; None for this machine's disks.
    """

    where: str
    path: str
    files: Any = None

    @property
    def is_here(self) -> bool:
        """Whether it lies on this machine's disks."""
        return self.files is None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(_without_query(self.where).rstrip("/"))

    def open(self) -> IO[bytes]:
        """The file for reading, at its start. Raises what its file system raises."""
        if self.is_here:
            return Path(self.path).open("rb")
        opened: IO[bytes] = self.files.open(self.path, "rb")
        return opened

    def is_folder(self) -> bool:
        """Whether it is there and a folder; raises as `exists` does."""
        if self.is_here:
            return os.path.isdir(self.path)  # noqa: PTH112 - never raises
        return bool(self._asked("isdir"))

    def exists(self) -> bool:
        """Whether it is there; raises `TuilabelError` where that cannot be found out."""
        if self.is_here:
            return os.path.exists(self.path)  # noqa: PTH110 - never raises
        return bool(self._asked("exists"))

    def status(self) -> tuple[int, str]:
        """Its size in bytes and its stamp; raises what its file system raises."""
        if self.is_here:
            status = Path(self.path).stat()
            return status.st_size, stamp_of(status)
        return stamp_of_info(self.files.info(self.path))

    def beside(self, name: str) -> Place:
        """Another place in the same folder."""
        return Place(_in_folder(self.where, name), _in_folder(self.path, name), self.files)

    def below(self, name: str) -> Place:
        """A place in this folder."""
        return Place(f"{self.where.rstrip('/')}/{name}", f"{self.path.rstrip('/')}/{name}", self.files)

    def failure(self, error: Exception) -> TuilabelError:
        """What to tell where it cannot be read."""
        instead = "" if self.is_here else "; try again, or download it and name the copy"
        return TuilabelError(f"cannot read {self.where}: {reason_of(error)}{instead}")

    def _asked(self, question: str) -> object:
        try:
            return getattr(self.files, question)(self.path)
        except Exception as error:  # each file system has errors of its own
            raise self.failure(error) from error


def is_url(text: str) -> bool:
    """Whether a text is a URL."""
    return _SCHEME.match(text) is not None


def find(text: str) -> Place:
    """The place that a path or URL names, whether or not it is there.

    Raises
    ------
    UsageError : where the URL's scheme is unknown.
    TuilabelError : where the scheme needs a package that is not installed, or its server cannot be reached.
    """
    if not is_url(text):
        path = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - keeps the name that was given
        return Place(path, path)
    import fsspec  # takes 0.1 s, and is seldom needed

    try:
        files, path = fsspec.core.url_to_fs(text, use_listings_cache=False)
    except ImportError as error:
        raise TuilabelError(
            f"cannot read {without_password(text)}: {without_password(reason_of(error))}, and start again"
        ) from error
    except ValueError as error:
        raise UsageError(f"cannot read {without_password(text)}: {without_password(reason_of(error))}") from error
    except Exception as error:  # each file system has errors of its own
        raise TuilabelError(f"cannot reach {without_password(text)}: {without_password(reason_of(error))}") from error
    if type(files).__name__ == "LocalFileSystem":
        return Place(path, path)
    return Place(without_password(text).rstrip("/"), path, files)


def without_password(url: str) -> str:
    """The URL as it may be shown and written down."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)


def stamp_of_info(info: dict[str, Any]) -> tuple[int, str]:
    """Size and stamp of what fsspec tells of a file."""
    return int(info.get("size") or 0), next((str(info[key]) for key in _STAMPS if info.get(key)), "")


def opened_zip(place: Place) -> ZipFile:
    """A .zip for reading; raises `BadZipFile` where it is none, and what its file system raises."""
    return ZipFile(place.path if place.is_here else place.open())


def fetch(files: Any, named: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Content]]:
    """The content of files elsewhere, given as (name, path of the file system), a few at once."""
    names = iter(named)
    while batch := list(islice(names, _AT_ONCE)):
        try:
            # `cat` would take names with * or [ for patterns.
            contents = files.cat_ranges([path for _, path in batch], None, None, on_error="return")
        except Exception as error:  # each file system has errors of its own
            contents = [error] * len(batch)
        for (name, _), content in zip(batch, contents, strict=True):
            if isinstance(content, Exception):
                yield name, SourceError(reason_of(content))
            elif len(content) > LARGEST:
                yield name, too_large(len(content))
            else:
                yield name, bytes(content)


def _in_folder(text: str, name: str) -> str:
    return posixpath.join(_without_query(text).rpartition("/")[0], name)


def _without_query(text: str) -> str:
    return text.partition("?")[0] if is_url(text) else text

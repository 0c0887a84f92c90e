"""The interface of a source of images: it lists files and reads them, and does not decode them."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets.sources.passed_over import count_suffix
from tuilabel.errors import JOINERS

IMAGE_SUFFIXES = frozenset(
    (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "ppm", "pgm", "pbm", "pnm"),
        *(("heic", "heif", "hif") if find_spec("pillow_heif") else ()),
        *(("avif",) if find_spec("PIL._avif") else ()),
    )
)
"""The formats that `tuilabel.datasets.decode` reads; some need an optional package."""
MAX_FILE_BYTES = 256 * 2**20
"""Larger image files are not read."""

MAX_TITLE = 64  # characters
NO_TITLE = "images"
"""The title where nothing of the name is left."""

_NAME = frozenset("._-" + JOINERS)
_NAME_CATEGORIES = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "So", "Sk"))
_TRIMMED = ".-_" + JOINERS
_MAX_ENTRIES = 1000
_OF_THE_SYSTEM = frozenset(
    (
        "__macosx", "network trash folder", "temporary items",  # macOS
        "$recycle.bin", "recycler", "system volume information",  # Windows
        "lost+found",  # Linux
        "@eadir", "#recycle", "#snapshot", "@tmp",  # Synology
        "@recycle", "@recently-snapshot", "~snapshot",  # QNAP, NetApp
    )
)  # fmt: skip
_ARCHIVE = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz|zip|csv|tsv|jsonl|ndjson|parquet|npy|npz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source, or one row of an array.

    Attributes
    ----------
    name : unique in the source, '/'-separated, relative to the source; in a manifest, a file outside its folder has
        its absolute path or URL. It may contain any character: newlines, escapes, lone surrogates.
    size : bytes, 0 if unknown.
    stamp : changes when the content may have changed: the modification time, an etag, a checksum.
    label : the class according to the source, if any.
    test : whether it belongs to the test split; never without a class, as it could not be used for testing.
    """

    name: str
    size: int
    stamp: str
    label: str | None = None
    test: bool = False


class SourceError(Exception):
    """A file of a source cannot be read; the message is a short reason."""


Content = bytes | NDArray[np.uint8] | SourceError
"""The result of reading a file: its bytes, a row uint8 (H, W, C) of an array, or why it cannot be read."""

Skipped = list[tuple[str, str]]
"""The names of files that were not listed, each with the reason."""


class Source(Protocol):
    """Images in a directory, archive, array or manifest, local or remote."""

    @property
    def location(self) -> str:
        """The absolute path or URL, without a password. It identifies the source, and so its cache."""

    @property
    def title(self) -> str:
        """A short, non-empty name for files and projects, see `title_of`: 'photos' for photos.tar.gz."""

    @property
    def sequential(self) -> bool:
        """Whether reading in another order than the listed one is slow, as in a compressed tar."""

    @property
    def keeps_copies(self) -> bool:
        """Whether reading a file again is slow (remote or compressed), so that keeping a copy is worthwhile."""

    @property
    def row_shape(self) -> tuple[int, int, int] | None:
        """Shape (H, W, C) of the rows of an array; None for a source of files."""

    def list(self) -> Iterator[Entry]:
        """Every image, in no particular order, one at a time, so that a million of them need little memory.

        Raises
        ------
        TuilabelError : if the source cannot be listed, with a one-line message that says what to do.
        """

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The content of every named file exactly once, in the given order if that is fast, else in the source's order.

        A file that cannot be read, or that `list` did not yield, gives a `SourceError`; nothing is raised.
        """

    def path(self, name: str) -> Path | None:
        """The absolute path of a regular file on a local disk; None if it is not one."""

    def skipped(self) -> Skipped:
        """Files that the last `list` skipped, with the reason; if there are very many, the first ones and a count."""

    def passed_over(self) -> dict[str, int]:
        """How many files the last `list` took for no images, by suffix, without hidden ones."""


class SkipLog:
    """Files that were skipped and why, up to a maximum number."""

    def __init__(
        self, passed_over: Mapping[str, int] | None = None, skipped: Iterable[Sequence[str]] = (), more: int = 0
    ) -> None:
        self._skipped: Skipped = [(name, reason) for name, reason in skipped]
        self._more = more
        self.passed_over = dict(passed_over or {})
        """Number of files that are not images, by suffix."""

    def pass_over(self, name: str) -> None:
        """Count a file that is not an image, by its suffix, unless it is hidden."""
        if not is_hidden(name):
            count_suffix(self.passed_over, name)

    def add(self, name: str, reason: str) -> None:
        """Record that `name` was skipped."""
        if len(self._skipped) < _MAX_ENTRIES:
            self._skipped.append((name, reason))
        else:
            self._more += 1

    def include(self, other: SkipLog) -> None:
        """Add what another log has recorded."""
        for name, reason in other._skipped:
            self.add(name, reason)
        self._more += other._more
        for suffix, n in other.passed_over.items():
            self.passed_over[suffix] = self.passed_over.get(suffix, 0) + n

    def to_json(self) -> tuple[dict[str, int], Skipped, int]:
        """What `SkipLog` takes to be the same again; JSON keeps it."""
        return self.passed_over, self._skipped, self._more

    def __bool__(self) -> bool:
        """Whether something was skipped."""
        return bool(self._skipped)

    def all(self) -> Skipped:
        """The recorded files; if there were too many, the last entry says how many more."""
        return [*self._skipped, *([("…", f"and {self._more:,} more")] if self._more else [])]


def is_image(name: str) -> bool:
    """Whether a file is an image, by its suffix."""
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a part of a '/'-separated name is hidden, a project's folder, or a folder of the system.

    macOS, Windows, Linux and network storage keep thumbnails, deleted files and snapshots in folders of their own.
    """
    return any(map(_is_hidden_part, name.split("/"))) if "/" in name else _is_hidden_part(name)


def _is_hidden_part(part: str) -> bool:
    return (part[:1] == "." and part != ".") or part.lower() in _OF_THE_SYSTEM or part.endswith(".tuilabel")


def is_unsafe(name: str) -> bool:
    """Whether the path of a member points outside its archive."""
    return (
        name.startswith(("/", "\\"))
        or ".." in re.split(r"[/\\]", name)
        or re.match(r"[A-Za-z]:[/\\]", name) is not None
    )


def title_of(location: str) -> str:
    """The short name of a path or URL: its last part without archive suffixes and special characters.

    Letters, digits and pictures of any script stay, in composed form (NFC); it is short enough for a file name.
    """
    composed = unicodedata.normalize("NFC", _last_part(location))
    kept = "".join(c if c in _NAME or unicodedata.category(c) in _NAME_CATEGORIES else " " for c in composed)
    return _shortened("-".join(kept.split()).strip(_TRIMMED)) or NO_TITLE


def plain_title_of(location: str) -> str:
    """The short name in `[A-Za-z0-9._-]` only, as projects of version 0.1 have it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", _last_part(location)).strip(".-_")[:MAX_TITLE] or NO_TITLE


def _last_part(location: str) -> str:
    path = location.partition("?")[0] if "://" in location else location
    return re.sub(r"\{.*?\}", "", _ARCHIVE.sub("", path.rstrip("/").rpartition("/")[2]))


def _shortened(name: str) -> str:
    """At most `MAX_TITLE` characters and twice as many bytes; a character and what joins it stay together."""
    end = min(len(name), MAX_TITLE)
    while len(name[:end].encode()) > 2 * MAX_TITLE or (end < len(name) and unicodedata.category(name[end])[0] in "MC"):
        end -= 1
    return name[:end].rstrip(_TRIMMED)


def stamp_of(status: os.stat_result) -> str:
    """The `Entry.stamp` of a file on disk."""
    return f"{status.st_mtime_ns}"


def read_file(path: str | Path) -> bytes | SourceError:
    """The content of a regular file, or why it cannot be read; never blocks on a pipe or device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return SourceError("not a regular file")
            if status.st_size > MAX_FILE_BYTES:
                return too_large(status.st_size)
            return file.read(MAX_FILE_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return SourceError(reason_of(error))


def too_large(size: int) -> SourceError:
    """The error for a file of `size` bytes, which is too large."""
    return SourceError(f"{size / 1e6:,.0f} MB is too large for an image")


def wrong_format(suffix: str) -> ValueError:
    """The error for a file whose content does not match its suffix."""
    return ValueError(f"not a {suffix} file, or damaged or truncated: create or download it again")


def reason_of(error: Exception) -> str:
    """A short reason, printable and on one line."""
    text = getattr(error, "strerror", None) or re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return text if len(text) <= 80 else text[:79] + "…"

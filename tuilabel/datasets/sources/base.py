"""What a source of images is: it lists files and reads them, and decodes nothing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = frozenset(
    ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "ppm", "pgm", "pbm", "pnm")
)
"""What `tuilabel.datasets.decode` reads."""
LARGEST = 256 * 2**20
"""Bytes of one image file that are read at most."""

_MOST_NOTES = 1000
_ARCHIVE = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz|zip|csv|tsv|jsonl|ndjson|parquet|npy|npz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source, or one row of an array.

    Attributes
    ----------
    name : what the source calls it: unique in it, '/'-separated, relative to the source; a manifest's own name for a
        file elsewhere is its absolute path or URL. It may hold any character: newlines, escapes, lone surrogates.
    size : bytes, 0 where unknown.
    stamp : changes when the content may have changed: the time of change, an etag, a checksum.
    label : the class the source knows, if any.
    test : whether it belongs to the test split; never without a class, as nothing can be tested without.
    """

    name: str
    size: int
    stamp: str
    label: str | None = None
    test: bool = False


class SourceError(Exception):
    """One file of a source cannot be read; the message is a short reason."""


Content = bytes | NDArray[np.uint8] | SourceError
"""What reading a file gives: its bytes, a row uint8 (H, W, C) of an array, or why there is neither."""

Skipped = list[tuple[str, str]]
"""Names that were passed over, each with the reason."""


class Source(Protocol):
    """Images in a directory, an archive, an array, a manifest, here or elsewhere."""

    @property
    def where(self) -> str:
        """The absolute path or URL: identifies the source and names its cache. It holds no password."""

    @property
    def title(self) -> str:
        """A short name for files and projects, of `[A-Za-z0-9._-]` only, never empty: 'photos' for photos.tar.gz."""

    @property
    def sequential(self) -> bool:
        """Whether reading in any order but the listed one is costly, as in a compressed tar."""

    @property
    def keeps(self) -> bool:
        """Whether a file cannot be read again quickly, so that it is worth to keep a copy: elsewhere, compressed."""

    @property
    def rows(self) -> tuple[int, int, int] | None:
        """(H, W, C) of the rows of an array; None for a source of files."""

    def list(self) -> Iterator[Entry]:
        """Every image, in no order that is promised: one at a time, so that a million fit into little memory.

        Raises
        ------
        TuilabelError : where the source cannot be listed, in one line that says what to do.
        """

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The content of every named file exactly once: in the order given where that is cheap, else in the source's.

        What cannot be read comes as a `SourceError`; none is raised. Names that `list` did not give are such errors.
        """

    def path(self, name: str) -> Path | None:
        """The absolute path of a plain file on this machine's disks, None where it is none."""

    def skipped(self) -> Skipped:
        """What the last `list` passed over, with the reason; of very many only the first, and how many more."""


class Notes:
    """What was passed over and why, a bounded number of them."""

    def __init__(self) -> None:
        self._notes: Skipped = []
        self._more = 0

    def add(self, name: str, reason: str) -> None:
        """Note that `name` was passed over."""
        if len(self._notes) < _MOST_NOTES:
            self._notes.append((name, reason))
        else:
            self._more += 1

    def all(self) -> Skipped:
        """The notes, the last of them saying how many more there were."""
        return [*self._notes, *([("…", f"and {self._more:,} more")] if self._more else [])]


def is_image(name: str) -> bool:
    """Whether a file is one of the images, by its suffix."""
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a part of a '/'-separated name is hidden, a project's folder, or what a Mac adds to archives."""
    return any(part[:1] == "." or part == "__MACOSX" or part.endswith(".tuilabel") for part in name.split("/"))


def is_unsafe(name: str) -> bool:
    """Whether the path of a member leads out of its archive."""
    return (
        name.startswith(("/", "\\"))
        or ".." in re.split(r"[/\\]", name)
        or re.match(r"[A-Za-z]:[/\\]", name) is not None
    )


def title_of(where: str) -> str:
    """The short name of a path or URL: its last part without suffixes of archives and odd characters."""
    path = where.partition("?")[0] if "://" in where else where
    last = _ARCHIVE.sub("", path.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", re.sub(r"\{.*?\}", "", last)).strip(".-_")[:64] or "images"


def stamp_of(status: os.stat_result) -> str:
    """The stamp of a file on disk."""
    return f"{status.st_mtime_ns}"


def read_file(path: str | Path) -> bytes | SourceError:
    """The content of a plain file, or why it cannot be had; what is no plain file is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return SourceError("no plain file")
            if status.st_size > LARGEST:
                return too_large(status.st_size)
            return file.read(LARGEST)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return SourceError(reason_of(error))


def too_large(size: int) -> SourceError:
    """The error of a file of `size` bytes, which is too many."""
    return SourceError(f"{size / 1e6:,.0f} MB are too large for an image")


def no_such_format(suffix: str) -> ValueError:
    """The error of a file that is not what its name says."""
    return ValueError(f"it is no {suffix}, damaged or cut short: make or fetch it again")


def reason_of(error: Exception) -> str:
    """A short reason, printable and in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return text if len(text) <= 80 else text[:79] + "…"

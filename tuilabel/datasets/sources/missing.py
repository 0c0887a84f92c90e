"""A source that no longer exists: its cached images can still be viewed, and their labels exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tuilabel.datasets.sources.base import Content, Entry, Skipped, SourceError, title_of
from tuilabel.errors import TuilabelError


class MissingSource:
    """The images that used to be at `location`: none of them can be listed or read."""

    sequential = False
    keeps_copies = False
    row_shape = None

    def __init__(self, location: str) -> None:
        self.location = location
        self.title = title_of(location)

    def list(self) -> Iterator[Entry]:
        """Always raises `TuilabelError`."""
        raise TuilabelError(f"{self.location} no longer exists: name the new location of the images")

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """An error for every name."""
        return ((name, SourceError("the images no longer exist")) for name in names)

    def path(self, _name: str) -> Path | None:
        """None: the file no longer exists."""
        return None

    def skipped(self) -> Skipped:
        """Nothing: no files were listed."""
        return []

    def passed_over(self) -> dict[str, int]:
        """Nothing: no files were listed."""
        return {}

"""A source that is not there any more: what a library keeps of it can still be looked at, and its labels exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tuilabel.datasets.sources.base import Content, Entry, Skipped, SourceError, title_of
from tuilabel.errors import TuilabelError


class Missing:
    """The images that were at `where`: none of them can be listed or read."""

    sequential = False
    keeps = False
    rows = None

    def __init__(self, where: str) -> None:
        self.where = where
        self.title = title_of(where)

    def list(self) -> Iterator[Entry]:
        """Raises `TuilabelError`."""
        raise TuilabelError(f"there is no {self.where} any more: name where the images are now")

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """Every name with the error that it is gone."""
        return ((name, SourceError("the images are not there any more")) for name in names)

    def path(self, _name: str) -> Path | None:
        """None."""
        return None

    def skipped(self) -> Skipped:
        """Nothing."""
        return []

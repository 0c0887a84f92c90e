"""Libraries: small copies of a source's images, with their ids, kept in the cache and growing at the end."""

from __future__ import annotations

from tuilabel.datasets.library.index import Problem
from tuilabel.datasets.library.library import Library
from tuilabel.datasets.library.pool import LibraryPool

__all__ = ["Library", "LibraryPool", "Problem"]

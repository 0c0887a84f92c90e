"""Libraries: small copies of a source's images with their ids, in the cache; new ones are added at the end."""

from __future__ import annotations

from tuilabel.datasets.library.index import Problem
from tuilabel.datasets.library.library import FOLDERS, Library
from tuilabel.datasets.library.pool import LibraryPool

__all__ = ["FOLDERS", "Library", "LibraryPool", "Problem"]

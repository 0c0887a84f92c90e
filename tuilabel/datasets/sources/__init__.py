"""A person's own images: in directories, archives, arrays, manifests, here or elsewhere; listed and read in place."""

from __future__ import annotations

from tuilabel.datasets.sources.base import Content, Entry, Source, SourceError
from tuilabel.datasets.sources.missing import Missing
from tuilabel.datasets.sources.resolve import is_source, open_source

__all__ = ["Content", "Entry", "Missing", "Source", "SourceError", "is_source", "open_source"]

"""Your own images, in a directory, archive, array or manifest, local or remote; listed and read without a copy."""

from __future__ import annotations

from tuilabel.datasets.sources.base import Content, Entry, Source, SourceError
from tuilabel.datasets.sources.missing import MissingSource
from tuilabel.datasets.sources.resolve import is_source, open_source

__all__ = ["Content", "Entry", "MissingSource", "Source", "SourceError", "is_source", "open_source"]

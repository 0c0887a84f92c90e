"""Your own images, in a directory, archive, array or manifest, local or remote; listed and read without a copy."""

from __future__ import annotations

from tuilabel.datasets.sources.base import Content, Entry, Source, SourceError, plain_title_of, title_of
from tuilabel.datasets.sources.folders import FindsByStamp, Folder, HasFolders, nothing_known
from tuilabel.datasets.sources.missing import MissingSource
from tuilabel.datasets.sources.resolve import is_source, open_source

__all__ = [
    "Content",
    "Entry",
    "FindsByStamp",
    "Folder",
    "HasFolders",
    "MissingSource",
    "Source",
    "SourceError",
    "is_source",
    "nothing_known",
    "open_source",
    "plain_title_of",
    "title_of",
]

"""Images as `ImagePool`: datasets known by name, and a person's own. Reading what is here needs no torch."""

from __future__ import annotations

from tuilabel.datasets.builtin.catalogue import DatasetInfo, list_datasets
from tuilabel.datasets.library import LibraryPool
from tuilabel.datasets.open import (
    FOLDERS,
    announcer,
    canonical,
    open_labelled,
    open_pool,
    problems_of,
    source_of,
    title_of,
)
from tuilabel.datasets.pool import ImagePool, ImageSplit

__all__ = [
    "FOLDERS",
    "DatasetInfo",
    "ImagePool",
    "ImageSplit",
    "LibraryPool",
    "announcer",
    "canonical",
    "list_datasets",
    "open_labelled",
    "open_pool",
    "problems_of",
    "source_of",
    "title_of",
]

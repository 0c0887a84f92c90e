"""Images as an `ImagePool`: built-in datasets and your own images. Only a download needs torch."""

from __future__ import annotations

from tuilabel.datasets.builtin.catalogue import DatasetInfo, list_datasets
from tuilabel.datasets.library import LibraryPool
from tuilabel.datasets.open import (
    FileReport,
    announcer,
    open_labelled,
    open_pool,
    report_files,
    with_test,
)
from tuilabel.datasets.pool import HeldOut, ImagePool, ImageSplit, ListedFile, Subset
from tuilabel.datasets.ref import DatasetLike, DatasetRef, are_same_place, as_ref

__all__ = [
    "DatasetInfo",
    "DatasetLike",
    "DatasetRef",
    "FileReport",
    "HeldOut",
    "ImagePool",
    "ImageSplit",
    "LibraryPool",
    "ListedFile",
    "Subset",
    "announcer",
    "are_same_place",
    "as_ref",
    "list_datasets",
    "open_labelled",
    "open_pool",
    "report_files",
    "with_test",
]

"""Image sources as `ImagePool`. Reading a bundled or cached dataset needs no torch."""

from __future__ import annotations

from tuilabel.datasets.catalogue import DatasetInfo, announcer, check_dataset_name, list_datasets, open_pool, views_of
from tuilabel.datasets.pool import ImagePool, ImageSplit

__all__ = [
    "DatasetInfo",
    "ImagePool",
    "ImageSplit",
    "announcer",
    "check_dataset_name",
    "list_datasets",
    "open_pool",
    "views_of",
]

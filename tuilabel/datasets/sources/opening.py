"""Which source a DATASET names."""

from __future__ import annotations

import re
from pathlib import Path

from tuilabel.datasets.catalogue import DATASETS
from tuilabel.datasets.sources.base import Source
from tuilabel.datasets.sources.directory import Directory
from tuilabel.errors import UsageError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz|zip|csv|tsv|jsonl|ndjson|parquet|npy|npz)$", re.IGNORECASE)


def is_source(dataset: str) -> bool:
    """Whether DATASET means a person's own images and no name of the catalogue.

    It does where it has a path separator, a URL's scheme, the suffix of an archive, array or manifest, or is a file or
    directory that is there. A name of the catalogue is always that dataset, also where a folder of that name is there:
    `mnist` is the dataset, `./mnist` the folder.
    """
    if dataset in DATASETS:
        return False
    return bool(
        "/" in dataset
        or dataset in (".", "..", "~")
        or _SCHEME.match(dataset)
        or _SUFFIX.search(dataset)
        or _exists(dataset)
    )


def open_source(dataset: str, *, labels_from_folders: bool = False) -> Source:
    """The source that a path or URL names. It is looked at, but not listed.

    Parameters
    ----------
    dataset : a path or URL, see `is_source`.
    labels_from_folders : whether the folders in it say the class and the split, see `Layout`.

    Raises
    ------
    UsageError : where there is no such thing, or it is nothing that can be read as a source.
    TuilabelError : where it is there, but damaged or not to be had.
    """
    path = Path(dataset).expanduser()
    if path.is_dir():
        return Directory(path, labels_from_folders=labels_from_folders)
    raise UsageError(f"there is no {dataset}: name a directory of images")


def _exists(dataset: str) -> bool:
    try:
        return Path(dataset).exists()
    except (OSError, ValueError):
        return False

"""Which source a DATASET names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuilabel.datasets.builtin.catalogue import DATASETS
from tuilabel.datasets.sources.base import IMAGE_SUFFIXES, Source
from tuilabel.datasets.sources.places import Place, find, is_url
from tuilabel.datasets.sources.tables import TABLES
from tuilabel.errors import UsageError

if TYPE_CHECKING:  # each kind is loaded where it is met: whoever labels MNIST does not wait for them
    from tuilabel.datasets.sources.tars import Tar

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz")
_KNOWN = (*_TARS, ".zip", ".npy", ".npz", *TABLES)
_READABLE = "a folder, .zip, .tar (.gz, .bz2, .xz), .npy, .npz, .csv, .tsv, .jsonl or .parquet"


def is_source(dataset: str) -> bool:
    """Whether DATASET means a person's own images and no name of the catalogue.

    It does where it has a path separator, a URL's scheme, the suffix of an archive, array or table, or is a file or
    directory that is there. A name of the catalogue is always that dataset, also where a folder of that name is there:
    `mnist` is the dataset, `./mnist` the folder.
    """
    if dataset in DATASETS:
        return False
    return (
        "/" in dataset or dataset in (".", "..", "~") or dataset.lower().endswith((*_KNOWN, ".zst")) or _exists(dataset)
    )


def open_source(dataset: str, *, labels_from_folders: bool = False) -> Source:
    """The source that a path or URL names. It is looked at, but not listed.

    A directory whose only files are .tar is shards of WebDataset; one with `metadata.csv`, `.jsonl` or `.parquet` that
    has a column `file_name` is an imagefolder of Hugging Face. `{000000..000009}` in the name of a .tar means many.

    Parameters
    ----------
    dataset : a path or URL, see `is_source`.
    labels_from_folders : whether the folders in it say the class and the split, see `Layout`.

    Raises
    ------
    UsageError : where there is no such thing, or it is nothing that can be read as a source.
    TuilabelError : where it is there, but damaged or not to be had, or the package for its file system is missing.
    """
    if "\0" in dataset or not dataset:
        raise UsageError(f"{dataset!r} is no path: name {_READABLE}")
    name = dataset.partition("?")[0].lower() if is_url(dataset) else dataset.lower()
    if name.endswith(_TARS) and "{" in dataset and not _exists(dataset):
        from tuilabel.datasets.sources.tars import Shards, braces

        where = find(dataset).where
        return Shards(where, [_tar(find(shard), labels_from_folders) for shard in braces(dataset)])
    place = find(dataset)
    if place.is_folder():
        return _folder(place, labels_from_folders)
    if not place.exists():
        raise UsageError(
            f"there is no {place.where}, or it may not be read: name {_READABLE}, or one of `tuilabel datasets`"
        )
    if name.endswith(_TARS):
        return _tar(place, labels_from_folders)
    if name.endswith(".zip"):
        from tuilabel.datasets.sources.zips import Zip

        return Zip(place, labels_from_folders=labels_from_folders)
    if name.endswith((".npy", ".npz")):
        from tuilabel.datasets.sources.arrays import Arrays

        return Arrays(place)
    if name.endswith(TABLES):
        from tuilabel.datasets.sources.manifest import Manifest

        return Manifest(place)
    if name.rpartition(".")[2] in IMAGE_SUFFIXES:
        raise UsageError(f"{place.where} is one image: name the folder that holds it")
    raise UsageError(f"cannot read images from {place.where}: name {_READABLE}")


def _folder(place: Place, labels_from_folders: bool) -> Source:
    from tuilabel.datasets.sources.directory import Directory
    from tuilabel.datasets.sources.elsewhere import Elsewhere
    from tuilabel.datasets.sources.manifest import described

    if place.is_here:
        directory = Directory(Path(place.path), labels_from_folders=labels_from_folders)
        shards = _only_tars(Path(place.path))
        if shards:
            from tuilabel.datasets.sources.tars import Shards

            return Shards(place.where, [_tar(place.below(shard), labels_from_folders) for shard in shards])
        return described(directory, place)
    return described(Elsewhere(place, labels_from_folders=labels_from_folders), place)


def _only_tars(folder: Path) -> list[str]:
    """The .tar files of a folder that has no others and no folders; hidden ones and texts aside."""
    tars = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                name = entry.name.lower()
                if name.endswith(_TARS):
                    tars.append(entry.name)
                elif not name.startswith(".") and not name.endswith((".txt", ".md", ".json")):
                    return []
    except OSError:
        return []  # listing it says why
    return sorted(tars)


def _tar(place: Place, labels_from_folders: bool) -> Tar:
    from tuilabel.datasets.sources.tars import Tar

    if not place.exists():
        raise UsageError(f"there is no {place.where}: check the numbers in the braces")
    return Tar(place, labels_from_folders=labels_from_folders)


def _exists(dataset: str) -> bool:
    return os.path.exists(os.path.expanduser(dataset))  # noqa: PTH110, PTH111 - of any text, and never raises

"""Opens the source that a path or URL names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuilabel.datasets.builtin.catalogue import DATASETS
from tuilabel.datasets.sources.base import IMAGE_SUFFIXES, Source
from tuilabel.datasets.sources.file_refs import FileRef, file_ref
from tuilabel.datasets.sources.tables import TABLES
from tuilabel.datasets.sources.texts import is_url
from tuilabel.errors import UsageError

if TYPE_CHECKING:  # each kind is imported when it is used: labelling MNIST does not wait for them
    from tuilabel.datasets.sources.tars import Tar

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz")
_SUFFIXES = (*_TARS, ".zip", ".npy", ".npz", *TABLES)
_READABLE = "a folder, .zip, .tar (.gz, .bz2, .xz), .npy, .npz, .csv, .tsv, .jsonl or .parquet"


def is_source(dataset: str) -> bool:
    """Whether `dataset` means your own images, and not a built-in dataset.

    It does if it has a path separator, a URL scheme, the suffix of an archive, array or table, or if such a file or
    directory exists. The name of a built-in dataset always means that dataset, even if a folder of that name exists:
    `mnist` is the dataset, `./mnist` the folder.
    """
    if dataset in DATASETS:
        return False
    return (
        "/" in dataset
        or dataset in (".", "..", "~")
        or dataset.lower().endswith((*_SUFFIXES, ".zst"))
        or _exists(dataset)
    )


def open_source(dataset: str, *, labels_from_folders: bool = False, label_column: str | None = None) -> Source:
    """The source that a path or URL names. It is opened, but not listed.

    A directory of nothing but .tar files is a WebDataset; one with a `metadata.csv`, `.jsonl` or `.parquet` that has a
    column `file_name` is an imagefolder of Hugging Face datasets. `{000000..000009}` in the name of a .tar stands for
    several files.

    Parameters
    ----------
    dataset : a path or URL, see `is_source`.
    labels_from_folders : whether the folders in it are classes and splits, see `Layout`.
    label_column : the column of classes in the tables of an imagefolder; by default one with a usual name.

    Raises
    ------
    UsageError : if it does not exist, or cannot be read as a source.
    TuilabelError : if it is damaged or not reachable, or the package for its file system is not installed.
    """
    if "\0" in dataset or not dataset:
        raise UsageError(f"{dataset!r} is not a path: name {_READABLE}")
    name = dataset.partition("?")[0].lower() if is_url(dataset) else dataset.lower()
    if name.endswith(_TARS) and "{" in dataset and not _exists(dataset):
        from tuilabel.datasets.sources.tars import Shards, braces

        location = file_ref(dataset).location
        return Shards(location, [_tar(file_ref(shard), labels_from_folders) for shard in braces(dataset)])
    ref = file_ref(dataset)
    if ref.is_folder():
        return _folder(ref, labels_from_folders, label_column)
    if not ref.exists():
        raise UsageError(
            f"{ref.location} does not exist or cannot be read: name {_READABLE}, or one of `tuilabel datasets`"
        )
    if name.endswith(_TARS):
        return _tar(ref, labels_from_folders)
    if name.endswith(".zip"):
        from tuilabel.datasets.sources.zips import Zip

        return Zip(ref, labels_from_folders=labels_from_folders)
    if name.endswith((".npy", ".npz")):
        from tuilabel.datasets.sources.arrays import Arrays

        return Arrays(ref)
    if name.endswith(TABLES):
        from tuilabel.datasets.sources.manifest import Manifest

        return Manifest(ref)
    if name.rpartition(".")[2] in IMAGE_SUFFIXES:
        raise UsageError(f"{ref.location} is a single image: name its folder")
    raise UsageError(f"cannot read images from {ref.location}: name {_READABLE}")


def _folder(ref: FileRef, labels_from_folders: bool, label_column: str | None) -> Source:
    from tuilabel.datasets.sources.directory import Directory
    from tuilabel.datasets.sources.manifest import with_metadata
    from tuilabel.datasets.sources.remote_directory import RemoteDirectory

    if ref.is_local:
        directory = Directory(Path(ref.path), labels_from_folders=labels_from_folders)
        shards = _only_tars(Path(ref.path))
        if shards:
            from tuilabel.datasets.sources.tars import Shards

            return Shards(ref.location, [_tar(ref.child(shard), labels_from_folders) for shard in shards])
        return with_metadata(directory, ref, label_column)
    return with_metadata(RemoteDirectory(ref, labels_from_folders=labels_from_folders), ref, label_column)


def _only_tars(folder: Path) -> list[str]:
    """The .tar files of a folder that has no folders and, apart from hidden ones and texts, no other files."""
    tars = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name.lower()
                if name.endswith(_TARS):
                    tars.append(entry.name)
                elif not name.startswith(".") and not name.endswith((".txt", ".md", ".json")):
                    return []
    except OSError:
        return []  # listing it will report why
    return sorted(tars)


def _tar(ref: FileRef, labels_from_folders: bool) -> Tar:
    from tuilabel.datasets.sources.tars import Tar

    if not ref.exists():
        raise UsageError(f"{ref.location} does not exist: check the numbers in the braces")
    return Tar(ref, labels_from_folders=labels_from_folders)


def _exists(dataset: str) -> bool:
    return os.path.exists(os.path.expanduser(dataset))  # noqa: PTH110, PTH111 - takes any text, and never raises

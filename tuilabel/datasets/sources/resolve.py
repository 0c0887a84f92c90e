"""Opens the source that a path or URL names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuilabel.datasets.builtin.catalogue import DATASETS
from tuilabel.datasets.sources.base import IMAGE_SUFFIXES, Source, is_hidden, is_image
from tuilabel.datasets.sources.file_refs import FileRef, file_ref
from tuilabel.datasets.sources.tables import TABLES
from tuilabel.datasets.sources.texts import is_url
from tuilabel.errors import UsageError

if TYPE_CHECKING:  # each kind is imported when it is used: labelling MNIST does not wait for them
    from tuilabel.datasets.sources.tars import Tar

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz")
_SUFFIXES = (*_TARS, ".zip", ".npy", ".npz", *TABLES)
_MAX_LOOKS = 20  # folders in which Parquet files are looked for, and files that are looked into
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

    A directory of .tar files and no images is a WebDataset; Parquet files may hold the images themselves; a directory
    with a `metadata.csv`, `.jsonl` or `.parquet` that has a column `file_name` is an imagefolder of Hugging Face data
    sets. `{000000..000009}` in the name of a .tar stands for several files.

    Parameters
    ----------
    dataset : a path or URL, see `is_source`.
    labels_from_folders : whether the folders in it are classes and splits, see `Layout`.
    label_column : the column of classes in the tables of an imagefolder, or in Parquet files with images; by default
        one with a usual name.

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

        return _parquet_images(ref, [ref], label_column) or Manifest(ref)
    if name.rpartition(".")[2] in IMAGE_SUFFIXES:
        raise UsageError(f"{ref.location} is a single image: name its folder")
    raise UsageError(f"cannot read images from {ref.location}: name {_READABLE}")


def _folder(ref: FileRef, labels_from_folders: bool, label_column: str | None) -> Source:
    from tuilabel.datasets.sources.directory import Directory
    from tuilabel.datasets.sources.manifest import with_metadata
    from tuilabel.datasets.sources.remote_directory import RemoteDirectory

    packed = _packed(ref, labels_from_folders, label_column)
    if packed is not None:
        return packed
    if ref.is_local:
        directory = Directory(Path(ref.path), labels_from_folders=labels_from_folders)
        return with_metadata(directory, ref, label_column)
    return with_metadata(RemoteDirectory(ref, labels_from_folders=labels_from_folders), ref, label_column)


def _packed(ref: FileRef, labels_from_folders: bool, label_column: str | None) -> Source | None:
    """The shards of a WebDataset, or the Parquet files with images, in a folder without image files; else None.

    Shards are in the folder itself, with whatever texts and tables, such as those of img2dataset; Parquet files also in
    the folders in it, as in a data set of Hugging Face.
    """
    if any(is_image(name) and not is_hidden(name) for name, is_folder in ref.iter_children() if not is_folder):
        return None
    children = [(name, is_folder) for name, is_folder in ref.children() if not is_hidden(name)]
    folders = [name for name, is_folder in children if is_folder]
    tars = [name for name, is_folder in children if not is_folder and name.lower().endswith(_TARS)]
    if tars and not folders:
        from tuilabel.datasets.sources.tars import Shards

        return Shards(ref.location, [_tar(ref.child(tar), labels_from_folders) for tar in tars])
    files = [name for name, is_folder in children if not is_folder]
    for folder in folders if len(folders) <= _MAX_LOOKS else ():
        if any(is_image(name) for name, _ in ref.child(folder).iter_children()):
            return None
        files += [f"{folder}/{name}" for name, is_folder in ref.child(folder).children() if not is_folder]
    found = [ref.child(name) for name in files if name.lower().endswith(".parquet")]
    return _parquet_images(ref, found, label_column)


def _parquet_images(ref: FileRef, files: Sequence[FileRef], label_column: str | None) -> Source | None:
    """The Parquet files that hold images, if one of the first does."""
    if not files or not files[0].name.lower().endswith(".parquet"):
        return None
    from tuilabel.datasets.sources.parquets import ParquetImages, holds_images

    return ParquetImages(ref.location, files, label_column) if any(map(holds_images, files[:_MAX_LOOKS])) else None


def _tar(ref: FileRef, labels_from_folders: bool) -> Tar:
    from tuilabel.datasets.sources.tars import Tar

    if not ref.exists():
        raise UsageError(f"{ref.location} does not exist: check the numbers in the braces")
    return Tar(ref, labels_from_folders=labels_from_folders)


def _exists(dataset: str) -> bool:
    return os.path.exists(os.path.expanduser(dataset))  # noqa: PTH110, PTH111 - takes any text, and never raises

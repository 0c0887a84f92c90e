"""Decoded pools on disk: .npy files in a folder named by what they were decoded from, opened memory-mapped."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuilabel.datasets.builtin.formats import Arrays
from tuilabel.datasets.pool import ImagePool, ImageSplit, content_ids, fingerprint_of
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir

log = logging.getLogger(__name__)

VERSION = 1


def folder_of(name: str, files: Sequence[Path], *, by_time: bool) -> Path:
    """Where the pool decoded from `files` is cached: another folder as soon as one of them changes.

    `by_time` takes the time of change in; files that come with a package have none that means anything.
    """
    key = hashlib.blake2b(f"{VERSION}".encode(), digest_size=8)
    for path in files:
        status = path.stat()
        key.update(f"|{path.name}|{status.st_size}|{status.st_mtime_ns if by_time else 0}".encode())
    return cache_dir() / "pools" / f"{name}-{key.hexdigest()}"


def load(folder: Path, name: str, classes: tuple[str, ...]) -> ImagePool | None:
    """The pool in `folder`, or None where it is missing, cut short or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        for file, size in meta["bytes"].items():
            if (folder / file).stat().st_size != size:
                raise ValueError(f"{file} has another size than it was written with")
        arrays = {file: np.load(folder / file, mmap_mode="r", allow_pickle=False) for file in meta["bytes"]}
        return ImagePool(
            name,
            arrays["images.npy"],
            arrays["ids.npy"],
            arrays["targets.npy"],
            classes,
            ImageSplit(arrays["test_images.npy"], arrays["test_targets.npy"]),
            str(meta["fingerprint"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        log.info("the cache in %s is damaged and made anew: %s", folder, error)
        return None


def store(folder: Path, name: str, classes: tuple[str, ...], train: Arrays, test: Arrays) -> ImagePool:
    """Write a pool to `folder`, whole or not at all, and open it.

    Raises
    ------
    TuilabelError : where the cache cannot be written.
    """
    ids = content_ids(train[0])
    arrays = {
        "images.npy": train[0],
        "ids.npy": ids,
        "targets.npy": train[1],
        "test_images.npy": test[0],
        "test_targets.npy": test[1],
    }
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        for file, array in arrays.items():
            np.save(temporary / file, array)
        sizes = {file: (temporary / file).stat().st_size for file in arrays}
        meta = {"fingerprint": fingerprint_of(ids, content_ids(test[0])), "bytes": sizes}
        (temporary / "meta.json").write_text(json.dumps(meta))
        _put_in_place(temporary, folder, name, classes)
    except OSError as error:
        raise TuilabelError(
            f"cannot write the cache {folder}: {error.strerror or error} (set TUILABEL_CACHE)"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    pool = load(folder, name, classes)
    if pool is None:
        raise TuilabelError(f"the cache {folder} cannot be read back: check the disk, or set TUILABEL_CACHE")
    return pool


def _put_in_place(temporary: Path, folder: Path, name: str, classes: tuple[str, ...]) -> None:
    """Rename `temporary` to `folder`; where another start was quicker and its work is whole, keep that."""
    try:
        temporary.rename(folder)
    except OSError:
        if load(folder, name, classes) is not None:
            return
        damaged = folder.with_name(f".{folder.name}.{os.getpid()}.damaged")
        folder.rename(damaged)
        temporary.rename(folder)
        shutil.rmtree(damaged, ignore_errors=True)

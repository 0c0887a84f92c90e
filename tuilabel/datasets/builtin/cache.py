"""Decoded pools on disk: memory-mapped .npy files, in a folder named after the files they were decoded from."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuilabel.datasets.array_checks import frozen
from tuilabel.datasets.builtin.formats import Arrays
from tuilabel.datasets.ids import content_ids
from tuilabel.datasets.pool import ImageSplit, PoolContent
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir

log = logging.getLogger(__name__)

VERSION = 1


def folder_of(name: str, files: Sequence[Path], *, by_time: bool) -> Path:
    """Where the pool decoded from `files` is cached: a different folder as soon as one of them changes.

    `by_time` includes the modification time; for files installed with a package it has no meaning.
    """
    key = hashlib.blake2b(f"{VERSION}".encode(), digest_size=8)
    for path in files:
        status = path.stat()
        key.update(f"|{path.name}|{status.st_size}|{status.st_mtime_ns if by_time else 0}".encode())
    return cache_dir() / "pools" / f"{name}-{key.hexdigest()}"


def load(folder: Path) -> PoolContent | None:
    """The pool's arrays in `folder`, or None if they are missing, truncated or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        for file, size in meta["bytes"].items():
            if (folder / file).stat().st_size != size:
                raise ValueError(f"{file} does not have the size it was written with")
        arrays = {
            file: np.load(folder / file, mmap_mode="r" if "images" in file else None, allow_pickle=False)
            for file in meta["bytes"]
        }
        return PoolContent(
            arrays["images.npy"],
            frozen(arrays["ids.npy"]),
            frozen(arrays["targets.npy"]),
            ImageSplit(arrays["test_images.npy"], frozen(arrays["test_targets.npy"])),
            str(meta["fingerprint"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        log.info("the cache in %s is damaged and will be rebuilt: %s", folder, error)
        return None


def store(folder: Path, train: Arrays, test: Arrays) -> PoolContent:
    """Write a pool's arrays to `folder` atomically, and open them memory-mapped.

    Raises
    ------
    TuilabelError : if the cache cannot be written.
    """
    content = PoolContent.of(train[0], content_ids(train[0]), train[1], ImageSplit(*test))
    arrays = {
        "images.npy": train[0],
        "ids.npy": content.ids,
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
        meta = {"fingerprint": content.fingerprint, "bytes": sizes}
        (temporary / "meta.json").write_text(json.dumps(meta))
        _put_in_place(temporary, folder)
    except OSError as error:
        raise TuilabelError(
            f"cannot write the cache {folder}: {error.strerror or error} (set TUILABEL_CACHE)"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    stored = load(folder)
    if stored is None:
        raise TuilabelError(f"the cache {folder} cannot be read back: check the disk, or set TUILABEL_CACHE")
    return stored


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename `temporary` to `folder`; if another process was faster and its result is complete, keep that."""
    try:
        temporary.rename(folder)
    except OSError:
        if load(folder) is not None:
            return
        damaged = folder.with_name(f".{folder.name}.{os.getpid()}.damaged")
        folder.rename(damaged)
        temporary.rename(folder)
        shutil.rmtree(damaged, ignore_errors=True)

"""The file formats of the built-in datasets, read with numpy: no torch, and no pickle that could run code."""

from __future__ import annotations

import gzip
import lzma
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images uint8 (N, H, W, C) and classes int64 (N,)."""


class FormatError(ValueError):
    """A file is not in the format that its name indicates."""


def existing(path: Path) -> Path | None:
    """The file itself or its compressed version (.gz, .xz), whichever exists."""
    return next(
        (p for p in (path, path.with_name(path.name + ".gz"), path.with_name(path.name + ".xz")) if p.is_file()), None
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array of bytes in the idx format of the MNIST family, plain or compressed.

    Raises
    ------
    FormatError : if the header is not that of an idx file of bytes, or the data are truncated.
    """
    opened: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}
    try:
        with opened.get(path.suffix, open)(path, "rb") as file:
            data = file.read()
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise FormatError(f"{path} is truncated or damaged") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise FormatError(f"{path} is not an idx file of bytes")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", data[3], 4))
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if len(values) != int(np.prod(shape)):
        raise FormatError(f"{path} should have {int(np.prod(shape)):,} values, but has {len(values):,}")
    return values.reshape(shape)


def read_idx_pair(images: Path, labels: Path, *, first_label: int = 0, transposed: bool = False) -> Arrays:
    """Grey images and labels of the MNIST family; EMNIST stores its images transposed."""
    pixels, targets = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or targets.ndim != 1 or len(pixels) != len(targets):
        raise FormatError(f"{images} and {labels} do not match")
    if transposed:
        pixels = pixels.transpose(0, 2, 1)
    return np.ascontiguousarray(pixels)[..., None], targets.astype(np.int64) - first_label


def read_svhn(path: Path) -> Arrays:
    """Street View House Numbers, cropped digits: X (32, 32, 3, n), y (n, 1) with label 10 for the zero."""
    from scipy.io import loadmat

    try:
        document = loadmat(path)
        images = np.ascontiguousarray(np.asarray(document["X"]).transpose(3, 0, 1, 2))
        targets = np.asarray(document["y"]).astype(np.int64).reshape(-1)
    except (KeyError, ValueError, TypeError, NotImplementedError, EOFError, IndexError) as error:
        raise FormatError(f"{path} is not a .mat file of SVHN") from error
    if images.dtype != np.uint8 or images.shape[-1] != 3 or len(images) != len(targets):
        raise FormatError(f"{path} is not a .mat file of SVHN")
    return images, targets % 10


def read_cifar(*batches: Path) -> Arrays:
    """CIFAR-10's Python batches: rows of 3072 bytes, planes red, green, blue."""
    rows, labels = [], []
    for path in batches:
        try:
            with path.open("rb") as file:
                document = _ArraysOnly(file, encoding="latin1").load()
            rows.append(np.asarray(document["data"], dtype=np.uint8).reshape(-1, 3, 32, 32))
            labels.append(np.asarray(document["labels"], dtype=np.int64))
        except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise FormatError(f"{path} is not a batch of CIFAR-10") from error
    return np.ascontiguousarray(np.concatenate(rows).transpose(0, 2, 3, 1)), np.concatenate(labels)


class _ArraysOnly(pickle.Unpickler):
    """Loads only dicts, lists, numbers and numpy arrays; a pickle with anything else is rejected."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0], name) in {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}:
            return super().find_class(module, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return super().find_class("numpy._core.multiarray", name)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong in a file of CIFAR-10")


def read_stl10(images: Path, labels: Path) -> Arrays:
    """STL-10's binary files: planes of 96 × 96 in column order, labels from 1."""
    pixels = np.fromfile(images, np.uint8)
    targets = np.fromfile(labels, np.uint8).astype(np.int64) - 1
    if len(pixels) != len(targets) * 3 * 96 * 96:
        raise FormatError(f"{images} and {labels} do not match")
    return np.ascontiguousarray(pixels.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)), targets

"""Checks of the arrays that make a pool, and read-only copies of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array itself if it cannot be changed through any reference, else a read-only copy."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return frozen(array.copy())
        owner = owner.base
    return array


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array, made read-only in place; there must be no other view of it."""
    array.flags.writeable = False
    return array


def check_name(name: str) -> None:
    """Raise `ValueError` unless a pool can be called `name`: it becomes part of file names."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", name):
        raise ValueError(f"name must be up to 64 letters, digits and ._- and not begin with . or -, got {name!r}")


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The class names; raises `ValueError` if they are not distinct, non-empty texts."""
    names = tuple(classes)
    if isinstance(classes, str) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"classes must be a sequence of names, got {classes!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"classes must be distinct, got {', '.join(names)}")
    return names


def checked_images(what: str, images: ArrayLike, shape: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """Images as a read-only uint8 array (N, H, W, C).

    Raises
    ------
    ValueError : if they are not images, or do not have the given `shape` (H, W, C).
    """
    pixels = np.asarray(images)
    if pixels.dtype != np.uint8:
        raise ValueError(f"{what} must be uint8, got {pixels.dtype}: scale the values to 0…255 and convert them")
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or 0 in pixels.shape:
        got = np.shape(images)
        raise ValueError(f"{what} must have shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), none of them 0, got {got}")
    if shape is not None and pixels.shape[1:] != shape:
        raise ValueError(f"{what} must have the shape of the pool's images, {shape}, got {pixels.shape[1:]}")
    return read_only(pixels)


def checked_targets(what: str, targets: ArrayLike, n: int, n_classes: int) -> NDArray[np.int64]:
    """Classes of `n` images as a read-only int64 array; raises `ValueError` if they are not valid."""
    values = np.asarray(targets)
    if values.shape != (n,) or values.dtype.kind not in "iu":
        raise ValueError(f"{what} must be {n:,} integers, one per image, got {values.dtype} of shape {values.shape}")
    if values.min() < 0 or values.max() >= n_classes:
        wrong = values[(values < 0) | (values >= n_classes)][0]
        raise ValueError(f"{what} must be between 0 and {n_classes - 1}, as there are {n_classes} classes, got {wrong}")
    return read_only(values.astype(np.int64, copy=False))


def checked_indices(indices: ArrayLike, n: int) -> NDArray[np.int64]:
    """Distinct indices below `n` as an int64 array; raises `ValueError` if they are not valid."""
    values = np.asarray(indices)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iu":
        raise ValueError(f"indices must be a non-empty list of integers, got {values.dtype} of shape {values.shape}")
    if values.min() < 0 or values.max() >= n:
        wrong = values[(values < 0) | (values >= n)][0]
        raise ValueError(f"indices must be between 0 and {n - 1:,}, got {wrong:,}")
    if len(np.unique(values)) < len(values):
        raise ValueError("indices must be distinct, as every image is one item of the pool")
    return values.astype(np.int64)

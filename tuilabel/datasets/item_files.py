"""The files that the items of a pool come from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class ItemFiles(Protocol):
    """Where the items of a pool come from."""

    def names(self, index: int) -> tuple[str, ...]:
        """The source's names of the files with this content, sorted; empty if none of them is left."""

    def last_name(self, index: int) -> str:
        """The first of these names, or the last one known if no file is left."""

    def path(self, index: int) -> Path | None:
        """Absolute path of the first file; None if it is inside an archive or array, or not on a local disk."""

    def read(self, index: int) -> bytes:
        """The content as an image file (JPEG, PNG, …); raises `TuilabelError` if it is no longer available."""


class ArrayFiles:
    """The rows of an array as files: `mnist#123`, PNG."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._name, self._images = name, images

    def names(self, index: int) -> tuple[str, ...]:
        """`NAME#INDEX`."""
        return (self.last_name(index),)

    def last_name(self, index: int) -> str:
        """`NAME#INDEX`."""
        return f"{self._name}#{index}"

    def path(self, _index: int) -> Path | None:
        """None: a row is not a file."""
        return None

    def read(self, index: int) -> bytes:
        """The row as PNG."""
        return png(self._images[index])


class SubsetFiles:
    """The files of some items of another pool."""

    def __init__(self, whole: ItemFiles, indices: NDArray[np.int64]) -> None:
        self._whole, self._indices = whole, indices

    def names(self, index: int) -> tuple[str, ...]:
        """The names in the whole pool."""
        return self._whole.names(int(self._indices[index]))

    def last_name(self, index: int) -> str:
        """The first of these names, or the last one known."""
        return self._whole.last_name(int(self._indices[index]))

    def path(self, index: int) -> Path | None:
        """The path in the whole pool."""
        return self._whole.path(int(self._indices[index]))

    def read(self, index: int) -> bytes:
        """The content of the file."""
        return self._whole.read(int(self._indices[index]))


def png(image: NDArray[np.uint8]) -> bytes:
    """An image (H, W, C) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()

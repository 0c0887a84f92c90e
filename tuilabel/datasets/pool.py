"""The pool: all images of a dataset in a fixed order, each with an id that its content gives it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class ItemFiles(Protocol):
    """Where the items of a pool come from."""

    def names(self, index: int) -> tuple[str, ...]:
        """What the source calls the files with this content, in order; empty where none of them is there any more."""

    def last_name(self, index: int) -> str:
        """The first of them, or what the file was called when it was there."""

    def path(self, index: int) -> Path | None:
        """The first file on this machine's disks, absolute; None where it lies in an archive, an array, elsewhere."""

    def read(self, index: int) -> bytes:
        """The content of an image file (JPEG, PNG, …); raises `TuilabelError` where it cannot be had any more."""


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
        """None: a row is no file."""
        return None

    def read(self, index: int) -> bytes:
        """The row as PNG."""
        return png(self._images[index])


@dataclass(frozen=True)
class ImageSplit:
    """Test images, uint8 (M, H, W, C), and their classes, int64 (M,)."""

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]


@dataclass
class ImagePool:
    """The images that may be asked.

    A pool may `grow` at its end: an index means the same image for as long as the pool lives.

    Attributes
    ----------
    images : uint8 (N, H, W, C), C 1 or 3; read-only, memory-mapped.
    ids : bytes (N,) of 32 hexadecimal digits; see `content_ids`.
    targets : int64 (N,), true classes for simulations, or None where nobody knows them.
    classes : class names.
    test : the test split, or None.
    fingerprint : hexadecimal digest of all images; names what is derived from them.
    origin : the items' files; None for rows of an array, see `files`.
    """

    name: str
    images: NDArray[np.uint8]
    ids: NDArray[np.bytes_]
    targets: NDArray[np.int64] | None
    classes: tuple[str, ...]
    test: ImageSplit | None
    fingerprint: str
    origin: ItemFiles | None = None
    _order: NDArray[np.int64] | None = field(default=None, init=False, repr=False)
    _sorted_ids: NDArray[np.bytes_] = field(init=False, repr=False)

    @property
    def files(self) -> ItemFiles:
        """What the items are called in their source, and their content."""
        return self.origin or ArrayFiles(self.name, self.images)

    def __len__(self) -> int:
        """Items."""
        return len(self.ids)

    @property
    def cache_name(self) -> str:
        """Names what is derived from the images, up to their number where the pool `grows`."""
        return f"{self.name}-{self.fingerprint[:16]}"

    @property
    def grows(self) -> bool:
        """Whether there may be more items at its end tomorrow; those that there are keep their places."""
        return False

    @property
    def gone(self) -> NDArray[np.int64]:
        """Indices of items whose files are no more: they keep their labels, and are not asked."""
        return np.empty(0, dtype=np.int64)

    def refresh(self) -> int:
        """Take in what has come to the end of the pool since; returns how many items that are."""
        return 0

    def size_of(self, _index: int) -> tuple[int, int]:
        """(width, height) of the image in its source, where it may be larger than in `images`."""
        height, width = self.images.shape[1:3]
        return width, height

    def picture(self, index: int, _longest: int) -> NDArray[np.uint8]:
        """The image as its source has it, upright, at most `longest` pixels a side, uint8 (h, w, C)."""
        image: NDArray[np.uint8] = self.images[index]
        return image

    def indices_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The index of each id, int64 (n,); -1 for one that is not in the pool."""
        if not len(ids) or not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        if self._order is None:
            self._order = np.argsort(self.ids)
            self._sorted_ids = self.ids[self._order]
        wanted = np.array([item.encode() for item in ids])
        places = np.minimum(np.searchsorted(self._sorted_ids, wanted), len(self.ids) - 1)
        return np.where(self._sorted_ids[places] == wanted, self._order[places], -1)


def png(image: NDArray[np.uint8]) -> bytes:
    """An image (H, W, C) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def file_id(content: bytes) -> str:
    """The id of an image file: 128-bit BLAKE2b of its bytes, as 32 hexadecimal digits; it survives renaming."""
    return hashlib.blake2b(content, digest_size=16, person=b"tuilabel").hexdigest()


def content_ids(images: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Ids of images (N, H, W, C): 128-bit BLAKE2b of shape and pixels, as 32 hexadecimal digits, dtype S32.

    They survive renaming and reordering. The k-th copy of an image (k ≥ 1) has k hashed in as well, so that ids
    are unique within a pool.
    """
    shape = repr(images.shape[1:]).encode()
    seen: dict[str, int] = {}
    ids = []
    for image in images:
        digest = hashlib.blake2b(image.tobytes(), digest_size=16, person=b"tuilabel", key=shape).hexdigest()
        copies = seen.get(digest, 0)
        seen[digest] = copies + 1
        if copies:
            digest = hashlib.blake2b(f"{digest}#{copies}".encode(), digest_size=16, person=b"tuilabel").hexdigest()
        ids.append(digest)
    return np.array(ids, dtype="S32")


def fingerprint_of(ids: NDArray[np.bytes_], test_ids: NDArray[np.bytes_] | None) -> str:
    """One digest for a pool and its test split, as 32 hexadecimal digits."""
    digest = hashlib.blake2b(ids.tobytes(), digest_size=16)
    digest.update(b"|")
    digest.update(b"" if test_ids is None else test_ids.tobytes())
    return digest.hexdigest()

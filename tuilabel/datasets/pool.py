"""The pool: all images of a dataset in a fixed order, each with an id that its content gives it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageSplit:
    """Test images, uint8 (M, H, W, C), and their classes, int64 (M,)."""

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]


@dataclass(frozen=True)
class ImagePool:
    """The images that may be asked.

    Attributes
    ----------
    images : uint8 (N, H, W, C), C 1 or 3; read-only, memory-mapped.
    ids : bytes (N,) of 32 hexadecimal digits; see `content_ids`.
    targets : int64 (N,), true classes for simulations, or None where nobody knows them.
    classes : class names.
    test : the test split, or None.
    fingerprint : hexadecimal digest of all images; names what is derived from them.
    """

    name: str
    images: NDArray[np.uint8]
    ids: NDArray[np.bytes_]
    targets: NDArray[np.int64] | None
    classes: tuple[str, ...]
    test: ImageSplit | None
    fingerprint: str

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self.ids)

    @cached_property
    def _sorted_ids(self) -> NDArray[np.bytes_]:
        return self.ids[self._order]

    def indices_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The index of each id, int64 (n,); -1 for one that is not in the pool."""
        if not len(ids) or not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        wanted = np.array([item.encode() for item in ids])
        places = np.minimum(np.searchsorted(self._sorted_ids, wanted), len(self.ids) - 1)
        return np.where(self._sorted_ids[places] == wanted, self._order[places], -1)


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

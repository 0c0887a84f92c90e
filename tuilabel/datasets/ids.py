"""Ids of images, and the fingerprint of a pool, from their content."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


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

"""Photographs from a folder or a tar file, read without extracting them."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tuilabel.errors import TuilabelError

MAX_PHOTOS = 10_000  # held in memory at once
MAX_SIDE = 96  # pixels; they are cropped and reduced to 32 later


def read_photos(source: Path, rng: np.random.Generator) -> list[Image.Image]:
    """Every distinct photograph once, in random order, in RGB and reduced in size.

    Files that are not images are skipped.

    Raises
    ------
    TuilabelError : if `source` is neither a folder nor a tar file, or is damaged.
    """
    photos: dict[bytes, Image.Image] = {}
    for data in _files(source, rng):
        photo = _open_photo(data)
        if photo is not None:
            photos.setdefault(hashlib.blake2b(photo.tobytes(), digest_size=16).digest(), photo)
        if len(photos) == MAX_PHOTOS:
            break
    return list(photos.values())


def _files(source: Path, rng: np.random.Generator) -> Iterator[bytes]:
    """The content of every file, in an order that depends only on their names and the generator."""
    try:
        if source.is_dir():
            paths = sorted(path for path in source.rglob("*") if path.is_file())
            for k in rng.permutation(len(paths)):
                yield paths[k].read_bytes()
            return
        with tarfile.open(source) as archive:
            members = sorted((member for member in archive if member.isfile()), key=lambda member: member.name)
            order = rng.permutation(len(members))
            kept = {members[k].name: rank for rank, k in enumerate(order[:MAX_PHOTOS].tolist())}
            contents: list[bytes] = [b""] * len(kept)
            # In the order of the archive: going back would decompress everything again.
            for member in sorted(members, key=lambda member: member.offset):
                file = archive.extractfile(member) if member.name in kept else None
                if file is not None:
                    contents[kept[member.name]] = file.read()
            yield from contents
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or "neither a folder nor a complete tar file"
        raise TuilabelError(f"cannot read photographs from {source}: {reason}") from error


def _open_photo(data: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            photo = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if min(photo.size) < 8:
        return None
    photo.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BILINEAR)
    return photo

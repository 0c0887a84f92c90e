"""Photographs from a folder or a tar file, read in place."""

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

MOST = 10_000  # photographs held at once
LONGEST = 96  # pixels of a side that are kept: they are cut down to 32


def read_photos(source: Path, rng: np.random.Generator) -> list[Image.Image]:
    """Every photograph once, however many copies there are, in an order drawn at random, in RGB and small.

    Files that are no images are passed over.

    Raises
    ------
    TuilabelError : where `source` is neither a folder nor a tar file or is damaged.
    """
    found: dict[bytes, Image.Image] = {}
    for data in _files(source, rng):
        photo = _opened(data)
        if photo is not None:
            found.setdefault(hashlib.blake2b(photo.tobytes(), digest_size=16).digest(), photo)
        if len(found) == MOST:
            break
    return list(found.values())


def _files(source: Path, rng: np.random.Generator) -> Iterator[bytes]:
    """The content of every file, in an order that depends on their names and the generator only."""
    try:
        if source.is_dir():
            paths = sorted(path for path in source.rglob("*") if path.is_file())
            for k in rng.permutation(len(paths)):
                yield paths[k].read_bytes()
            return
        with tarfile.open(source) as archive:
            members = sorted((member for member in archive if member.isfile()), key=lambda member: member.name)
            order = rng.permutation(len(members))
            kept = {members[k].name: rank for rank, k in enumerate(order[:MOST].tolist())}
            contents: list[bytes] = [b""] * len(kept)
            for member in sorted(members, key=lambda member: member.offset):  # going back would unpack all again
                file = archive.extractfile(member) if member.name in kept else None
                if file is not None:
                    contents[kept[member.name]] = file.read()
            yield from contents
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or "neither a folder nor a whole tar file"
        raise TuilabelError(f"cannot read photographs from {source}: {reason}") from error


def _opened(data: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            photo = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if min(photo.size) < 8:
        return None
    photo.thumbnail((LONGEST, LONGEST), Image.Resampling.BILINEAR)
    return photo

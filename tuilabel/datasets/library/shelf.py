"""Images and ids as rows of flat files, which grow at the end: what was mapped before stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ID = 32  # bytes of an id


class Shelf:
    """The images of one part of a library, all of one shape, with their ids.

    How many rows count is for others to say: rows that a reading left behind when it died are written over.
    """

    def __init__(self, folder: Path, part: str, shape: tuple[int, int, int]) -> None:
        self._images, self._ids = folder / f"{part}-images.bin", folder / f"{part}-ids.bin"
        self._shape = shape

    def write(self, place: int, images: NDArray[np.uint8], ids: Sequence[str]) -> None:
        """Put images (n, H, W, C) and their ids at `place` and after. Raises `OSError` where there is no room."""
        row = int(np.prod(self._shape))
        for path, start, data in (
            (self._images, place * row, images.tobytes()),
            (self._ids, place * ID, "".join(ids).encode()),
        ):
            path.touch()
            with path.open("r+b") as file:
                file.seek(start)
                file.write(data)

    def images(self, n: int) -> NDArray[np.uint8]:
        """The first n images, uint8 (n, H, W, C), memory-mapped and read-only."""
        return self._mapped(self._images, np.dtype(np.uint8), (n, *self._shape))

    def ids(self, n: int) -> NDArray[np.bytes_]:
        """Their ids, S32 (n,)."""
        return self._mapped(self._ids, np.dtype(f"S{ID}"), (n,))

    @staticmethod
    def _mapped(path: Path, kind: np.dtype, shape: tuple[int, ...]) -> NDArray:  # type: ignore[type-arg]
        """Raises `OSError` or `ValueError` where the file is missing or shorter than that."""
        if not shape[0]:
            return np.empty(shape, dtype=kind)
        return np.memmap(path, dtype=kind, mode="r", shape=shape)

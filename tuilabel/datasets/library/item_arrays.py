"""Images and ids as rows of flat files that grow at the end: existing memory maps stay valid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets.array_checks import frozen

ID = 32  # bytes of an id


class ItemArrays:
    """The images of one part of a library, all of one shape, with their ids.

    The number of valid rows is in the index: rows that a crashed process left behind are overwritten.
    """

    def __init__(self, folder: Path, part: str, shape: tuple[int, int, int]) -> None:
        self._images, self._ids = folder / f"{part}-images.bin", folder / f"{part}-ids.bin"
        self._shape = shape

    def write(self, start: int, images: NDArray[np.uint8], ids: Sequence[str]) -> None:
        """Write images (n, H, W, C) and their ids from row `start` on. Raises `OSError` if the disk is full."""
        row = int(np.prod(self._shape))
        for path, offset, data in (
            (self._images, start * row, images.tobytes()),
            (self._ids, start * ID, "".join(ids).encode()),
        ):
            path.touch()
            with path.open("r+b") as file:
                file.seek(offset)
                file.write(data)

    def holds(self, n: int) -> bool:
        """Whether the files are long enough for n images."""
        sizes = ((self._images, int(np.prod(self._shape))), (self._ids, ID))
        return not n or all(path.exists() and path.stat().st_size >= n * size for path, size in sizes)

    def images(self, n: int) -> NDArray[np.uint8]:
        """The first n images, uint8 (n, H, W, C), memory-mapped and read-only."""
        return self._mapped(self._images, np.dtype(np.uint8), (n, *self._shape))

    def ids(self, n: int) -> NDArray[np.bytes_]:
        """The ids of the first n images, S32 (n,); in memory, as every answer needs one."""
        return frozen(np.array(self._mapped(self._ids, np.dtype(f"S{ID}"), (n,))))

    @staticmethod
    def _mapped(path: Path, kind: np.dtype, shape: tuple[int, ...]) -> NDArray:  # type: ignore[type-arg]
        """Raises `OSError` or `ValueError` if the file is missing or too short."""
        if not shape[0]:
            return np.empty(shape, dtype=kind)
        return np.memmap(path, dtype=kind, mode="r", shape=shape)

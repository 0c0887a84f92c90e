"""The cache of features: a file that grows block by block, so that an interrupted extraction is resumed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError

_MAGIC = b"tuilabel features 1\n"
_HEADER = 32  # bytes: the magic, then the width as a number of 8 bytes


class FeatureFile:
    """Rows of features, float16 (n, F), each with a checksum: what a crash has left half written is not used.

    A row depends on its position alone, whoever writes it, so two processes may write at the same time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> NDArray[np.float16] | None:
        """The rows that are complete, memory-mapped (n, F); None if there are none."""
        try:
            with self.path.open("rb") as file:
                header = file.read(_HEADER)
            if len(header) < _HEADER or not header.startswith(_MAGIC):
                return None
            dtype = _row(int.from_bytes(header[-8:], "little"))
            n = (self.path.stat().st_size - _HEADER) // dtype.itemsize
            table = np.memmap(self.path, dtype, "r", _HEADER, (n,)) if n else np.empty(0, dtype)
        except (OSError, ValueError):
            return None
        while n and zlib.crc32(table["features"][n - 1].tobytes()) != table["checksum"][n - 1]:
            n -= 1
        features: NDArray[np.float16] = table["features"][:n]
        return features if n else None

    @contextmanager
    def writer(self) -> Iterator[Callable[[int, NDArray[np.float16]], None]]:
        """Yield a function that writes rows (n, F) from a position on.

        Raises
        ------
        TuilabelError : if the file cannot be written.
        """
        with self._naming_it():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
            file = self.path.open("r+b", buffering=0)

        def write(position: int, features: NDArray[np.float16]) -> None:
            dtype = _row(features.shape[1])
            block = np.empty(len(features), dtype)
            block["features"] = features
            block["checksum"] = [zlib.crc32(row.tobytes()) for row in features]
            header = _MAGIC.ljust(_HEADER - 8, b"\0") + features.shape[1].to_bytes(8, "little")
            with self._naming_it():
                file.seek(0)
                if file.read(_HEADER) != header:
                    file.truncate(0)
                    file.seek(0)
                    file.write(header)
                file.seek(_HEADER + position * dtype.itemsize)
                file.write(block.tobytes())

        with file:
            yield write

    @contextmanager
    def _naming_it(self) -> Iterator[None]:
        """Say of an error of the system that it is this file's; one of who computes the features goes on as it is."""
        try:
            yield
        except OSError as error:
            raise TuilabelError(f"cannot write {self.path}: {error.strerror or error}") from error


def _row(width: int) -> np.dtype[Any]:
    return np.dtype([("features", "<f2", (width,)), ("checksum", "<u4")])

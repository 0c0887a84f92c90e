"""Rows of arrays on disk, read without the risk that memory maps carry."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError


def read_row(array: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
    """One row of an array; of a memory-mapped one, or a view of it, it is read from the file.

    Touching a part of a map that its file no longer covers ends the process by SIGBUS, which nothing in Python can
    prevent: a screen would die and leave the terminal as it is.

    Raises
    ------
    TuilabelError : if the file has become too short, or cannot be read.
    IndexError : if there is no such row.
    """
    row: NDArray[np.uint8] = array[index]
    owner = _mapped_owner(array)
    if owner is None or not row.flags.c_contiguous:
        return row
    path, begin = Path(str(owner.filename)), owner.offset + row.ctypes.data - owner.ctypes.data
    try:
        with path.open("rb") as file:
            file.seek(begin)
            data = file.read(row.nbytes)
    except FileNotFoundError:  # a file that is gone stays mapped as it was
        return row
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) < row.nbytes:
        raise TuilabelError(f"its file has been cut short: quit and start again, then it is written anew ({path})")
    return np.frombuffer(data, row.dtype).reshape(row.shape)


def _mapped_owner(array: object) -> np.memmap[Any, Any] | None:
    """The array that was mapped from a file, if this one is a view of such: that one knows its place in the file."""
    while isinstance(array, np.ndarray):
        base: object = array.base
        if isinstance(array, np.memmap) and isinstance(base, mmap.mmap):
            return array
        array = base
    return None

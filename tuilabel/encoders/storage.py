"""How latents of many items are kept: in half precision, and in a file that is mapped where they are large.

Rounding them moves a latent by less than a thousandth of what training adds to it as noise (docs/research.md has what
was measured), and halves the file, the pages of it in memory and what a pass reads. In small pools that saves nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir

HALF_FROM = 500_000  # items
IN_MEMORY = 2**28  # bytes of a table, up to which it is not mapped from a file
SINGLE, HALF = np.dtype("<f4"), np.dtype("<f2")


def stored_dtype(n: int) -> np.dtype[Any]:
    """In which latents of n items are kept, float32 or float16."""
    return HALF if n >= HALF_FROM else SINGLE


def as_stored(rows: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Latents in one of these types; where float16 ends it has its largest number, and not infinity."""
    if dtype == HALF and rows.dtype != HALF:
        largest = float(np.finfo(HALF).max)
        rows = np.where(np.isfinite(rows), np.clip(rows, -largest, largest), rows)
    return rows.astype(dtype, copy=False)


def new_table(shape: tuple[int, int], dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    """A table of zeros to fill; a large one lies in a file of the cache without a name, which ends with the process.

    So a pool may be larger than memory: the system writes its pages to the file and takes them back.

    Parameters
    ----------
    what : what it holds, for the errors.

    Raises
    ------
    TuilabelError : if there is no room for it.
    """
    n_bytes = shape[0] * shape[1] * dtype.itemsize
    try:
        if n_bytes <= IN_MEMORY:
            return np.zeros(shape, dtype)
        folder = cache_dir() / "latents"
        folder.mkdir(parents=True, exist_ok=True)
        check_room(folder, n_bytes, what)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # else a disk that fills up later would end the process
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.memmap(file, dtype, "r+", shape=shape)
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "not enough memory"
        raise TuilabelError(f"no room for {what}, {gigabytes(n_bytes)}: {reason}") from error


def check_room(
    folder: Path, n_bytes: int, what: str, instead: str = "set TUILABEL_CACHE to a directory with more"
) -> None:
    """Raise `TuilabelError` if fewer bytes are free in a folder than files of this size take."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise TuilabelError(
            f"{what} take {gigabytes(n_bytes)}, and {gigabytes(free)} are free in {folder}: free some space, or "
            f"{instead}"
        )


def gigabytes(n_bytes: int) -> str:
    """A size, such as "1.3 GB"."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:,.1f} MB"

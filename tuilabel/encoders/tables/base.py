"""What all files of latents have in common: chunks of rows, the names of columns, errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.storage import SINGLE
from tuilabel.errors import TuilabelError, UsageError, printable

IDS = ("id", "ids", "item", "items", "item_id", "item_ids", "image_id", "image_ids")
PATHS = (
    *("path", "paths", "name", "names", "file_name", "file_names", "filename", "filenames", "file", "files"),
    *("filepath", "file_path", "image_path", "image_paths", "img_path", "image", "images", "img"),
)
CHUNK = 2**21  # numbers that are read at a time
_OURS = ("vectors", "vector", "latents", "latent")
_VECTORS = ("embeddings", "embedding", "emb", "features", "feature", "feats", "x", "z", "arr_0")


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, one after another.

    Attributes
    ----------
    start : the position of the first one in the table.
    vectors : float32 (n, D); NaN where a row has no vector.
    ids, paths : of each row, "" where it has none; None if the table has no such column.
    """

    start: int
    vectors: NDArray[np.float32]
    ids: Sequence[str] | None
    paths: Sequence[str] | None


class TableFile(ABC):
    """A table of latents in a file, of which only the header has been read.

    Attributes
    ----------
    n_rows, dim : its shape.
    has_keys : whether its rows have an id or a path; else only their order says which images they are.
    compact : how many of the first numbers compare images best, if the file says so; see `Latents`.
    dtype : in which its vectors are kept, float16 if they are in the file.
    """

    compact: int | None = None
    dtype: np.dtype[Any] = SINGLE

    def __init__(self, path: Path, n_rows: int, dim: int, *, has_keys: bool) -> None:
        self.path, self.n_rows, self.dim, self.has_keys = path, n_rows, dim, has_keys

    @abstractmethod
    def rows(self) -> Iterator[Rows]:
        """All rows, a few megabytes at a time; raises `TuilabelError` if the file is damaged."""

    @property
    def _chunk(self) -> int:
        return max(1, CHUNK // self.dim)


def first_of(words: Sequence[str], names: Iterable[str]) -> str | None:
    """The name that is the first of `words`, in upper or lower case; None if there is none."""
    by_word = {name.strip().lower(): name for name in names}
    return next((by_word[word] for word in words if word in by_word), None)


def pick_vectors(path: Path, candidates: Sequence[str], what: str, available: Sequence[str]) -> str:
    """The array or column of vectors: one named like ours, or the only one of a usual name, or the only one at all."""
    ours = first_of(_OURS, candidates)
    if ours is not None:
        return ours
    usual = [name for name in candidates if name.strip().lower() in _VECTORS]
    for names in (usual, candidates):
        if len(names) == 1:
            return names[0]
    has = printable(", ".join(available[:6])) or "nothing"
    if candidates:
        raise UsageError(f"{path} has several {what}s of vectors: call the one to use `vectors` (it has {has})")
    numbers = "a list of numbers in each row" if what == "column" else "numbers (N, D)"
    raise UsageError(f"{path} has no {what} of vectors: call one `vectors`, {numbers} (it has {has})")


def check_shape(path: Path, shape: tuple[int, ...]) -> None:
    """Raise `UsageError` if a table of this shape (N, D) is empty."""
    n_rows, dim = shape
    if not n_rows or not dim:
        raise UsageError(f"{path} must hold at least one vector of at least one number, got {n_rows:,} of {dim}")


def as_float32(block: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers in single precision; those that are too large become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values are counted as missing
        return block.astype(np.float32, copy=False)


def holds_objects(path: Path, name: str = "") -> UsageError:
    """The error for a file, or an array of it, that would have to be unpickled."""
    what = f"{name} in {path}" if name else f"{path}"
    kind = "text, `np.array(names, dtype=str)`" if name else "numbers, `np.array(vectors, dtype=np.float32)`"
    return UsageError(f"{what} holds Python objects, which are never loaded: save {kind}")


def damaged(path: Path, error: Exception) -> TuilabelError:
    """The error for a file that cannot be read, in one line whatever a library says."""
    reason = printable(" ".join(str(getattr(error, "strerror", None) or error).split()))[:80] or type(error).__name__
    return TuilabelError(f"{path} cannot be read as a table of latents, it is damaged or truncated: {reason}")

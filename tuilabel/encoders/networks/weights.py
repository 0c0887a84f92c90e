"""Files of weights: their digests, and the errors of getting them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.error import URLError

from tuilabel.errors import TuilabelError

T = TypeVar("T")


def weights_digest(file: Path) -> str:
    """The SHA-256 of a file of weights, 64 hexadecimal digits, which is read once for each state of the file.

    Raises
    ------
    TuilabelError : if it cannot be read.
    """
    try:
        state = file.stat()
        return _sha256(file, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise TuilabelError(f"cannot read {file}: {error.strerror or error}") from error


def downloaded(name: str, cache: str, fetch: Callable[[], T]) -> T:
    """What `fetch` returns, a function that finds or downloads the weights of the network `name`.

    Parameters
    ----------
    cache : where weights are kept, for the error message.

    Raises
    ------
    TuilabelError : if that fails.
    """
    try:
        return fetch()
    except (URLError, OSError, RuntimeError, ValueError) as error:
        cause = getattr(error, "reason", None) or error  # a URLError's own text is written for programmers
        reason = " ".join(str(getattr(cause, "strerror", None) or cause).split())[:200] or type(error).__name__
        # What to do comes before the cause: a screen of 80 columns shows the beginning.
        raise TuilabelError(
            f"cannot find or download the weights of {name}: pass `encoder='efficientnet_lite0'`, or put them into "
            f"{cache}: {reason}"
        ) from error


@lru_cache(maxsize=64)
def _sha256(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

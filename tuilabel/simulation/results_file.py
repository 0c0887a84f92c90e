"""Files that results are written to: checked before the work begins, and never overwriting earlier results."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tuilabel.errors import TuilabelError, UsageError


def check_writable(path: Path, parameter: str) -> None:
    """Raise `UsageError` if `path`, the value of `parameter`, cannot be written."""
    reason = None
    if not path.parent.is_dir():
        reason = f"there is no folder {path.parent}"
    elif path.exists() and not path.is_file():
        reason = "it is not a file"
    elif not os.access(path.parent, os.W_OK):
        reason = f"the folder {path.parent} is not writable"
    if reason is not None:
        raise UsageError(f"{parameter} must be a file that can be written, got {path}: {reason}", parameter=parameter)


def has_results(path: Path) -> bool:
    """Whether the file exists and is not empty."""
    return path.exists() and path.stat().st_size > 0


def set_aside(file: Path, note: Callable[[str], object]) -> None:
    """Rename a file of earlier results, which may have taken hours, to FILE.bak.

    Parameters
    ----------
    note : called with a line if the file was renamed.

    Raises
    ------
    TuilabelError : if the file cannot be renamed.
    """
    if not has_results(file):
        return
    kept = file.with_name(f"{file.name}.bak")
    try:
        file.replace(kept)
    except OSError as error:
        raise TuilabelError(f"cannot rename {file} to {kept}: {error.strerror or error}") from error
    note(f"starting over: {file} is now {kept}, which can still be resumed")

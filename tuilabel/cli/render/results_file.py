"""Files that results are written to: tried before the work begins, and none of an earlier command overwritten."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from tuilabel.errors import TuilabelError, UsageError


def check_writable(path: Path, option: str) -> None:
    """Raise `UsageError` where `path`, given as `option`, cannot be written."""
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}, make it or name another")
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path} is no file: name another")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"{option} {path}: the folder {path.parent} cannot be written to, name another")


def has_results(path: Path) -> bool:
    """Whether there is something in the file."""
    return path.exists() and path.stat().st_size > 0


def set_aside(file: Path, err: Console) -> None:
    """Keep the results of an earlier command, which may have taken hours; raises `TuilabelError` where that fails."""
    if not has_results(file):
        return
    kept = file.with_name(f"{file.name}.bak")
    try:
        file.replace(kept)
    except OSError as error:
        raise TuilabelError(f"cannot rename {file} to {kept}: {error.strerror or error}") from error
    err.print(f"starting anew: {file} is now {kept} (--resume goes on with it)", markup=False, soft_wrap=True)

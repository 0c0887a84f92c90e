"""Snapshots of a store: the last few copies of it, in a directory of the project."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tuilabel.errors import TuilabelError
from tuilabel.files import share
from tuilabel.labels.store import Extent
from tuilabel.labels.store.sqlite import copy_file

KEPT = 5
EVERY = 500  # labels
FOLDER = "snapshots"


def snapshots(directory: Path) -> list[Path]:
    """The snapshots of a project, oldest first."""
    return sorted((directory / FOLDER).glob("labels-*.db"))


def take_snapshot(directory: Path, store: Path, extent: Extent) -> Path | None:
    """Copy a store that others may be writing, unless the newest snapshot holds as much, and remove old snapshots.

    Parameters
    ----------
    directory, store : of the project, and its file.
    extent : how much the store holds, which becomes part of the name.

    Returns
    -------
    The new snapshot; None if nothing has changed.

    Raises
    ------
    TuilabelError : if it cannot be written.
    """
    size = f"-{extent.events}-{extent.class_changes}-{extent.rounds}.db"
    before = snapshots(directory)
    if not extent.events or (before and before[-1].name.endswith(size)):
        return None
    folder = directory / FOLDER
    if not folder.is_dir():
        try:
            folder.mkdir()
        except OSError as error:
            raise TuilabelError(f"cannot write {folder}: {error.strerror or error}") from error
        share(folder)
    path = folder / f"labels-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}{size}"
    copy_file(store, path)
    for old in snapshots(directory)[:-KEPT]:
        with suppress(OSError):
            old.unlink()
    return path

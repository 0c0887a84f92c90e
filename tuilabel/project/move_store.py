"""Move the labels of a project between its directory and a server."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuilabel.datasets import DatasetLike
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import Changes, Cursor, LabelStore, Project
from tuilabel.labels.lock import ProjectLock
from tuilabel.labels.project import server_of
from tuilabel.labels.store import LabelsMoved, ServerAddress, schema
from tuilabel.project.locate import find_project
from tuilabel.project.progress import Note, ignore

FILE = "file"
"""What to move labels to that are to be in the project's directory."""


@dataclass(frozen=True)
class MoveSummary:
    """What was moved: where from, where to, how much of each kind, and a digest of it, the same in both stores."""

    project: Path
    source: str
    destination: str
    events: int
    class_changes: int
    rounds: int
    digest: str

    def to_json(self) -> dict[str, Any]:
        """The summary as a plain document."""
        return {**vars(self), "project": str(self.project)}


def move_store(
    to: str, dataset: DatasetLike | None = None, project: Path | None = None, *, note: Note = ignore
) -> MoveSummary:
    """Copy the labels of a project to another store, compare both, and work there from now on.

    The old store is kept, and takes nothing any more. A move that was interrupted is completed by another call.

    Parameters
    ----------
    to : the address of a server, such as `postgresql://HOST/DATABASE`, or "file" for the project's directory.
    dataset, project : see `find_project`.

    Raises
    ------
    UsageError : if `to` is neither, or the labels are there.
    TuilabelError : if somebody is labelling, a store cannot be read or written, or `to` holds other labels.
    """
    opened = find_project(dataset, project, note=note)
    server = None if to == FILE else server_of(opened.directory, to, named="to")
    if server == opened.server:
        raise UsageError(f"the labels of {opened.directory} are in {opened.where} already")
    before = opened.where
    with ProjectLock.take(opened.directory, exclusive=True), closing(_open_source(opened, server)) as source:
        target = _open(opened, server)
        try:
            everything = _copy(source, target, _name(opened, server))
            _copy_members(source, target)
            opened.remember_server(server)
        finally:
            target.close()
    return MoveSummary(
        opened.directory,
        before,
        opened.where,
        len(everything.events),
        len(everything.class_changes),
        len(everything.rounds),
        _digest(everything),
    )


def _name(project: Project, server: ServerAddress | None) -> str:
    """What a store is called in another one that was moved to it."""
    return str(server or project.store.resolve())


def _open(project: Project, server: ServerAddress | None) -> LabelStore:
    """A store of a project, also one that it was moved from."""
    id_ = project.settings.get("id")
    if server is None:
        return LabelStore.open(project.store, id_, moved=True)
    return LabelStore.connect(server.with_password_of_environment(), id_, moved=True)


def _open_source(project: Project, to: ServerAddress | None) -> LabelStore:
    try:
        return project.open_store()
    except LabelsMoved:  # an earlier move was interrupted, or somebody else has moved what this directory is about
        store = _open(project, project.server)
        if store.moved_to != _name(project, to):
            store.close()
            raise
        return store


def _copy(source: LabelStore, target: LabelStore, name: str) -> Changes:
    """Copy what the target lacks, until both are the same and the source is closed; all that they hold.

    Raises
    ------
    UsageError : if both are the same store.
    TuilabelError : if the target holds anything that the source does not.
    """
    while True:
        everything, there = source.since(), target.since()
        missing = _rest(everything, there)
        if missing is None:
            raise TuilabelError(
                f"{target.where} holds other labels than {source.where}: name another schema, or move that file away"
            )
        target.reopen()
        if missing:
            target.add_copy(missing)
        copied = target.since()
        if _digest(copied) != _digest(everything):
            raise TuilabelError(
                f"the copy in {target.where} differs from {source.where}: nothing was moved; report this, please"
            )
        if source.moved_to is None and not source.close_if_unchanged(everything.cursor, name):
            continue  # somebody on another host has labelled meanwhile
        if target.moved_to is not None:
            target.reopen()
            raise UsageError(
                f"the labels are in {name} already, by another address: to change that, edit `store` in settings.toml"
            )
        return everything


def _rest(everything: Changes, there: Changes) -> Changes | None:
    """What is not there yet; None if what is there is not the beginning of everything."""
    rests = []
    for all_, some in (
        (everything.events, there.events),
        (everything.class_changes, there.class_changes),
        (everything.rounds, there.rounds),
    ):
        if _rows(all_[: len(some)]) != _rows(some):
            return None
        rests.append(all_[len(some) :])
    return Changes(rests[0], len(there.events), rests[1], rests[2], Cursor())  # type: ignore[arg-type]


def _rows(entries: Sequence[Any]) -> list[Any]:
    """Entries as they are stored, with the items of rounds."""
    return [
        (schema.row_from(entry), [schema.storable(item) for item in getattr(entry, "items", ())]) for entry in entries
    ]


def _digest(everything: Changes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for entries in (everything.events, everything.class_changes, everything.rounds):
        digest.update(repr(_rows(entries)).encode())
    return digest.hexdigest()


def _copy_members(source: LabelStore, target: LabelStore) -> None:
    """Copy who may do what; leases and sessions are of the moment."""
    table = schema.members
    with source.reading() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    with target.writing() as connection:
        connection.execute(sa.delete(table))
        if rows:
            connection.execute(sa.insert(table), rows)

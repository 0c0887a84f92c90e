"""Copies of a project's labels, and how to get labels back: `backup`, `restore` and `repair`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from tuilabel.datasets import DatasetLike
from tuilabel.errors import TuilabelError, UsageError, pluralize
from tuilabel.files import atomic_write, share
from tuilabel.labels import ClassChange, Event, LabelStore, Project
from tuilabel.labels.lock import ProjectLock
from tuilabel.labels.rescue import Entry, Rescued, in_order, key_of, read_rescue, rescue_files
from tuilabel.labels.salvage import salvage
from tuilabel.labels.snapshots import snapshots
from tuilabel.labels.store import Extent, NewerFormat
from tuilabel.labels.store.sqlite import copy_file
from tuilabel.labels.twin import Twin
from tuilabel.project.locate import SUFFIX, find_project

_BESIDE = ("", "-journal", "-wal", "-shm")


@dataclass(frozen=True)
class Copied:
    """A backup, or what was restored from one.

    Attributes
    ----------
    set_aside : where the labels that were there before are now; None if there were none.
    """

    project: Path
    file: Path
    events: int
    set_aside: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON document."""
        aside = None if self.set_aside is None else str(self.set_aside)
        return {"project": str(self.project), "file": str(self.file), "events": self.events, "set_aside": aside}


@dataclass(frozen=True)
class Repair:
    """What a repair found and did.

    Attributes
    ----------
    found : each place that was looked at, what it held or why it could not be used, and its number of events.
    before : how many events the project had, as far as its twin knew; None if there is none.
    events : how many it has now.
    set_aside : where the store that was there is now; None if it is used again, or was gone.
    """

    project: Path
    found: Sequence[tuple[Path, str, int]]
    before: int | None
    events: int
    set_aside: Path | None

    @property
    def missing(self) -> int:
        """How many events could not be found again."""
        return max(0, (self.before or 0) - self.events)

    def lines(self) -> list[str]:
        """What to tell the user."""
        lines = [f"{path}: {what}" for path, what, _ in self.found]
        if self.set_aside is not None:
            lines.append(f"the store as it was found is now {self.set_aside}")
        lines.append(f"{self.project} has {pluralize(self.events, 'event')} (answers, undos, flags, notes)")
        if self.missing:
            lines.append(
                f"{pluralize(self.missing, 'event')} could not be found again: if a backup has them, repair once more "
                "and name it"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """The repair as a JSON document."""
        return {
            "project": str(self.project),
            "found": [{"file": str(path), "what": what, "events": n} for path, what, n in self.found],
            "before": self.before,
            "events": self.events,
            "missing": self.missing,
            "set_aside": None if self.set_aside is None else str(self.set_aside),
        }


def backup_project(
    file: Path, dataset: DatasetLike | None = None, project: Path | None = None, *, force: bool = False
) -> Copied:
    """Copy the labels of a project, which may be in use, to a file that `restore_project` reads.

    Parameters
    ----------
    dataset, project : see `find_project`.
    force : whether to replace an existing file.

    Raises
    ------
    UsageError : if `file` exists, or is the store itself.
    TuilabelError : if there is no project, its labels cannot be read, or the file not be written.
    """
    opened = find_project(dataset, project)
    if file.is_dir():
        raise UsageError(f"file is a directory, {file}: name a file", parameter="file")
    if file.exists() and (not force or file.samefile(opened.store)):
        raise UsageError(f"file exists, {file}: choose another name, or pass `force=True`", parameter="file")
    opened.read_store().close()  # so that no backup is of a store that is damaged, or not the right one
    copy_file(opened.store, file)
    with _read(file) as store:
        return Copied(opened.directory, file, store.extent().events)


def restore_project(
    file: Path, dataset: DatasetLike | None = None, project: Path | None = None, *, take_over: bool = False
) -> Copied:
    """Put a backup or a snapshot in the place of a project's labels, which are set aside.

    Parameters
    ----------
    dataset, project : see `find_project`.
    take_over : see `ProjectLock.take`.

    Raises
    ------
    TuilabelError : if there is no project or somebody is in it, or the file is damaged, of another project or no store.
    """
    directory = _directory_of(dataset, project)
    opened = Project.read(directory)
    with ProjectLock.take(directory, exclusive=True, take_over=take_over):
        with _read(file) as backup:
            if damage := backup.damage():
                raise TuilabelError(
                    f"{file} is damaged ({damage}): use another backup, or `tuilabel repair` the project"
                )
            known = _project_id(opened)
            if known is not None and backup.project != known:
                raise TuilabelError(
                    f"{file} is of another project (its id is {backup.project}, not {known}): name the project that it "
                    "is of"
                )
            extent = backup.extent()
        new = _new_file(opened)
        copy_file(file, new)
        set_aside = _set_aside(opened.store, "replaced")
        _put_in_place(new, opened, backup.project, extent)
    return Copied(directory, file, extent.events, set_aside)


def repair_project(
    dataset: DatasetLike | None = None,
    project: Path | None = None,
    *,
    backups: Sequence[Path] = (),
    take_over: bool = False,
) -> Repair:
    """Put the labels of a project together from all that is left: store, journal, rescue files and snapshots.

    A store that is sound stays where it is and gets what it lacks; another one is set aside, never changed.

    Parameters
    ----------
    dataset, project : see `find_project`; a project whose directory is gone can be named by `project`.
    backups : files whose labels are used as well.
    take_over : see `ProjectLock.take`.

    Raises
    ------
    TuilabelError : if there is no project and no rescue file of one, somebody is in it, or it cannot be written.
    """
    directory = _directory_of(dataset, project)
    found: list[tuple[Path, str, int]] = []
    rescued = list(_rescued(directory, found))
    if not (directory / "settings.toml").is_file():
        _bring_back_settings(directory, rescued)
    opened = Project.read(directory)
    with ProjectLock.take(directory, exclusive=True, take_over=take_over):
        twin = _twin(directory)
        known = _project_id(opened) or next((r.project for r in reversed(rescued)), None)
        logs = [rescue.entries for rescue in rescued if rescue.project == known]
        stores: list[tuple[Path, int]] = []
        for path in (opened.store, *reversed(snapshots(directory)), *backups):
            if path.exists():
                entries, sound = _entries_of(path, known, found)
                logs.append(entries)
                if sound:
                    stores.append((path, _n_events(entries)))
        everything = _merged(logs)
        base = max(stores, key=lambda pair: pair[1], default=(None, 0))[0]
        set_aside = None
        if base == opened.store:
            extent, id_ = _complete(base, known, everything)
            Twin.of(id_, extent).write(directory)
            opened.note_id(id_)
        else:
            new = _new_file(opened)
            if base is not None:
                copy_file(base, new)
            extent, id_ = _complete(new, known, everything)
            set_aside = _set_aside(opened.store, "damaged")
            _put_in_place(new, opened, id_, extent)
        for rescue in rescued:
            if rescue.project == id_:
                with suppress(OSError):
                    rescue.path.rename(rescue.path.with_name(rescue.path.name + ".read"))
    return Repair(directory, found, None if twin is None else twin.events, extent.events, set_aside)


def _directory_of(dataset: DatasetLike | None, project: Path | None) -> Path:
    """The directory of a project, found without a look at its labels if it is named."""
    if dataset is None and project is not None:
        return project
    named = Path(str(dataset)) if dataset is not None else None
    if named is not None and named.suffix == SUFFIX and project is None:
        return named
    return find_project(dataset, project).directory


def _project_id(project: Project) -> str | None:
    twin = _twin(project.directory)
    id_ = project.settings.get("id")
    return str(id_) if id_ is not None else None if twin is None else twin.project


def _twin(directory: Path) -> Twin | None:
    """The twin, which may be what is damaged."""
    try:
        return Twin.read(directory)
    except TuilabelError:
        return None


@contextmanager
def _read(file: Path, project: str | None = None) -> Iterator[LabelStore]:
    store = LabelStore.read(file, project)
    try:
        yield store
    finally:
        store.close()


def _rescued(directory: Path, found: list[tuple[Path, str, int]]) -> Iterator[Rescued]:
    for path in rescue_files(directory):
        try:
            rescue = read_rescue(path)
        except TuilabelError:
            continue
        n = _n_events(rescue.entries)
        found.append((path, f"a rescue file with {pluralize(n, 'event')}", n))
        yield rescue


def _bring_back_settings(directory: Path, rescued: Sequence[Rescued]) -> None:
    """Create a project whose directory is gone, with the settings that a rescue file has."""
    if not rescued:
        Project.read(directory)  # says that there is none
    if not directory.is_dir():
        try:
            directory.mkdir(parents=True)
        except OSError as error:
            raise TuilabelError(f"cannot create {directory}: {error.strerror or error}") from error
        share(directory)
    with atomic_write(directory / "settings.toml") as temporary:
        temporary.write_text(rescued[-1].settings, encoding="utf-8")


def _entries_of(path: Path, project: str | None, found: list[tuple[Path, str, int]]) -> tuple[Sequence[Entry], bool]:
    """What a file has of a project, and whether it is a sound store of it."""
    entries: Sequence[Entry] = []
    try:
        with _read(path, project) as store:
            if project is not None and store.project != project and store.extent().events:
                found.append((path, "of another project, left out", 0))
                return [], False
            damage, entries = store.damage(), in_order(store.since())
    except NewerFormat:  # this version knows too little of it to repair anything
        raise
    except (TuilabelError, ValueError, TypeError) as error:
        damage = str(error)
    if damage is None:
        found.append((path, f"sound, with {pluralize(_n_events(entries), 'event')}", _n_events(entries)))
        return entries, True
    try:
        entries = _merged([salvage(path), entries])
    except OSError as error:
        damage = error.strerror or str(error)
    found.append((path, f"damaged, {pluralize(_n_events(entries), 'event')} can be read", _n_events(entries)))
    return entries, False


def _merged(logs: Iterable[Sequence[Entry]]) -> list[Entry]:
    """One log of several that are parts of the same one, in order: what one lacks follows what it does in another."""
    merged: list[Entry] = []
    there: set[object] = set()
    for entries in sorted(logs, key=len, reverse=True):
        new: dict[object, list[Entry]] = {}
        before: object = None
        for entry in entries:
            key = key_of(entry)
            if key in there:
                before = key
            else:
                there.add(key)
                new.setdefault(before, []).append(entry)
        if new:
            merged = [*new.get(None, ()), *(e for old in merged for e in (old, *new.get(key_of(old), ())))]
    return merged


def _n_events(entries: Iterable[Entry]) -> int:
    return sum(isinstance(entry, Event) for entry in entries)


def _complete(path: Path, project: str | None, entries: Sequence[Entry]) -> tuple[Extent, str]:
    """Write what a store lacks to it; returns how much it holds then, and the id of its project."""
    store = LabelStore.open(path, project)
    try:
        there = {key_of(entry) for entry in in_order(store.since())}
        for kind, run in groupby((entry for entry in entries if key_of(entry) not in there), type):
            part: Any = list(run)
            if kind is Event:
                store.append(part)
            elif kind is ClassChange:
                store.add_class_changes(part)
            else:
                for entry in part:
                    store.add_round(entry)
        return store.extent(), store.project
    finally:
        store.close()


def _new_file(project: Project) -> Path:
    path = project.store.with_name(f".{project.store.name}.{os.getpid()}.new")
    path.unlink(missing_ok=True)
    return path


def _set_aside(store: Path, why: str) -> Path | None:
    """Rename a store with the files that belong to it; None if there is none."""
    aside = store.with_name(f"{store.stem}.{why}-{datetime.now(UTC):%Y%m%dT%H%M%S}{store.suffix}")
    try:
        for suffix in reversed(_BESIDE):
            with suppress(FileNotFoundError):
                store.with_name(store.name + suffix).rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise TuilabelError(f"cannot rename {store}: {error.strerror or error}") from error
    return aside if aside.exists() else None


def _put_in_place(new: Path, project: Project, id_: str, extent: Extent) -> None:
    try:
        share(new)
        new.rename(project.store)
    except OSError as error:
        raise TuilabelError(f"cannot write {project.store}: {error.strerror or error}") from error
    Twin.of(id_, extent).write(project.directory)
    project.note_id(id_)

"""A project: the directory with one dataset's labels, settings and logs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tuilabel.datasets import DatasetRef
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels.classes import ClassBook
from tuilabel.labels.settings_file import read_settings, write_settings
from tuilabel.labels.store import LabelStore


@dataclass
class Project:
    """An open project; a context manager that keeps a second `tuilabel label` out while it is open."""

    directory: Path
    dataset: str
    classes: tuple[str, ...]
    source: DatasetRef
    """The dataset to open; your own images by absolute path or URL."""
    _lock: IO[str] | None = None

    @property
    def store(self) -> Path:
        """The label store's file."""
        return self.directory / "labels.db"

    @property
    def settings(self) -> dict[str, Any]:
        """The content of settings.toml, with the user's own keys; raises `TuilabelError` if it is damaged."""
        return read_settings(self.directory / "settings.toml")

    @property
    def logs(self) -> Path:
        """The folder for logs."""
        return self.directory / "logs"

    @classmethod
    def open(
        cls,
        directory: Path,
        dataset: str,
        fingerprint: str,
        dataset_classes: Sequence[str],
        classes: Sequence[str] | None = None,
        source: DatasetRef | None = None,
        *,
        moved: bool = False,
    ) -> Project:
        """Open the project at `directory` for labelling; it is created if there is none.

        Parameters
        ----------
        dataset, fingerprint : of the pool that is labelled.
        source : where your own images are; they may have moved since the last time.
        moved : whether they are not where the project last found them: then `dataset` may have changed, too.
        dataset_classes : the dataset's classes, for a new project.
        classes : the classes to use, if given. For an existing project they may add new ones after those that it has; a
            name that was renamed or merged while labelling stands for what it is now.

        Raises
        ------
        UsageError : if `classes` contradicts the project's classes.
        TuilabelError : if the directory belongs to another dataset, is in use or cannot be written.
        """
        settings = directory / "settings.toml"
        _make(directory)
        project = cls(
            directory, dataset, tuple(classes or dataset_classes), source or DatasetRef(dataset), _locked(directory)
        )
        try:
            known = read_settings(settings) if settings.exists() else None
            if known is not None:
                project.classes = _classes(project, known, known["dataset"] if moved else dataset, classes)
            document: dict[str, Any] = {
                "dataset": dataset,
                "fingerprint": fingerprint,
                "classes": list(project.classes),
            }
            if str(project.source) != dataset:
                document["source"] = str(project.source)
            write_settings(settings, known, document)
            project.logs.mkdir(exist_ok=True)
        except OSError as error:
            project.close()
            raise TuilabelError(f"cannot write into {directory}: {error.strerror or error}") from error
        except BaseException:
            project.close()
            raise
        return project

    @classmethod
    def read(cls, directory: Path) -> Project:
        """The project at `directory`, for reading; raises `TuilabelError` if there is none."""
        settings = directory / "settings.toml"
        if not settings.is_file():
            raise TuilabelError(
                f"no project at {directory}: start one with `tuilabel label`, or pass another `project`"
            )
        known = read_settings(settings)
        return cls(
            directory,
            known["dataset"],
            tuple(known["classes"]),
            DatasetRef.parse(known.get("source", known["dataset"])),
        )

    def keep_classes(self, classes: Sequence[str]) -> None:
        """Write the current classes to the settings; raises `TuilabelError` if that fails.

        They are for people who read the settings: the store has them as well, and decides.
        """
        self.classes = tuple(classes)
        settings = self.directory / "settings.toml"
        try:
            write_settings(settings, read_settings(settings), {"classes": list(classes)})
        except OSError as error:
            raise TuilabelError(f"cannot write {settings}: {error.strerror or error}") from error

    def close(self) -> None:
        """Release the project for others."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TuilabelError(
            f"cannot create the project {directory}: {error.strerror or error}; pass another `project`"
        ) from error


def _locked(directory: Path) -> IO[str]:
    path = directory / "lock"
    try:
        file = path.open("a+")
    except OSError as error:
        raise TuilabelError(
            f"cannot write into the project {directory}: {error.strerror or error}; pass another `project`"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        raise TuilabelError(
            f"the project {directory} is being labelled by process {holder}: quit that first"
        ) from error
    except OSError:
        return file  # a network file system without locks
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _classes(project: Project, known: dict[str, Any], dataset: str, named: Sequence[str] | None) -> tuple[str, ...]:
    """The classes of an existing project, after checking that it is the right one."""
    if known["dataset"] != dataset:
        raise TuilabelError(
            f"the project {project.directory} holds labels of {known['dataset']}, not {dataset}: pass another `project`"
        )
    book = _class_book(project.store)
    before = book.names or tuple(known["classes"])
    if named is None:
        return before
    new = _added(book, before, named)
    if new is None:
        raise UsageError(
            f"the project {project.directory} has the classes {','.join(before)}: give the same, with new ones after "
            "them, or pass another `project`"
        )
    return (*before, *new)


def _class_book(path: Path) -> ClassBook:
    if not path.is_file():
        return ClassBook()
    store = LabelStore.open(path)
    try:
        return ClassBook(store.class_changes())
    finally:
        store.close()


def _added(book: ClassBook, before: tuple[str, ...], named: Sequence[str]) -> tuple[str, ...] | None:
    """What `named` adds to the existing classes; None if it contradicts them.

    It must begin with them as they are called now, or with those that the project started with, as they were called
    then. A name that a class once had is not a new one: it comes from repeating an old command line.
    """
    if tuple(named[: len(before)]) == before:
        new = tuple(named[len(before) :])
        used = next((name for name in new if book.first_id(name) is not None), None)
        if used is not None:
            raise UsageError(f"a class was called {used} before: choose another name, or add the class while labelling")
        return new
    n_initial = len(book.initial_names)
    if n_initial and tuple(named[:n_initial]) == book.initial_names:
        return tuple(name for name in named[n_initial:] if book.first_id(name) is None)
    return None

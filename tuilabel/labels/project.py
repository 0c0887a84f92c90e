"""A project: the directory with one dataset's labels, settings and logs."""

from __future__ import annotations

import fcntl
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import tomli_w

from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import atomic_write


@dataclass
class Project:
    """An open project; a context manager that keeps a second `tuilabel label` out while it is open."""

    directory: Path
    dataset: str
    classes: tuple[str, ...]
    _lock: IO[str] | None = None

    @property
    def store(self) -> Path:
        """The label store's file."""
        return self.directory / "labels.db"

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
        own_classes: Sequence[str],
        named: Sequence[str] | None = None,
    ) -> Project:
        """Open the project at `directory` for labelling; make it where there is none.

        Parameters
        ----------
        dataset, fingerprint : of the pool that is labelled.
        own_classes : the dataset's classes, for a new project.
        named : the classes asked for, if any; an existing project's classes can be added to, never changed.

        Raises
        ------
        UsageError : where `named` contradicts the project's classes.
        TuilabelError : where the directory belongs to another dataset, is in use or cannot be written.
        """
        settings = directory / "settings.toml"
        _make(directory)
        project = cls(directory, dataset, tuple(named or own_classes), _locked(directory))
        try:
            known = _read(settings) if settings.exists() else None
            if known is not None:
                project.classes = _classes(directory, known, dataset, named)
            document = {"dataset": dataset, "fingerprint": fingerprint, "classes": list(project.classes)}
            if document != known:
                with atomic_write(settings) as temporary:
                    temporary.write_text(tomli_w.dumps({**(known or {}), **document}))
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
        """The project at `directory`, to look at; raises `TuilabelError` where there is none."""
        settings = directory / "settings.toml"
        if not settings.is_file():
            raise TuilabelError(f"no project at {directory}: `tuilabel label` makes one, --project names another")
        known = _read(settings)
        return cls(directory, known["dataset"], tuple(known["classes"]))

    def close(self) -> None:
        """Let others in."""
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
            f"cannot make the project {directory}: {error.strerror or error}; name another --project"
        ) from error


def _locked(directory: Path) -> IO[str]:
    path = directory / "lock"
    try:
        file = path.open("a+")
    except OSError as error:
        raise TuilabelError(
            f"cannot write into the project {directory}: {error.strerror or error}; name another --project"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        raise TuilabelError(f"the project {directory} is being labelled by process {holder}: end that first") from error
    except OSError:
        return file  # a network file system without locks
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _read(settings: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(settings.read_text())
        if not isinstance(document["dataset"], str) or not all(isinstance(c, str) for c in document["classes"]):
            raise TypeError
    except OSError as error:
        raise TuilabelError(f"cannot read {settings}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise TuilabelError(
            f"{settings} is damaged: mend it (dataset, fingerprint, classes) or name another --project"
        ) from error
    return document


def _classes(directory: Path, known: dict[str, Any], dataset: str, named: Sequence[str] | None) -> tuple[str, ...]:
    """The classes of an existing project, after a look at whether it is the right one."""
    if known["dataset"] != dataset:
        raise TuilabelError(
            f"the project {directory} holds labels of {known['dataset']}, not {dataset}: name another --project"
        )
    before = tuple(known["classes"])
    if named is None:
        return before
    if tuple(named[: len(before)]) != before:
        raise UsageError(
            f"the project {directory} has the classes {','.join(before)}: give the same, with new ones after them, "
            "or name another --project"
        )
    return tuple(named)

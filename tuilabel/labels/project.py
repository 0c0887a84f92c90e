"""A project: the directory with one dataset's labels, settings and logs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from tuilabel.datasets import DatasetRef, are_same_place
from tuilabel.errors import TuilabelError, UsageError, pluralize
from tuilabel.files import share
from tuilabel.labels.classes import ClassBook
from tuilabel.labels.lock import ProjectLock
from tuilabel.labels.settings_file import only_writer, read_settings, write_settings
from tuilabel.labels.store import LabelStore, NoLabels, ServerAddress
from tuilabel.labels.store.address import from_environment as address_of_environment
from tuilabel.labels.twin import NAME, Twin


@dataclass
class Project:
    """An open project; a context manager that locks out a second `tuilabel label` while it is open."""

    directory: Path
    dataset: str
    classes: tuple[str, ...]
    source: DatasetRef
    """The dataset to open; your own images by absolute path or URL."""
    place: str | None = None
    """Where the images of the source really were, see `DatasetRef.place`; None if an old project did not note it."""
    moved_from: tuple[str, ...] = ()
    """Earlier locations of the images."""
    server: ServerAddress | None = None
    """Where the labels are kept; None for the project's directory."""
    lock: ProjectLock | None = None
    """Held while the project is open; None if it is only read."""
    _writing: Lock = field(default_factory=Lock, compare=False, repr=False)
    """Held while the settings are edited: the trainer's thread notes its latent space there."""

    @property
    def store(self) -> Path:
        """The path of the label store, where it is not on a server."""
        return self.directory / "labels.db"

    @property
    def where(self) -> str:
        """Where the labels are kept, for messages."""
        return str(self.server or self.store)

    def open_store(self) -> LabelStore:
        """Open the label store to read and write it.

        Raises
        ------
        TuilabelError : if that cannot be, or it is not the store that the project had: missing, shortened or foreign.
        """
        if self.server is not None:
            store = LabelStore.connect(self.server.with_password_of_environment(), self.settings.get("id"))
        else:
            store = LabelStore.open(self.store, self._store_id())
        self._check(store)
        try:
            self.note_id(store.project)
            if self.server is None:
                Twin.of(store.project, store.extent()).write(self.directory)
        except BaseException:
            store.close()
            raise
        return store

    def read_store(self) -> LabelStore:
        """The label store as it is now, to be read.

        Raises
        ------
        NoLabels : if there is none yet.
        TuilabelError : if it cannot be read, or is not the one that the project had.
        """
        if self.server is not None:
            store = LabelStore.connect(self.server.with_password_of_environment(), create=False)
        else:
            store = LabelStore.read(self.store, self._store_id())
        self._check(store)
        return store

    def note_id(self, project: str) -> None:
        """Note in the settings the id that the store has; raises `TuilabelError` if that fails."""
        self._write({"id": project})

    def _store_id(self) -> str | None:
        """The id that the store must have, if the project knows it; raises `TuilabelError` if the store is gone."""
        settings = self.settings if self.settings_file.is_file() else {}
        twin = Twin.read(self.directory)
        id_ = settings.get("id") or (None if twin is None else twin.project)
        is_there = self.store.is_file() and self.store.stat().st_size > 0
        if not is_there and id_ is not None and not (twin is not None and twin.is_empty):
            state = "is empty" if self.store.is_file() else "is gone"
            had = "" if twin is None else f", and it had {pluralize(twin.events, 'event')}"
            raise TuilabelError(f"{self.store} {state}{had}: {self._what_to_do}")
        return None if id_ is None else str(id_)

    def _check(self, store: LabelStore) -> None:
        """Close a store that is damaged, or not the one that the project had, and raise `TuilabelError`."""
        try:
            if damage := store.damage():
                raise TuilabelError(f"{self.where} is damaged ({damage}): {self._what_to_do}")
            settings = self.settings if self.settings_file.is_file() else {}
            twin = Twin.read(self.directory) if self.server is None else None
            if store.project not in (settings.get("id", store.project), twin and twin.project):
                raise TuilabelError(
                    f"{self.where} is of another project (its id is {store.project}, not {settings['id']}): "
                    f"{self._what_to_do}; if it is meant, remove `id` from settings.toml and the file {NAME}"
                )
            if twin is not None:
                last_is_there = twin.last is None or store.has_event(twin.last)
                if wrong := twin.difference(store.project, store.extent(), last_is_there):
                    raise TuilabelError(f"{self.where} {wrong}: {self._what_to_do}")
        except BaseException:
            store.close()
            raise

    @property
    def _what_to_do(self) -> str:
        return f"put the right file back, or run `tuilabel repair {shlex.quote(str(self.directory))}`"

    @property
    def settings_file(self) -> Path:
        """The path of settings.toml."""
        return self.directory / "settings.toml"

    @property
    def settings(self) -> dict[str, Any]:
        """The content of settings.toml, with the user's own keys; raises `TuilabelError` if it is damaged."""
        return read_settings(self.settings_file)

    @property
    def model(self) -> dict[str, Any]:
        """How the model is made: the table [model] of the settings, empty if there is none.

        Raises
        ------
        TuilabelError : if the settings are damaged.
        """
        table = self.settings.get("model", {})
        if not isinstance(table, dict):
            raise TuilabelError(
                f"{self.settings_file}: model must be a table: write [model], and below it lines such as encoder = "
                f'"vae"; got {table!r}'
            )
        return table

    @property
    def space(self) -> str | None:
        """The encoder whose latents the last session used, as `remember_space` noted it; None if unknown."""
        return self.model.get("space")

    @property
    def logs(self) -> Path:
        """The directory for logs."""
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
        model: Mapping[str, Any] | None = None,
        store: str | None = None,
        exclusive: bool = False,
        allow_unlocked: bool = False,
        take_over: bool = False,
    ) -> Project:
        """Open the project at `directory` for labelling; it is created if there is none.

        Parameters
        ----------
        dataset, fingerprint : name and fingerprint of the pool to label.
        source : where the images are, by absolute path or URL.
        moved : whether they were elsewhere the last time, as `tuilabel.project.locate` finds out.
        dataset_classes : the dataset's classes, for a new project.
        classes : the classes to use, if given. For an existing project, new classes may follow its own; a name that was
            renamed or merged while labelling means the class that it became.
        model : how the model is made, to be remembered; see `remember`.
        store : the address of a server that keeps the labels, see `ServerAddress`; by default the project's directory
            keeps them, or the server in the variable TUILABEL_STORE. An existing project must not be given another one.
        exclusive, allow_unlocked, take_over : see `ProjectLock.take`.

        Raises
        ------
        UsageError : if `classes` contradicts the project's classes, or `store` is no address or another one.
        TuilabelError : if the directory belongs to other images, is in use or cannot be written.
        """
        settings = directory / "settings.toml"
        if settings.exists() and not os.access(directory, os.W_OK):
            raise TuilabelError(
                f"the project {directory} may only be read, as `tuilabel stats`, `predict` and `export` do: copy it, "
                "and pass the copy as `project`"
            )
        server = server_of(directory, store)
        if server is not None and not settings.exists():
            LabelStore.connect(server).close()  # before there is a directory that says so
        _create_directory(directory)
        names, images = tuple(classes or dataset_classes), source or DatasetRef(dataset)
        lock = ProjectLock.take(directory, exclusive=exclusive, allow_unlocked=allow_unlocked, take_over=take_over)
        project = cls(directory, dataset, names, images, server=server, lock=lock)
        try:
            saved = read_settings(settings) if settings.exists() else None
            if saved is not None:
                before = _project_of(directory, saved)
                if not moved and not before.is_at(project.source):
                    raise before.is_of_others(project.source)
                project.moved_from = before.moved_from
                _check_same_store(before, server)
                project.server = before.server
                project.classes = _classes_of_existing(project, saved, classes)
                if moved:
                    elsewhere = (*before.moved_from, before.source.location)
                    project.moved_from = tuple(dict.fromkeys(elsewhere))
            project.place = project.source.place
            document: dict[str, Any] = {
                "dataset": dataset,
                "fingerprint": fingerprint,
                "classes": list(project.classes),
            }
            if project.server is not None:
                document["store"] = str(project.server)
            if str(project.source) != dataset:
                document["source"] = str(project.source)
                document["place"] = None if project.place == project.source.location else project.place
                document["moved-from"] = list(project.moved_from) or None
            if model is not None:
                document["model"] = dict(model)
            with only_writer(directory):
                write_settings(settings, read_settings(settings) if settings.exists() else None, document)
            if not project.logs.is_dir():
                project.logs.mkdir(exist_ok=True)
                share(project.logs)
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
        return _project_of(directory, read_settings(settings))

    def is_at(self, images: DatasetRef) -> bool:
        """Whether its images are these: the same data set, URL, file or folder, by whatever name or link."""
        if self.source.is_builtin or images.is_builtin:
            return self.source == images
        return are_same_place(self.place or self.source.place, images.place)

    def is_of_others(self, images: DatasetRef) -> TuilabelError:
        """The error for a project that was named together with images that are not its own."""
        return TuilabelError(
            f"{self.directory} holds labels of {self.source.location}, not {images.location}: pass another `project`"
        )

    def at(self, images: DatasetRef) -> Project:
        """The same project, as read, with its images where they are now."""
        return replace(self, source=images, place=images.place)

    def remember_server(self, server: ServerAddress | None) -> None:
        """Note in the settings where the labels are kept; raises `TuilabelError` if that fails."""
        self.server = server
        self._write({"store": None if server is None else str(server)})

    def save_classes(self, classes: Sequence[str]) -> None:
        """Write the current classes to the settings; raises `TuilabelError` if that fails.

        This is for people who read the settings: the store has the classes as well, and takes precedence.
        """
        self.classes = tuple(classes)
        self._write({"classes": list(classes)})

    def remember(self, model: Mapping[str, Any]) -> None:
        """Note in the settings how the model is made; raises `TuilabelError` if that fails.

        Parameters
        ----------
        model : keys of the table [model], see `tuilabel.project.recipe`; None removes a key, others stay.
        """
        self._write({"model": dict(model)})

    def remember_space(self, space: str, digest: str | None = None) -> None:
        """Note which encoder the latents of the session come from; raises `TuilabelError` if that fails.

        While an encoder is being trained, or is chosen during the session, this is not the one that was asked for.

        Parameters
        ----------
        digest : of the file that the encoder is loaded from, if any.
        """
        self.remember({"space": space, "space-digest": digest})

    @property
    def lease(self) -> float:
        """Seconds after its last key for which a session is asked its images before others: `lease` in [team].

        Raises
        ------
        TuilabelError : if the settings are damaged.
        """
        minutes = self.team.get("lease", 10)
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 1 <= minutes <= 1440:
            raise TuilabelError(f"{self.settings_file}: lease in [team] must be 1 to 1440 minutes, got {minutes!r}")
        return 60.0 * minutes

    @property
    def team(self) -> dict[str, Any]:
        """How several annotators share the work: the table [team] of the settings.

        Raises
        ------
        TuilabelError : if the settings are damaged.
        """
        table = self.settings.get("team", {})
        if not isinstance(table, dict):
            raise TuilabelError(
                f"{self.settings_file}: team must be a table: write [team], and below it lines such as lease = 10; got "
                f"{table!r}"
            )
        return table

    def remember_team(self, chosen: Mapping[str, Any]) -> None:
        """Note in the settings how the work is shared; raises `TuilabelError` if that fails.

        Parameters
        ----------
        chosen : keys of the table [team]; others stay.
        """
        self._write({"team": dict(chosen)} if chosen else {})

    @property
    def screen(self) -> dict[str, Any]:
        """What was chosen on the screen of the last session: the table [screen] of the settings.

        Raises
        ------
        TuilabelError : if the settings are damaged.
        """
        table = self.settings.get("screen", {})
        if not isinstance(table, dict):
            raise TuilabelError(
                f"{self.settings_file}: screen must be a table: write [screen], and below it lines such as blind = "
                f"true; got {table!r}"
            )
        return table

    def remember_screen(self, chosen: Mapping[str, Any]) -> None:
        """Note in the settings what was chosen on the screen; raises `TuilabelError` if that fails.

        Parameters
        ----------
        chosen : keys of the table [screen]; None removes a key, others stay.
        """
        self._write({"screen": dict(chosen)} if chosen else {})

    @property
    def guideline(self) -> Path | None:
        """The file that says what belongs to which class; a relative path counts from the project's directory.

        Raises
        ------
        TuilabelError : if the settings are damaged.
        """
        path = self.settings.get("guideline")
        if path is None:
            return None
        if not isinstance(path, str):
            raise TuilabelError(f"{self.settings_file}: guideline must be the path of a file, got {path!r}")
        return self.directory / Path(path).expanduser()

    def remember_guideline(self, path: Path) -> None:
        """Note in the settings where the guideline is; raises `TuilabelError` if that fails."""
        self._write({"guideline": str(path)})

    def remember_class_keys(self, keys: Mapping[str, str]) -> None:
        """Note in the settings which key each class has, by name; raises `TuilabelError` if that fails."""
        before = self.settings.get("class-keys", {})
        gone: dict[str, str | None] = dict.fromkeys(name for name in before if name not in keys)
        self._write({"class-keys": gone | dict(keys)} if gone or keys else {})

    def _write(self, changed: Mapping[str, Any]) -> None:
        with self._writing, only_writer(self.directory):
            try:
                write_settings(self.settings_file, read_settings(self.settings_file), changed)
            except OSError as error:
                raise TuilabelError(f"cannot write {self.settings_file}: {error.strerror or error}") from error

    def close(self) -> None:
        """Release the lock."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def server_of(directory: Path, store: str | None, *, named: str = "store") -> ServerAddress | None:
    """The server that keeps the labels of a project, as named; for a new one also by the variable TUILABEL_STORE.

    Parameters
    ----------
    named : the name of the parameter `store` in errors.

    Raises
    ------
    UsageError : if it is not an address.
    """
    if store is not None:
        return ServerAddress.parse(store, _name_of(directory), named=named).with_password_of_environment()
    return None if (directory / "settings.toml").exists() else address_of_environment(_name_of(directory))


def _name_of(directory: Path) -> str:
    """The name of a project: that of its directory, without the suffix."""
    return directory.resolve().name.removesuffix(".tuilabel")


def _create_directory(directory: Path) -> None:
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            share(directory)
    except OSError as error:
        raise TuilabelError(
            f"cannot create the project {directory}: {error.strerror or error}; pass another `project`"
        ) from error


def _project_of(directory: Path, saved: Mapping[str, Any]) -> Project:
    source = DatasetRef.parse(saved.get("source", saved["dataset"]))
    place = saved.get("place", source.place if "source" in saved or source.is_builtin else None)
    project = Project(
        directory, saved["dataset"], tuple(saved["classes"]), source, place, tuple(saved.get("moved-from", ()))
    )
    if "store" in saved:
        project.server = ServerAddress.parse(
            saved["store"], _name_of(directory), named=f"{project.settings_file}: store"
        )
    return project


def _classes_of_existing(project: Project, saved: Mapping[str, Any], named: Sequence[str] | None) -> tuple[str, ...]:
    """The classes of an existing project, with those that are new."""
    book = _class_book(project)
    before = book.names or tuple(saved["classes"])
    if named is None:
        return before
    new = _new_classes(book, before, named)
    if new is None:
        raise UsageError(
            f"the project {project.directory} has the classes {','.join(before)}: pass the same, with new ones after "
            "them, or pass another `project`"
        )
    return (*before, *new)


def _class_book(project: Project) -> ClassBook:
    try:
        store = project.read_store()
    except NoLabels:
        return ClassBook()
    try:
        return ClassBook(store.class_changes())
    finally:
        store.close()


def _check_same_store(project: Project, named: ServerAddress | None) -> None:
    """Raises `UsageError` if another store is named than the one that a project has."""
    if named is not None and named != project.server:
        raise UsageError(
            f"the project {project.directory} keeps its labels in {project.where}, not in {named}: "
            f"`tuilabel move-store '{named}'` moves them"
        )


def _new_classes(book: ClassBook, before: tuple[str, ...], named: Sequence[str]) -> tuple[str, ...] | None:
    """The classes that `named` adds to the existing ones; None if it contradicts them.

    It must begin with their current names, or with the original names of the classes that the project started with. A
    name that a class once had is not new: it comes from repeating an old command line.
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

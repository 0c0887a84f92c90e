"""Which project belongs to which images: every command asks here.

A project is bound to its images, not to a name: by where they really are and, where they have moved, by their content.
So two folders of one name have two projects, and a folder has one, whatever link or path leads to it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from tuilabel.datasets import DatasetLike, DatasetRef, ImagePool, are_same_place, as_ref, open_pool
from tuilabel.errors import TuilabelError, UsageError, pluralize
from tuilabel.labels import Project
from tuilabel.labels.store import NoLabels
from tuilabel.project.progress import Note, OnProgress, ignore

DEFAULT_DATASET = "mnist"
SUFFIX = ".tuilabel"
SAME_SHARE = 0.5  # of the labelled images that must be there for a folder to be the one that has moved
RELATED_SHARE = 0.1  # of some images that must be known: with fewer it is another folder, and the rest is not read


@dataclass(frozen=True)
class Located:
    """A project that exists, or that would be created, and its images.

    Attributes
    ----------
    directory : of the project.
    images : where its images are now.
    project : None if there is none yet.
    moved : whether the project still says that its images are elsewhere.
    other : the project of other images that has the usual name, for which a new one gets another name.
    """

    directory: Path
    images: DatasetRef
    project: Project | None = None
    moved: bool = False
    other: Project | None = None

    @property
    def lines(self) -> list[str]:
        """What to tell before a new project is created."""
        if self.other is None:
            return []
        taken = f"{self.other.directory} is of {self.other.source.location}"
        return [f"{taken}: {self.directory} is the project of {self.images.location}"]


def locate_project(
    dataset: DatasetLike | None,
    directory: Path | None = None,
    *,
    note: Note = ignore,
    on_progress: OnProgress = ignore,
) -> Located:
    """The project of a dataset, which may not exist yet.

    Without `directory` it is `./DATASET.tuilabel`, or `./FOLDER-DATASET.tuilabel` and so on if that is of other images,
    or the one next to the images. If none of these has the images, but those of one are gone, their content decides
    whether they have moved here.

    Parameters
    ----------
    dataset : a built-in dataset by name, or your own images; or a project, by its directory or, if there are no images
        of that name, by its name. None for the images of `directory`, or mnist.
    note : called with a line if images have moved, or if the project is not in the working directory.
    on_progress : called while images are read to compare their content.

    Raises
    ------
    UsageError : if there are no such images.
    TuilabelError : if `directory` is of other images, or its settings are damaged.
    """
    given = None if dataset is None else as_ref(dataset)
    named = None if given is None else _project_named(given)
    if directory is not None:
        project = _project_in(directory)
        if project is not None and given is None:
            return Located(directory, project.source, project)
        return _checked(directory, project, named, given or DatasetRef(DEFAULT_DATASET), note, on_progress)
    if named is not None and given is not None:
        return Located(named.directory, _with_folders_of(given, named.source), named)
    return _search(given or DatasetRef(DEFAULT_DATASET), note, on_progress)


def find_project(
    dataset: DatasetLike | None,
    directory: Path | None = None,
    *,
    note: Note = ignore,
    on_progress: OnProgress = ignore,
) -> Project:
    """The existing project of a dataset, to be read; its `source` is where its images are now.

    Parameters
    ----------
    dataset, directory, note, on_progress : see `locate_project`.

    Raises
    ------
    UsageError, TuilabelError : as `locate_project`; if there is no project.
    """
    found = locate_project(dataset, directory, note=note, on_progress=on_progress)
    if found.other is not None:
        raise TuilabelError(
            f"{found.other.directory} holds labels of {found.other.source.location}, and {found.images.location} has "
            "no project here: start one with `tuilabel label`, or pass another `project`"
        )
    if found.project is None:
        return Project.read(found.directory)  # says that there is none
    return found.project.at(replace(found.project.source, location=found.images.location))


def check_dataset(dataset: DatasetLike | None) -> None:
    """Raise `UsageError` if there are no such images and no such project; nothing is read."""
    ref = None if dataset is None else as_ref(dataset)
    if ref is not None and _project_named(ref) is None:
        ref.title()


def project_images(project: Project) -> DatasetRef:
    """The dataset of a project, after checking that its images still exist.

    Raises
    ------
    TuilabelError : if they do not; the message says what to do.
    """
    try:
        if project.source.location != project.dataset:  # user images, by their absolute path
            project.source.open_source()
    except UsageError as error:
        raise TuilabelError(
            f"the images of {project.directory} are no longer in {project.source.location}: if they were "
            f"moved, run `tuilabel label` once with their new location and `project={project.directory}`"
        ) from error
    return project.source


def project_pool(project: Project, data_dir: Path | None) -> ImagePool:
    """The pool of a project as far as it has been read, without images that are gone; no new image is read.

    If the images no longer exist, cached information about them is used.

    Raises
    ------
    TuilabelError : if they are not in the cache either; the message says what to do.
    """
    try:
        return open_pool(project.source, data_dir, reading="listed")
    except UsageError:
        return open_pool(project_images(project), data_dir)


def n_present(pool: ImagePool, items: Collection[str]) -> int:
    """How many of the items, given by id, are images of the pool whose files are there."""
    found = pool.indices_of(sorted(items))
    return len(np.setdiff1d(found[found >= 0], pool.gone))


def missing_line(directory: Path, location: str, pool: ImagePool, items: Collection[str]) -> str:
    """What to say if none of the labelled images of a project is where its images are; empty if one is.

    Another folder may have taken their place, or an array is read in another way than by an earlier version.
    """
    if not items or n_present(pool, items):
        return ""
    labelled = pluralize(len(items), "labelled image")
    where = f"none of the {labelled} of {directory} is in {location} any more"
    return f"{where}: they stay in the project; for other images pass another `project`"


def project_names(images: DatasetRef) -> list[str]:
    """The names that a project of these images may have, the usual one first: `images`, `b-images`, `a-b-images`."""
    return images.names


def _search(given: DatasetRef, note: Note, on_progress: OnProgress) -> Located:
    """The project of the images in the working directory, or next to them."""
    images, missing = _absolute(given)
    directories = [Path(name + SUFFIX) for name in project_names(images)]
    here = [project for directory in directories if (project := _project_in(directory)) is not None]
    for project in chain(here, _other_projects(directories), _next_to(images)):
        if project.is_at(images):
            if project.directory.is_absolute():
                note(f"{project.directory} is the project of these images")
            return _located(project, images)
    if missing is not None:
        raise missing
    local = not (images.is_builtin or images.is_remote)
    for project in chain(here, _other_projects(directories), _next_to(images)):
        if local and _is_gone(project) and _has_images(project, images, on_progress):
            note(_moved_line(project, images))
            return Located(project.directory, images, project, moved=True)
    taken = {project.directory for project in here}
    directory = next((directory for directory in directories if directory not in taken), None)
    if directory is None:
        raise here[0].is_of_others(images)
    return Located(directory, images, other=None if directory == directories[0] else here[0])


def _checked(
    directory: Path,
    project: Project | None,
    named: Project | None,
    given: DatasetRef,
    note: Note,
    on_progress: OnProgress,
) -> Located:
    """The project in a directory that was named together with images, or with another project that has them."""
    images, missing = _absolute(given) if named is None else (_with_folders_of(given, named.source), None)
    if project is not None and project.is_at(images):
        return _located(project, images)
    if missing is not None:
        raise missing
    if project is None:
        return Located(directory, images)
    local = not (project.source.is_builtin or images.is_builtin)
    if local and _has_images(project, images, on_progress, named=_is_gone(project)):
        note(_moved_line(project, images))
        return Located(directory, images, project, moved=True)
    raise project.is_of_others(images)


def _located(project: Project, images: DatasetRef) -> Located:
    """A project with its images by the path that it knows, which is that of their cache."""
    if are_same_place(project.source.place, images.place):
        images = replace(images, location=project.source.location)
    return Located(project.directory, images, project)


def _project_named(given: DatasetRef) -> Project | None:
    """The project that is named in the place of a dataset; None if images are."""
    if given.is_builtin or given.is_remote:
        return None
    path = Path(os.path.expanduser(given.location.rstrip("/") or "/"))  # noqa: PTH111 - takes any text
    if path.suffix == SUFFIX:
        return _project_in(path)
    return None if path.exists() else _project_in(path.with_name(path.name + SUFFIX))


def _absolute(given: DatasetRef) -> tuple[DatasetRef, UsageError | None]:
    """The images by absolute path, and the error to raise if there are none there and no project knows them."""
    try:
        return given.absolute(), None
    except UsageError as error:
        return replace(given, location=os.path.abspath(given.location)), error  # noqa: PTH100 - any text


def _with_folders_of(given: DatasetRef, images: DatasetRef) -> DatasetRef:
    return replace(images, labels_from_folders=images.labels_from_folders or given.labels_from_folders)


def _project_in(directory: Path) -> Project | None:
    """The project in a directory, if there is one; raises `TuilabelError` if its settings are damaged."""
    return Project.read(directory) if (directory / "settings.toml").is_file() else None


def _other_projects(known: Collection[Path]) -> Iterator[Project]:
    """Projects in the working directory under a name that they got for their images, now or before these moved.

    Not those that somebody has named: they are chosen by their names only.
    """
    for directory in sorted(Path().glob(f"*{SUFFIX}")):
        if directory in known:
            continue
        try:
            project = _project_in(directory)
        except TuilabelError:
            continue
        if project is None:
            continue
        places = (project.source, *map(DatasetRef, project.moved_from))
        if any(directory.stem in project_names(images) for images in places):
            yield project


def _next_to(images: DatasetRef) -> Iterator[Project]:
    """The project next to the images, of somebody who works there."""
    if not (images.is_builtin or images.is_remote):
        project = _project_in(Path(images.location).parent / (project_names(images)[0] + SUFFIX))
        if project is not None:
            yield project


def _is_gone(project: Project) -> bool:
    """Whether the images are no longer where the project saw them: the folder is gone, or a link leads elsewhere."""
    if project.source.is_builtin or project.source.is_remote:
        return False
    if project.place is None or not are_same_place(project.source.place, project.place):
        return True
    try:
        project.source.open_source()
    except UsageError:
        return True
    except TuilabelError:
        pass
    return False


def _has_images(project: Project, images: DatasetRef, on_progress: OnProgress, *, named: bool = False) -> bool:
    """Whether images in another place are those of a project, by their content.

    Parameters
    ----------
    named : whether the user says so, which is enough for a project without labels.
    """
    items = _labelled_items(project)
    if named and not items:
        return True
    pool = open_pool(images, on_progress=on_progress, reading="first")
    if not pool.is_complete:
        before = _read_before(project)
        if before is not None and np.isin(pool.ids, before.ids).mean() < RELATED_SHARE:
            return False
        pool.read_rest(on_progress)
    if not items:
        return bool(pool.fingerprint == project.settings.get("fingerprint"))
    return n_present(pool, items) >= SAME_SHARE * len(items)


def _labelled_items(project: Project) -> set[str]:
    try:
        store = project.read_store()
    except NoLabels:
        return set()
    try:
        return {event.item for event in store.events()}
    finally:
        store.close()


def _read_before(project: Project) -> ImagePool | None:
    """The images as the project knew them, from the cache; None if they are not in it."""
    try:
        return open_pool(project.source, reading="none")
    except TuilabelError:
        return None


def _moved_line(project: Project, images: DatasetRef) -> str:
    labels = pluralize(len(_labelled_items(project)), "labelled image")
    return f"{project.directory}: its {labels} moved from {project.source.location} to {images.location}"

"""Find a project and its images, given the name of a dataset or project."""

from __future__ import annotations

from pathlib import Path

from tuilabel.datasets import DatasetRef, ImagePool, as_ref, open_pool
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import Project


def project_directory(dataset: str, project: Path | None) -> Path:
    """The directory of a project: `project` if given, else ./DATASET.tuilabel.

    `dataset` may also be the name of the project itself, so that it can be found even if its images are elsewhere.
    """
    if project is not None:
        return project
    by_name = Path(f"{dataset.removesuffix('/').removesuffix('.tuilabel')}.tuilabel")
    return by_name if by_name.is_dir() else Path(f"{as_ref(dataset).title()}.tuilabel")


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

"""Files of user images that cannot be used, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilabel.datasets import as_ref, problems_of
from tuilabel.labels import Project
from tuilabel.project.locate import project_directory, project_images
from tuilabel.project.progress import OnProgress, ignore


@dataclass(frozen=True)
class FileProblems:
    """The files of a dataset that cannot be used, as (name, reason) pairs."""

    dataset: str
    problems: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The problems as a JSON document."""
        return {
            "dataset": self.dataset,
            "problems": [{"file": name, "reason": reason} for name, reason in self.problems],
        }


def file_problems(dataset: str, project: Path | None = None, on_progress: OnProgress = ignore) -> FileProblems:
    """Read all images of a project, or of `dataset` if it has no project yet, and list those that cannot be used.

    Raises
    ------
    UsageError : if there is no such dataset, or it is a built-in one.
    TuilabelError : as `open_pool`.
    """
    directory = project_directory(dataset, project)
    has_project = project is not None or directory.is_dir()
    images = project_images(Project.read(directory)) if has_project else as_ref(dataset)
    problems = problems_of(images, on_progress)
    return FileProblems(images.title(), tuple((problem.name, problem.reason) for problem in problems))

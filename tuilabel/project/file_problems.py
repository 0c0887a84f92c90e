"""Files of user images that cannot be used, and why."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilabel.datasets import FileReport, ImagePool, report_files
from tuilabel.errors import pluralize
from tuilabel.project.locate import locate_project, project_images
from tuilabel.project.progress import OnProgress, ignore

LIST_PROBLEMS = "tuilabel stats {dataset} --problems"


@dataclass(frozen=True)
class FileProblems:
    """The files of a dataset that cannot be used as they are; see `FileReport`."""

    dataset: str
    report: FileReport

    def to_json(self) -> dict[str, Any]:
        """The problems as a JSON document."""
        return {
            "dataset": self.dataset,
            "problems": [{"file": problem.name, "reason": problem.reason} for problem in self.report.problems],
            "conflicts": [
                {"file": name, "class": label, "other": other, "other_class": its}
                for name, label, other, its in self.report.conflicts
            ],
            "passed_over": self.report.passed_over,
        }


def unread_lines(pool: ImagePool, dataset: str) -> list[str]:
    """What to say about the files of your own images that are not in the pool."""
    command = LIST_PROBLEMS.format(dataset=shlex.quote(dataset))
    problems = [f"{pluralize(pool.n_problems, 'file')} cannot be used: `{command}` lists them"]
    return [*pool.remarks(), *(problems if pool.n_problems else ())]


def file_problems(dataset: str | None, project: Path | None = None, on_progress: OnProgress = ignore) -> FileProblems:
    """Read all images of a project, or of `dataset` if it has no project yet, and list those that cannot be used.

    Raises
    ------
    UsageError : if there is no such dataset, or it is a built-in one.
    TuilabelError : as `open_pool`.
    """
    found = locate_project(dataset, project, on_progress=on_progress)
    images = found.images if found.project is None else project_images(found.project.at(found.images))
    return FileProblems(images.title(), report_files(images, on_progress))

"""The statistics of a project, from its store and pool alone: no model is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuilabel.datasets import DatasetLike
from tuilabel.datasets.pool import FileCounts
from tuilabel.project.locate import find_project, project_pool
from tuilabel.project.progress import Note, ignore
from tuilabel.project.recipe import Recipe
from tuilabel.project.remembered import Remembered
from tuilabel.session.log_statistics import LogStatistics, log_statistics


@dataclass(frozen=True)
class ProjectStatistics:
    """What a project holds.

    Attributes
    ----------
    dataset : its name.
    project : its directory.
    pool_size : how many items can be labelled.
    files : how many files user images have, and what became of them; None for a built-in dataset.
    model : how its model is made.
    log : labels and estimates of accuracy.
    """

    dataset: str
    project: Path
    pool_size: int
    files: FileCounts | None
    model: Recipe
    log: LogStatistics

    def to_json(self) -> dict[str, Any]:
        """The statistics as a JSON document."""
        log, classes = self.log, self.log.classes
        return {
            "dataset": self.dataset,
            "project": str(self.project),
            "pool_size": self.pool_size,
            "files": None if self.files is None else asdict(self.files),
            "model": self.model.settings(),
            "labelled": log.labelled,
            "skipped": log.skipped,
            "flagged": log.flagged,
            "flagged_only": log.flagged_only,
            "flagged_by": dict(log.flagged_by),
            "notes": log.notes,
            "noted_by": dict(log.noted_by),
            "rounds": log.rounds,
            "annotators": dict(log.annotators),
            "team": {
                "annotators": {
                    figure.name: {
                        "labels": figure.labels,
                        "per_minute": figure.per_minute,
                        "last": figure.last.isoformat(),
                        "right": figure.right,
                        "checked": figure.checked,
                    }
                    for figure in log.team.annotators
                },
                "agreement": None if log.team.agreement is None else asdict(log.team.agreement),
                "disputed": log.team.disputed,
            },
            "classes": dict(zip(classes, log.class_counts, strict=True)),
            "accuracy": {"test": log.test_accuracy, "audit": None if log.audit is None else asdict(log.audit)},
            "lure": None if log.lure is None else asdict(log.lure),
            "class_accuracy": {
                name: {"value": figure.accuracy, "n": figure.n}
                for name, figure in zip(classes, log.class_figures, strict=True)
            },
            "confusions": [
                {"true": classes[c.true], "taken_for": classes[c.taken_for], "n": c.n} for c in log.confusions
            ],
            "baseline": None
            if log.baseline is None
            else {"class": classes[log.baseline.class_pos], "share": log.baseline.share, "n": log.baseline.n},
            "balanced_accuracy": None if log.balanced is None else asdict(log.balanced),
            "advice": {
                "gain": log.advice.gain,
                "interval": log.advice.gain_interval and list(log.advice.gain_interval),
                "text": log.advice_text,
            },
        }


def project_statistics(
    dataset: DatasetLike | None = None,
    project: Path | None = None,
    data_dir: Path | None = None,
    *,
    note: Note = ignore,
) -> ProjectStatistics:
    """Labels, annotators and estimates of accuracy of a project.

    Parameters
    ----------
    dataset, project, note : see `find_project`.
    data_dir : a torchvision root; None for `$TUILABEL_DATA` or the cache.

    Raises
    ------
    TuilabelError : if there is no project, or its images or labels cannot be read.
    """
    settings = find_project(dataset, project, note=note)
    model = Recipe.of(Remembered.of(settings))
    pool = project_pool(settings, data_dir)
    store = settings.read_store()
    try:
        log = log_statistics(
            store.events(),
            store.rounds(),
            store.class_changes(),
            classes=settings.classes,
            pool_size=len(pool.ids),
            test_size=None if pool.test is None else len(pool.test.images),
        )
    finally:
        store.close()
    return ProjectStatistics(settings.dataset, settings.directory, len(pool.ids), pool.file_counts(), model, log)

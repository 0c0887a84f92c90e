"""`make-colour-digits` without a screen: progress on stderr, what was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tuilabel.datasets.builtin.catalogue import default_data_dir
from tuilabel.datasets.builtin.colour_digits import make_colour_digits


def run_making(
    photos: Path, out: Path | None, *, train: int, test: int, seed: int, force: bool, quiet: bool
) -> dict[str, Any]:
    """Make the colour digits below `out`, or below the torchvision root where none is given.

    Returns
    -------
    What `make-colour-digits --json` prints: dataset, directory, train, test, train_photos, test_photos.

    Raises
    ------
    TuilabelError, UsageError : as `make_colour_digits`.
    """
    err = Console(stderr=True, quiet=quiet, highlight=False)
    columns = (
        TextColumn("laying digits over photographs"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=train + test)
        made = make_colour_digits(
            photos,
            out or default_data_dir(),
            train=train,
            test=test,
            seed=seed,
            force=force,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return {
        "dataset": "colour-digits",
        "directory": str(made.directory),
        "train": made.train,
        "test": made.test,
        "train_photos": made.train_photos,
        "test_photos": made.test_photos,
    }

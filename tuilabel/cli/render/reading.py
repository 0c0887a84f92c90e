"""Progress of what happens before there is a pool: downloads, listing, reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tuilabel.datasets import announcer
from tuilabel.datasets.open import Progress as OnProgress

BAR_FROM = 200  # files that take long enough for a bar


@contextmanager
def reading(console: Console) -> Iterator[OnProgress]:
    """For `open_pool`: a bar on a terminal while many files are read, a line for each stage elsewhere."""
    announce = announcer(lambda line: console.print(line, markup=False, soft_wrap=True))
    if not console.is_terminal:
        yield announce
        return
    what, figures = (
        TextColumn(text, markup=False) for text in ("{task.description}", "{task.completed:,}/{task.total:,}")
    )
    with Progress(what, BarColumn(), figures, TimeRemainingColumn(), console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            announce(stage, done, total)
            if total < BAR_FROM:
                return
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield show

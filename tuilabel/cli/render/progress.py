"""Progress of long-running work on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tuilabel.datasets import announcer
from tuilabel.project.progress import OnProgress


@contextmanager
def progress(console: Console) -> Iterator[OnProgress]:
    """Show stages of work: a bar for each on a terminal, a line for each elsewhere."""
    if not console.is_terminal:
        yield announcer(lambda line: console.print(line, soft_wrap=True))
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TimeRemainingColumn(),
    )
    # Output of the command itself goes to stdout and must not be captured by the progress bar.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for earlier in tasks.values():
                    bar.update(earlier, visible=False)
                tasks[stage] = bar.add_task(stage, count="")
            count = f"{done:,}/{total:,}" if total else f"{done:,}"
            bar.update(tasks[stage], completed=done, total=total or None, count=count)

        yield show

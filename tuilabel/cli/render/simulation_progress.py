"""What `simulate` says on stderr while it encodes and while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tuilabel.simulation.experiment import Experiment, total_rounds
from tuilabel.simulation.run import Run

TOLD = 10  # lines of progress where there is no terminal


@contextmanager
def encoding(err: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal and a line elsewhere, from the first time that it is called with (done, total)."""
    columns = (TextColumn("encoding"), BarColumn(), TextColumn("{task.completed:,}/{task.total:,}"))
    bar = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    task = bar.add_task("", total=1)
    told = False

    def show(done: int, total: int) -> None:
        nonlocal told
        if not told:
            told = True
            bar.start()
            if not err.is_terminal:
                err.print(f"encoding {total:,} images")
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.stop()


@contextmanager
def running(
    err: Console, experiment: Experiment, done: tuple[Run, ...]
) -> Iterator[tuple[Callable[[], None], Callable[[int], None]]]:
    """What is to be called after a round, and after a run with the number of finished runs.

    A live line on a terminal, a few lines elsewhere.
    """
    runs = len(experiment.runs())
    before, total = total_rounds(experiment, done)
    rounds, finished = before, len({run.key for run in done} & {run.key for run in experiment.runs()})
    begin = time.monotonic()

    def figures() -> str:
        each = (time.monotonic() - begin) / max(1, rounds - before)
        minutes, seconds = divmod(round(each * (total - rounds)), 60)
        left = f" · {minutes}:{seconds:02} left" if before < rounds < total else ""
        return f"{rounds:,} of {total:,} rounds · {finished:,} of {runs:,} runs{left}"

    columns = (TextColumn("simulating"), BarColumn(bar_width=None), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=err, expand=True, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=total, completed=rounds, figures=figures())
        if not err.is_terminal:
            err.print(figures())

        def on_round() -> None:
            nonlocal rounds
            rounds += 1
            bar.update(task, completed=rounds, figures=figures())

        def on_run(now: int) -> None:
            nonlocal finished
            told = finished * TOLD // runs
            finished = now
            bar.update(task, figures=figures())
            if not err.is_terminal and finished * TOLD // runs > told:
                err.print(figures())

        yield on_round, on_run

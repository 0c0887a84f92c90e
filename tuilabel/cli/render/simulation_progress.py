"""Progress of `simulate` on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tuilabel.cli.render.progress import progress
from tuilabel.simulation.simulate import OnProgress, SimulationProgress

LINES = 10  # of progress in total, if stderr is not a terminal


@contextmanager
def simulation_progress(console: Console) -> Iterator[tuple[OnProgress, Callable[[SimulationProgress], None]]]:
    """Show the preparation and then the runs: a live progress bar on a terminal, a few lines elsewhere.

    Yields
    ------
    (on_progress, on_round) for `simulate`.
    """
    columns = (TextColumn("simulating"), BarColumn(bar_width=None), TextColumn("{task.description}"))
    bar = Progress(*columns, console=console, expand=True, transient=True, disable=not console.is_terminal)
    first: tuple[SimulationProgress, float] | None = None
    printed = -1

    with ExitStack() as before_the_runs:
        on_progress = before_the_runs.enter_context(progress(console))

        def on_round(now: SimulationProgress) -> None:
            nonlocal first, printed
            if first is None:
                first = now, time.monotonic()
                before_the_runs.close()
                bar.start()
                bar.add_task("", total=now.total_rounds)
            text = _text(now, *first)
            bar.update(bar.task_ids[0], completed=now.rounds, description=text)
            step = now.runs * LINES // now.total_runs
            if not console.is_terminal and step > printed:
                printed = step
                console.print(text)

        try:
            yield on_progress, on_round
        finally:
            bar.stop()


def _text(now: SimulationProgress, first: SimulationProgress, begin: float) -> str:
    """Rounds, runs, and the time left at the pace since the first round."""
    text = f"{now.rounds:,} of {now.total_rounds:,} rounds · {now.runs:,} of {now.total_runs:,} runs"
    done = now.rounds - first.rounds
    if not done or now.rounds == now.total_rounds:
        return text
    minutes, seconds = divmod(round((time.monotonic() - begin) / done * (now.total_rounds - now.rounds)), 60)
    return f"{text} · {minutes}:{seconds:02} left"

"""Learning curves as a picture in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import UsageError
from tuilabel.extras import require
from tuilabel.files import atomic_write
from tuilabel.simulation.run import Run
from tuilabel.simulation.summary import COUNTS, curve

SUFFIXES = (".png", ".svg", ".pdf")
# Okabe and Ito's palette, which works for colour-blind readers, without its yellow, too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX*<>hp"
DASHES = ("-", "--", ":", "-.")
LOG_FROM = 15  # the axis of labels is logarithmic if it ends at so many times its start


def check_plot_file(path: Path) -> None:
    """Check that a plot can be written to `path`.

    Raises
    ------
    UsageError : if its file type is not one of `SUFFIXES`.
    TuilabelError : if matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"plot must be a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file, got {path}", parameter="plot"
        )
    require("matplotlib", "a plot")


def mean_curves(runs: Sequence[Run]) -> dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """For each strategy and learner: labels (k,) and accuracies (seeds, k) of the k rounds that all its runs have."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.strategy, run.learner), []).append(run)
    curves_by_name = {}
    for key, members in groups.items():
        curves = [curve(run) for run in members]
        k = min(len(n) for n, _ in curves)
        curves_by_name[key] = curves[0][0][:k], np.stack([y[:k] for _, y in curves])
    return curves_by_name


def write_plot(runs: Sequence[Run], dataset: str, path: Path) -> None:
    """Draw the mean accuracy by labels with a band of one standard deviation, a panel for each learner.

    Raises
    ------
    UsageError : if the file type is not one of `SUFFIXES`.
    TuilabelError : if the file cannot be written.
    """
    check_plot_file(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = mean_curves(runs)
    learners = list(dict.fromkeys(learner for _, learner in curves))
    strategies = list(dict.fromkeys(strategy for strategy, _ in curves))
    outside = len(strategies) > 8  # a long legend would hide the curves
    figure = Figure(figsize=(7.0 * len(learners) + 2 * outside, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(learners), sharey=True, squeeze=False)[0]
    for panel, learner in zip(panels, learners, strict=True):
        for n, strategy in enumerate(strategies):
            if (strategy, learner) in curves:
                _draw(panel, *curves[strategy, learner], strategy, n)
        seeds = max(len(y) for (_, of), (_, y) in curves.items() if of == learner)
        spread = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
        panel.set_title(f"{dataset}, learner {learner}: {spread}")
        panel.set_xlabel("labels")
        panel.grid(alpha=0.3)
        _scale(panel, [n for (_, of), (n, _) in curves.items() if of == learner])
    panels[0].set_ylabel("accuracy on the test split (%)")
    if outside:
        panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    else:
        panels[-1].legend(loc="lower right")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:])


def _draw(panel: Any, n: NDArray[np.float64], accuracies: NDArray[np.float64], name: str, number: int) -> None:
    colour = COLOURS[number % len(COLOURS)]
    mean = 100 * accuracies.mean(axis=0)
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    step = max(1, len(n) // 12)
    every = (number % step, step)  # so that markers of overlapping curves do not hide each other
    marker = MARKERS[number % len(MARKERS)]
    panel.plot(n, mean, dashes, color=colour, marker=marker, markevery=every, markersize=5, linewidth=1.6, label=name)
    if len(accuracies) > 1:
        spread = 100 * accuracies.std(axis=0, ddof=1)
        panel.fill_between(n, mean - spread, np.minimum(mean + spread, 100), color=colour, alpha=0.15, linewidth=0)


def _scale(panel: Any, labels: list[NDArray[np.float64]]) -> None:
    """Make the axis logarithmic, with round numbers, if the first rounds would be squeezed otherwise."""
    from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

    low, high = min(n[0] for n in labels), max(n[-1] for n in labels)
    if high < LOG_FROM * low:
        return
    panel.set_xscale("log")
    ticks = [n for n in (1, 2, 5, *COUNTS, 20_000, 50_000) if low <= n <= high / 1.3]
    panel.set_xticks([*ticks, high])
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_minor_formatter(NullFormatter())

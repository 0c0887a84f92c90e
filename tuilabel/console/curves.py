"""The results of `simulate` for people: tables, and curves in the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tuilabel.estimate import PairedComparison
from tuilabel.simulate.estimates import EstimateRow, Quality, compare_estimates
from tuilabel.simulate.plots import terminal_plot
from tuilabel.simulate.run import Run
from tuilabel.simulate.summary import BASELINE, TARGETS, Row, Spread, counts_within, summarise

PIPE_WIDTH = 100  # columns where nobody says how many there are
COUNT_WIDTH = 13  # of one accuracy with its spread


def print_results(runs: Sequence[Run], settings: dict[str, Any], *, estimates: bool) -> None:
    """Print all of it on stdout."""
    terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    out = Console(highlight=False, width=None if terminal else PIPE_WIDTH)
    named = {f"{run.strategy}{run.learner}": len(run.strategy) for run in runs}
    several = len({run.learner for run in runs}) > 1
    room = out.width - max(8, *named.values()) - COUNT_WIDTH - 9 * several
    rows = summarise(runs, shown_counts(counts_within(runs), max(2, room // COUNT_WIDTH)))
    seeds = len({run.seed for run in runs})
    audits = "a tenth of each batch audited" if settings["audit_share"] else "no audits"
    out.print(
        f"{settings['dataset']}: {seeds} seed{'s' * (seeds > 1)}, "
        f"{settings['initial']} labels first (start: {settings['start']}), then {settings['batch']} a round, {audits}",
        markup=False,
    )
    _titled(
        out, f"Accuracy on the test split in %, {'by labels' if seeds == 1 else 'mean ± standard deviation, by labels'}"
    )
    out.print(accuracy_table(rows))
    _titled(out, "Labels it takes to reach an accuracy, and the models after the last round")
    out.print(comparison_table(rows))
    for line in _footnotes(rows):
        out.print(line, markup=False, style="dim")
    if estimates:
        _titled(out, "Estimates of accuracy against the accuracy on the test split, in points")
        out.print(estimates_table(compare_estimates(runs)))
        out.print("bias: estimate - truth; held: runs whose 95 % interval held the truth", markup=False, style="dim")
    if plot := terminal_plot(runs, out.width, out.is_terminal and not out.no_color):
        _titled(out, "Mean accuracy on the test split by labels")
        print(plot, file=out.file)


def _titled(out: Console, title: str) -> None:
    out.print(f"\n{title}", markup=False, style="bold")


def shown_counts(counts: list[int], most: int) -> list[int]:
    """At most `most` of the numbers of labels, evenly among them, the last one always there."""
    if len(counts) <= most:
        return counts
    return sorted({counts[round(i * (len(counts) - 1) / (most - 1))] for i in range(most)})


def accuracy_table(rows: list[Row]) -> Table:
    """Accuracy at the shown counts, and over all."""
    table = _table(rows)
    for count in rows[0].accuracy:
        table.add_column(f"{count:,}", justify="right", no_wrap=True)
    table.add_column("area", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_names(row, rows), *map(_percent, row.accuracy.values()), _percent(row.area))
    return table


def comparison_table(rows: list[Row]) -> Table:
    """How many labels a target takes, and what the models are like at the end."""
    table = _table(rows)
    for target in TARGETS:
        table.add_column(f"to {100 * target:.0f} %", justify="right", no_wrap=True)
    against = any(row.against_baseline for row in rows)
    differences = (f"vs {BASELINE}", "p (t)", "p (W)") if against else ()
    for heading in (*differences, "balanced", "ECE", "s/round"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *_names(row, rows),
            *(_labels_to(*row.labels_to[target], row.seeds) for target in TARGETS),
            *(_difference(row.against_baseline) if against else ()),
            f"{100 * row.balanced_accuracy.mean:.1f}",
            f"{100 * row.calibration_error.mean:.1f}",
            f"{row.seconds:.2f}",
        )
    return table


def estimates_table(rows: list[EstimateRow]) -> Table:
    """How far each estimate is from the truth."""
    table = _table(rows)
    for heading in ("labels", "truth", "audit\nbias", "\nheld", "\nwidth", "LURE\nbias", "\nheld", "\nwidth"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("confidence\nbias", justify="right", no_wrap=True)
    for row in rows:
        sure = "–" if row.confidence is None else f"{100 * row.confidence.bias:+.1f}"
        figures = (*_quality(row.audit), *_quality(row.lure), sure)
        table.add_row(*_names(row, rows), f"{row.n_labels:,}", f"{100 * row.accuracy:.1f}", *figures)
    return table


def _table(rows: Sequence[Row | EstimateRow]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("strategy", overflow="fold")  # the one that gives way where there is little room
    if _several(rows):
        table.add_column("learner", no_wrap=True)
    return table


def _several(rows: Sequence[Row | EstimateRow]) -> bool:
    return len({row.learner for row in rows}) > 1


def _names(row: Row | EstimateRow, rows: Sequence[Row | EstimateRow]) -> tuple[str, ...]:
    return (row.strategy, row.learner) if _several(rows) else (row.strategy,)


def _percent(spread: Spread) -> str:
    mean = f"{100 * spread.mean:.1f}"
    return mean if spread.sd is None else f"{mean} ± {100 * spread.sd:.1f}"


def _labels_to(median: float | None, reached: int, seeds: int) -> str:
    if median is None:
        return "–"
    return f"{median:,.0f}" if reached == seeds else f"{median:,.0f} ({reached}/{seeds})"


def _difference(comparison: PairedComparison | None) -> tuple[str, str, str]:
    if comparison is None:
        return "", "", ""
    mean = f"{100 * comparison.mean:+.2f}"
    if comparison.standard_error is None:
        return mean, "–", "–"
    return f"{mean} ± {100 * comparison.standard_error:.2f}", _p(comparison.p_t), _p(comparison.p_wilcoxon)


def _p(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _quality(quality: Quality | None) -> tuple[str, str, str]:
    if quality is None or quality.coverage is None or quality.width is None:
        return "–", "–", "–"
    held = f"{round(quality.coverage * quality.runs)}/{quality.runs}"
    return f"{100 * quality.bias:+.1f}", held, f"{100 * quality.width:.1f}"


def _footnotes(rows: list[Row]) -> Iterator[str]:
    yield "area: mean accuracy over the range of labels; s/round: median of training and picking"
    yield "to: median labels; (n/m) where n of m runs get there, – where no more than half do"
    if any(row.against_baseline for row in rows):
        yield f"vs {BASELINE}: points of area, seed by seed, ± standard error; p of the paired t-test and of Wilcoxon's"
    yield "balanced accuracy and expected calibration error (ECE): in %"

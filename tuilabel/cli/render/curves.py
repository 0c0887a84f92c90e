"""The results of `simulate` in the terminal: tables and learning curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuilabel.cli.render.console import output_console
from tuilabel.errors import pluralize
from tuilabel.estimate import PairedComparison
from tuilabel.render.line_chart import LETTERS, line_chart
from tuilabel.simulation.estimates import EstimateRow, Quality, compare_estimates
from tuilabel.simulation.plots import LOG_FROM, mean_curves
from tuilabel.simulation.run import Run
from tuilabel.simulation.summary import BASELINE, TARGETS, Row, Spread, counts_within, summarise

PIPE_WIDTH = 100  # columns, if stdout is not a terminal
COUNT_WIDTH = 12  # of a column with one accuracy and its spread
GAP = 2  # between columns
CHART_HEIGHT = 18  # lines
CHART_COLOURS = ("blue", "yellow", "magenta", "green", "cyan", "red")
Column = tuple[str, list[str]]
"""Heading and cells."""


def print_results(runs: Sequence[Run], settings: dict[str, Any], *, estimates: bool) -> None:
    """Print tables and curves on stdout.

    Parameters
    ----------
    settings : of the results; see `describe`.
    estimates : whether to compare estimates of accuracy with the true accuracy.
    """
    out = output_console(PIPE_WIDTH)
    several_learners = len({run.learner for run in runs}) > 1
    room = out.width - max(len(run.strategy) for run in runs) - COUNT_WIDTH - 9 * several_learners
    rows = summarise(runs, shown_counts(counts_within(runs), max(3, room // COUNT_WIDTH)))
    seeds = len({run.seed for run in runs})
    audits = f"{settings['audit_share']:.0%} audited" if settings["audit_share"] else "no audit"
    out.print(
        f"{settings['dataset']}: {pluralize(seeds, 'seed')}, {pluralize(settings['initial'], 'label')} in round 1 "
        f"(start: {settings['start']}), then {settings['batch']} per round, {audits}"
    )
    spread = "" if seeds == 1 else ", mean ± standard deviation,"
    _titled(out, f"Accuracy on the test split in %{spread} by number of labels")
    _print_tables(out, rows, accuracy_columns(rows))
    _titled(out, "Labels needed to reach an accuracy, and the models after the last round")
    _print_tables(out, rows, comparison_columns(rows))
    for line in _footnotes(rows):
        out.print(line, style="dim")
    if estimates and (compared := compare_estimates(runs)):
        _titled(out, "Estimates of accuracy compared with the true accuracy on the pool, in points")
        _print_tables(out, compared, estimate_columns(compared))
        out.print("bias: estimate - truth; covered: runs whose 95 % interval contained the truth", style="dim")
    if chart := curve_chart(runs, out.width, coloured=out.is_terminal and not out.no_color):
        _titled(out, "Mean accuracy on the test split by number of labels")
        out.print(chart)


def _titled(out: Console, title: str) -> None:
    out.print(f"\n{title}", style="bold")


def _print_tables(out: Console, rows: Sequence[Row | EstimateRow], columns: list[Column]) -> None:
    for n, table in enumerate(tables(rows, columns, out.width)):
        if n:
            out.print()
        out.print(table)


def curve_chart(runs: Sequence[Run], width: int, *, coloured: bool) -> Text | None:
    """The mean curves and their legend, at most `width` columns wide; None if no run has two points.

    Lines differ by colour; without colours, or with more lines than colours, each is drawn with its own letter.
    """
    curves = mean_curves(runs)
    if not curves or max(len(n) for n, _ in curves.values()) < 2:
        return None
    means = [(n, 100 * y.mean(axis=0)) for n, y in curves.values()]
    first, last = min(n[0] for n, _ in means), max(n[-1] for n, _ in means)
    lowest, highest = min(y.min() for _, y in means), max(y.max() for _, y in means)
    letters = not coloured or len(means) > len(CHART_COLOURS)
    lines = line_chart(
        means,
        width,
        CHART_HEIGHT,
        x_limits=(first, last),
        y_limits=(lowest, highest),
        log_x=last >= LOG_FROM * first,
        letters=letters,
        unit=" %",
    )

    def style(k: int | None) -> str:
        return CHART_COLOURS[k % len(CHART_COLOURS)] if coloured and k is not None else ""

    several = len({learner for _, learner in curves}) > 1
    names = [f"{strategy} ({learner})" if several else strategy for strategy, learner in curves]
    marks = [2 * LETTERS[k % len(LETTERS)] if letters else "━━" for k in range(len(names))]
    legend = [
        Text.assemble((mark, style(k)), f" {name}") for k, (mark, name) in enumerate(zip(marks, names, strict=True))
    ]
    drawn = [Text.assemble(*((text, style(k)) for text, k in line)) for line in lines]
    return Text("\n").join([*drawn, *_wrapped(legend, width)])


def _wrapped(entries: Sequence[Text], width: int) -> Iterator[Text]:
    """Entries in a row, as many in each line as fit."""
    line = Text()
    for entry in entries:
        if line and line.cell_len + entry.cell_len + GAP > width:
            yield line
            line = Text()
        line = Text.assemble(line, " " * GAP, entry)
    yield line


def shown_counts(counts: list[int], most: int) -> list[int]:
    """At most `most` of the numbers of labels, evenly spaced, always with the last one."""
    if len(counts) <= most:
        return counts
    return sorted({counts[round(i * (len(counts) - 1) / (most - 1))] for i in range(most)})


def accuracy_columns(rows: list[Row]) -> list[Column]:
    """Accuracy at some numbers of labels, and the area under the curve."""
    counts = [(f"{count:,}", [_percent(row.accuracy[count]) for row in rows]) for count in rows[0].accuracy]
    return [*counts, ("area", [_percent(row.area) for row in rows])]


def comparison_columns(rows: list[Row]) -> list[Column]:
    """Labels needed for each target, difference to the baseline, and quality of the last models."""
    columns = [
        (f"to {100 * target:.0f} %", [_labels_to(*row.labels_to[target], row.seeds) for row in rows])
        for target in TARGETS
    ]
    if any(row.against_baseline for row in rows):
        differences = [_difference(row.against_baseline) for row in rows]
        for n, heading in enumerate((f"vs {BASELINE}", "p (t)", "p (W)")):
            columns.append((heading, [cells[n] for cells in differences]))
    columns.append(("balanced", [f"{100 * row.balanced_accuracy.mean:.1f}" for row in rows]))
    columns.append(("ECE", [f"{100 * row.calibration_error.mean:.1f}" for row in rows]))
    columns.append(("s/round", [f"{row.seconds:.2f}" for row in rows]))
    return columns


def estimate_columns(rows: list[EstimateRow]) -> list[Column]:
    """The error of each estimate."""
    columns = [
        ("labels", [f"{row.n_labels:,}" for row in rows]),
        ("truth", [f"{100 * row.accuracy:.1f}" for row in rows]),
    ]
    for name, qualities in (("audit", [row.audit for row in rows]), ("LURE", [row.lure for row in rows])):
        figures = [_quality(quality) for quality in qualities]
        for n, heading in enumerate((f"{name}\nbias", "\ncovered", "\nwidth")):
            columns.append((heading, [cells[n] for cells in figures]))
    confidence = ["–" if row.confidence is None else f"{100 * row.confidence.bias:+.1f}" for row in rows]
    return [*columns, ("confidence\nbias", confidence)]


def tables(rows: Sequence[Row | EstimateRow], columns: list[Column], width: int) -> Iterator[Table]:
    """The columns after the names of the rows, in as many tables as needed to fit into `width`."""
    names = [("strategy", [row.strategy for row in rows])]
    if _several(rows):
        names.append(("learner", [row.learner for row in rows]))
    while columns:
        room, fitting = width - sum(map(_width, names)), 0
        while fitting < len(columns) and (room := room - _width(columns[fitting])) >= -GAP:
            fitting += 1
        fitting = max(1, fitting)
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for heading, _ in names:
            table.add_column(heading, overflow="fold")
        for heading, _ in columns[:fitting]:
            table.add_column(heading, justify="right", no_wrap=True)
        for cells in zip(*(cells for _, cells in [*names, *columns[:fitting]]), strict=True):
            table.add_row(*cells)
        yield table
        columns = columns[fitting:]


def _width(column: Column) -> int:
    heading, cells = column
    return max(map(len, [*heading.split("\n"), *cells])) + GAP


def _several(rows: Sequence[Row | EstimateRow]) -> bool:
    return len({row.learner for row in rows}) > 1


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
    covered = f"{round(quality.coverage * quality.runs)}/{quality.runs}"
    return f"{100 * quality.bias:+.1f}", covered, f"{100 * quality.width:.1f}"


def _footnotes(rows: list[Row]) -> Iterator[str]:
    yield "area: mean accuracy over the range of labels; s/round: median seconds per round"
    yield "to: median labels; (n/m) if only n of m runs reach it, – if half or fewer do"
    if any(row.against_baseline for row in rows):
        yield f"vs {BASELINE}: paired difference in area ± standard error, in points; p: t-test, Wilcoxon"
    yield "balanced accuracy and expected calibration error (ECE): in %"

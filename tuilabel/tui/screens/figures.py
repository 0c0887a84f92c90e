"""Charts and statistics on the whole screen: accuracy with its interval, uncertainty, classes, confusions, advice."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from tuilabel.errors import pluralize, printable
from tuilabel.estimate import MeasuredAccuracy, accuracy_text, agreement_text, balanced_text, baseline_text, recall_text
from tuilabel.session import Statistics
from tuilabel.session.annotators import TeamFigures
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.line_plot import LinePlot

REFRESH_INTERVAL = 1.0  # seconds


class FiguresScreen(Screen[None]):
    """Charts and tables of the session, updated while the trainer works. Class keys do nothing here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, "app.pop_screen", show=False) for key in ("escape", "equals_sign", "tab")
    ]

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self._shown: Statistics | None = None
        self._accuracy, self._uncertainty = LinePlot(), LinePlot()
        self._summary, self._side = Static(markup=False, id="figures-summary"), Static(id="figures-classes")

    def compose(self) -> ComposeResult:
        self._summary.border_title = "SESSION"
        self._accuracy.border_title = (
            "[$primary]ACCURACY[/], [$secondary]95 % interval[/], [$error]largest class[/], by labels"
        )
        self._uncertainty.border_title = "UNCERTAINTY [$primary]now[/] and [$secondary]at first[/]"
        yield self._summary
        with Horizontal():
            with Vertical(id="figures-plots"):
                yield self._accuracy
                yield self._uncertainty
            with VerticalScroll(id="figures-side") as side:
                side.border_title = "CLASSES"
                yield self._side
        yield Static("Esc back", markup=False, id="figures-hint")

    def on_mount(self) -> None:
        self._show()
        self.set_interval(REFRESH_INTERVAL, self._show)

    def on_key(self, event: events.Key) -> None:
        if event.character is not None and event.character.isalnum():
            event.stop()
            event.prevent_default()

    def _show(self) -> None:
        statistics = self._state.session.statistics()
        if statistics == self._shown:
            return
        self._shown = statistics
        self._summary.update(summary(statistics, self._state.session.classes))
        classes, team = class_table(statistics, self._state.session.classes), self._state.session.team_figures()
        self._side.update(Group(classes, "", annotator_table(team)) if len(team.annotators) > 1 else classes)
        self._draw_curve(statistics)
        self._draw_uncertainty(statistics)

    def _draw_curve(self, statistics: Statistics) -> None:
        if not statistics.curve:
            return
        labels, accuracy, low, high = (np.array(column, dtype=float) for column in zip(*statistics.curve, strict=True))
        end, bottom = max(20.0, float(labels.max())), max(0.0, 100 * float(np.quantile(low, 0.1)) - 2)
        marked = None if statistics.baseline is None else 100 * statistics.baseline.share
        marked = None if marked is None or marked < bottom else marked
        self._accuracy.show(
            [
                *([] if marked is None else [((np.array([0.0, end]), np.full(2, marked)), "mark")]),
                ((labels, 100 * low), "back"),
                ((labels, 100 * high), "back"),
                ((labels, 100 * accuracy), "front"),
            ],
            x_limits=(0, end),
            y_limits=(bottom, 100),
            unit=" %",
        )

    def _draw_uncertainty(self, statistics: Statistics) -> None:
        curves = []
        for histogram, style in ((statistics.start_histogram, "back"), (statistics.histogram, "front")):
            counts = np.array(histogram or (), dtype=float)
            if counts.any():
                middles = (np.arange(len(counts)) + 0.5) / len(counts)
                curves.append(((middles, 100 * counts / counts.sum()), style))
        if curves:
            highest = max(float(share.max()) for (_, share), _ in curves)
            self._uncertainty.show(curves, x_limits=(0, 1), y_limits=(0, highest), unit=" %")


def summary(statistics: Statistics, classes: tuple[str, ...]) -> str:
    """The first lines: progress, pace, accuracy and what it has to beat, advice."""
    pace = "" if statistics.per_minute is None else f" · {statistics.per_minute:.0f} labels a minute"
    left = ""
    if statistics.target is not None and statistics.labels_to_target is not None:
        left = f" · about {statistics.labels_to_target:,} more labels to {100 * statistics.target:g} %"
        left += "" if statistics.minutes_left is None else f", {statistics.minutes_left:.0f} minutes"
    figures = ["no accuracy yet"] if statistics.accuracy is None else [f"accuracy {accuracy_text(statistics.accuracy)}"]
    audit = MeasuredAccuracy.on_audit(statistics.audit)
    if statistics.by_test and audit is not None:
        figures.append(f"by audit {accuracy_text(audit)}")
    if statistics.balanced is not None:
        figures.append(balanced_text(statistics.balanced))
    if statistics.baseline is not None:
        figures.append(baseline_text(statistics.baseline, classes))
    progress = f"{statistics.labelled:,} of {statistics.pool_size:,} labelled{pace}{left}"
    return f"{progress}\n{' · '.join(figures)}\n{statistics.advice_text}"


def class_table(statistics: Statistics, classes: tuple[str, ...]) -> Table:
    """Labels and accuracy of each class, and the most frequent confusions."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, show_edge=False)
    for name in ("class", "labels", "accuracy"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for name, figure in zip(classes, statistics.class_figures, strict=False):
        table.add_row(Text(name), f"{figure.count:,}", recall_text(figure.accuracy, figure.n))
    if statistics.confusions:
        table.add_row()
        table.add_row(Text("confusions", style="bold"), "count", "")
        for confusion in statistics.confusions:
            pair = f"{classes[confusion.true]} predicted as {classes[confusion.taken_for]}"
            table.add_row(Text(pair), f"{confusion.n:,}", "")
    return table


def annotator_table(team: TeamFigures) -> Group:
    """What each annotator did, and how far they agree."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, show_edge=False)
    for name in ("annotator", "labels", "a minute", "confirmed"):
        table.add_column(name, justify="left" if name == "annotator" else "right")
    for figure in team.annotators:
        pace = "" if figure.per_minute is None else f"{figure.per_minute:.0f}"
        confirmed = f"{figure.right}/{figure.checked}" if figure.checked else ""
        table.add_row(Text(printable(figure.name)), f"{figure.labels:,}", pace, confirmed)
    agreement = [] if team.agreement is None else [Text(f"agreement {agreement_text(team.agreement)}")]
    disputed = [Text(f"{pluralize(team.disputed, 'image')} disputed: . reviews them")] if team.disputed else []
    return Group(table, *agreement, *disputed)

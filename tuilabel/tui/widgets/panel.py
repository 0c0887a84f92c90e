"""The side panel: all live statistics, laid out as lines of text by pure functions."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from tuilabel.encoders.titles import title_of
from tuilabel.session import Statistics, TrainerState
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.charts import band_chart, bar, nice_limit
from tuilabel.tui.widgets.painted import PaintedWidget

Line = list[tuple[str, str]]
"""(text, style) pairs; the styles are the component classes of `StatisticsPanel`."""


class StatisticsPanel(PaintedWidget):
    """Shows the statistics of a session; repaints only what changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"panel--{style}" for style in ("text", "dim", "strong", "good", "bad", "chart", "band", "title")
    }

    def __init__(self, state: AppState, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._state = state
        self._statistics: Statistics | None = None
        self._strips: dict[tuple[object, ...], Strip] = {}

    def show(self, statistics: Statistics) -> None:
        """Show `statistics` from now on."""
        self._statistics = statistics
        width, height = self.size
        if width < 4 or height < 1:
            return
        lines = panel_lines(statistics, self._state.session.classes, self._state.keys, width - 2, height)
        strips = [self._strip(line, width) for line in lines]
        blank = Strip.blank(width, self.rich_style)
        self.paint((strips + [blank] * height)[:height])

    def _strip(self, line: Line, width: int) -> Strip:
        """The line as a strip, cached: most lines are the same after a key."""
        key = (width, *line)
        if key not in self._strips:
            if len(self._strips) > 1000:
                self._strips.clear()
            segments, used = [Segment(" ", self.rich_style)], 1
            for text, style in line:
                text = set_cell_size(text, min(cell_len(text), width - used))
                used += cell_len(text)
                segments.append(Segment(text, self.component_style(f"panel--{style}")))
            segments.append(Segment(" " * (width - used), self.rich_style))
            self._strips[key] = Strip(segments, width)
        return self._strips[key]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = {}
        if self._statistics is not None:
            self.call_later(self.show, self._statistics)

    def on_resize(self, _: events.Resize) -> None:
        if self._statistics is not None:
            self.show(self._statistics)


def panel_lines(
    statistics: Statistics, classes: Sequence[str], keys: Sequence[str], width: int, height: int
) -> list[Line]:
    """The panel in `width` × `height` characters. Charts grow with the height; nothing is cut off."""
    head = _progress(statistics, width)
    roomy = height >= 34
    advice = [[("ADVICE", "title")], *_wrapped(statistics.advice_text, width, 3)] if roomy else []
    room = max(2, height - len(head) - len(advice) - (16 if roomy else 8))
    legend = _classes(statistics, classes, keys, width, room)
    spare = height - len(head) - len(advice) - len(legend) - 5  # titles of both charts, the audit, both axes
    gap: list[Line] = [[]] if roomy and spare >= 8 else []
    chart_rows = max(1, min(8, (spare - 4 * len(gap)) // 2))
    return [
        *head,
        *gap,
        *_accuracy(statistics, width, chart_rows, spare >= 3),
        *gap,
        *_uncertainty(statistics, width, chart_rows),
        *gap,
        *legend,
        *gap,
        *advice,
    ]


def _wrapped(text: str, width: int, lines: int) -> list[Line]:
    """`text` in exactly `lines` lines, so that what is below does not move when the text changes."""
    broken = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    return [[(line, "text")] for line in (broken + [""] * lines)[:lines]]


def _progress(statistics: Statistics, width: int) -> list[Line]:
    aside = statistics.skipped + statistics.flagged
    pace = "–" if statistics.per_minute is None else f"{statistics.per_minute:.0f}"
    skipped: Line = [(f"  {aside} skipped", "dim")] if aside else []
    lines: list[Line] = [
        [(f"{statistics.labelled:,}", "strong"), (f" of {statistics.pool_size:,} labelled", "text")],
        [(pace, "strong"), (" a minute" if aside and width < 32 else " labels a minute", "text"), *skipped],
        [(f"round {statistics.round}", "text"), (f" · {statistics.strategy}", "dim")],
    ]
    if statistics.target is not None:
        lines.insert(2, [(f"to {100 * statistics.target:g}%: ", "dim"), *_to_target(statistics)])
    return [*lines, _trainer(statistics.trainer, width), *_space(statistics.trainer, width)]


def _to_target(statistics: Statistics) -> Line:
    left, minutes = statistics.labels_to_target, statistics.minutes_left
    if left is None:
        return [("too early", "dim")]
    if left == 0:
        return [("reached", "good")]
    labels: Line = [(f"{left:,}", "strong"), (" labels", "text")]
    return labels if minutes is None else [*labels, (f", {max(1, round(minutes)):,} min", "text")]


_DOING = {
    "starting": "starting",
    "load": "loading",
    "encode": "encoding",
    "train": "training",
    "idle": "idle",
    "stopped": "stopped",
}
"""What the trainer is doing, in words of similar length, as the line changes with every key."""


def _trainer(trainer: TrainerState, width: int) -> Line:
    doing = _DOING.get(trainer.doing, trainer.doing).ljust(8)
    line: Line = [("trainer ", "dim"), (doing, "bad" if trainer.doing == "stopped" else "text")]
    if trainer.total and trainer.doing == "encode":
        return [*line, (f"{trainer.done / trainer.total:5.0%}", "text")]
    if trainer.trained_on is None or trainer.fit_seconds is None:
        return line
    took = trainer.fit_seconds + (trainer.query_seconds or 0)
    figures = f" {took:.2f} s" if width < 34 else f" {took:.2f} s for {trainer.trained_on:,}"
    return [*line, (figures, "dim")]


_BACKGROUND = {"read": "reading", "download": "downloading", "vae": "training VAE", "encode": "encoding"}


def _space(trainer: TrainerState, width: int) -> list[Line]:
    """How images are represented, and what is being prepared: two lines, or none if images are always the same."""
    if trainer.encoder is None:
        return []
    title, _, which = title_of(trainer.encoder).partition(" (")
    whole = f"{title} ({which}" if which else title
    fits = len("space ") + len(whole) <= width
    space: Line = [("space ", "dim"), (whole if fits else title, "text")]
    if trainer.background is None:
        return [space, [] if fits or not which else [(which.rstrip(")"), "dim")]]
    return [space, _preparing(trainer, width)]


def _preparing(trainer: TrainerState, width: int) -> Line:
    """What is being prepared: how much of it is done, how fast, and how long it takes, as far as that fits."""
    doing = _BACKGROUND.get(trainer.background or "", trainer.background or "")
    if trainer.background == "encode" and title_of(trainer.background_encoder or "").startswith("network features"):
        doing = "features"
    share = trainer.background_done / trainer.background_total if trainer.background_total else 0
    line: Line = [(doing, "dim"), (f" {share:.0%}", "text")]
    if not trainer.background_rate:
        return line
    left = f" · {_duration((trainer.background_total - trainer.background_done) / trainer.background_rate)}"
    rate = "" if trainer.background in ("download", "vae") else f" · {trainer.background_rate:,.0f}/s"
    for text in (f"{rate}{left}", left):
        if sum(len(piece) for piece, _ in line) + len(text) <= width:
            return [*line, (text, "dim")]
    return line


def _duration(seconds: float) -> str:
    """A time to wait, coarse, so that it does not change with every glance."""
    if seconds < 60:
        return f"{10 * max(1, math.ceil(seconds / 10))} s"
    return f"{math.ceil(seconds / 60):,} min"


def _accuracy(statistics: Statistics, width: int, rows: int, with_axis: bool) -> list[Line]:
    test, curve = statistics.test_accuracy, statistics.curve
    head: Line = [("ACCURACY ", "title"), ("test " if statistics.by_test else "by audit ", "dim")]
    if not curve:
        chart: list[Line] = [[("after the first model", "dim")], *[[("", "chart")]] * (rows - 1 + with_axis)]
        return [[*head, ("–", "dim")], *chart, _audit(statistics)]
    last = curve[-1]
    floor, limit = axis_floor(last.accuracy), nice_limit(last.labels)

    def columns(values: Sequence[float]) -> list[float | None]:
        by_labels = [(point.labels, value) for point, value in zip(curve, values, strict=True)]
        spread = _curve_columns(by_labels, limit, width)
        return [None if value is None else (value - floor) / (1 - floor) for value in spread]

    low, high = columns([point.low for point in curve]), columns([point.high for point in curve])
    chart = band_chart(low, high, rows, ("chart", "band"))
    axis = f"{100 * floor:.0f}–100 %"
    axis += f"{limit:,} labels".rjust(width - len(axis))
    figure = f"{last.accuracy if test is None else test:.1%}"
    half = f" ± {50 * (last.high - last.low):.1f}"
    top: Line = [*head, (figure, "good"), (half, "dim")]
    return [top, *chart, *([[(axis, "dim")]] if with_axis else []), _audit(statistics)]


def _audit(statistics: Statistics) -> Line:
    audit = statistics.audit
    if audit is None:
        return [("audit ", "dim"), ("–", "dim")]
    interval = f" ({100 * audit.low:.0f}–{100 * audit.high:.0f}, n {audit.n})"
    return [("audit ", "dim"), (f"{audit.value:.0%}", "good"), (interval, "dim")]


def axis_floor(accuracy: float) -> float:
    """The start of the accuracy axis, so that the last points of a good classifier stay visible. It seldom changes."""
    return next((floor for floor in (0.95, 0.9, 0.8, 0.5) if accuracy >= floor + (1 - floor) / 4), 0.0)


def _curve_columns(curve: Sequence[tuple[int, float]], limit: int, width: int) -> list[float | None]:
    """Accuracy by number of labels in `width` columns up to `limit` labels; gaps repeat the last value."""
    columns: list[float | None] = [None] * width
    for labels, accuracy in curve:
        columns[min(width - 1, labels * width // limit)] = accuracy
    last, end = None, min(width - 1, curve[-1][0] * width // limit)
    for x in range(end + 1):
        last = columns[x] = columns[x] if columns[x] is not None else last
    return columns


def _uncertainty(statistics: Statistics, width: int, rows: int) -> list[Line]:
    mean, histogram = statistics.mean_uncertainty, statistics.histogram
    head: Line = [("UNCERTAINTY ", "title"), ("mean ", "dim"), ("–" if mean is None else f"{mean:.2f}", "strong")]
    if histogram is None:
        return [head, [("after the first model", "dim")], *[[("", "chart")]] * rows]
    start = statistics.start_histogram or histogram
    top = max(*histogram, *start) or 1
    wide = max(1, width // len(histogram))
    now = [(n / top) ** 0.5 for n in histogram for _ in range(wide)][:width]
    before = [(n / top) ** 0.5 for n in start for _ in range(wide)][:width]
    chart = band_chart(now, before, rows, ("chart", "band"))
    axis: Line = [("sure ".ljust(len(now) - 6), "dim"), ("unsure", "dim")]
    if len(now) >= 24:
        axis = [("sure ", "dim"), ("▪ at first".center(len(now) - 11), "band"), ("unsure", "dim")]
    return [head, *chart, axis]


def _classes(statistics: Statistics, classes: Sequence[str], keys: Sequence[str], width: int, room: int) -> list[Line]:
    """Key, name, count and accuracy of each class, in as many columns as needed for `room` lines."""
    counts = statistics.class_counts
    columns = min(max(1, -(-len(classes) // room)), max(1, width // 8))
    if columns == 1:
        return _class_bars(statistics, classes, keys, width, titled=room > len(classes))
    per_column, wide = -(-len(classes) // columns), width // columns
    digits = len(f"{max(counts, default=0):,}")
    named = any(key != name for key, name in zip(keys, classes, strict=True))
    lines: list[Line] = []
    for row in range(per_column):
        line: Line = []
        for c in range(row, len(classes), per_column):
            line.append((keys[c] or " ", "strong"))
            if named:
                line.append((set_cell_size(f" {classes[c]}", max(0, wide - 3 - digits)), "text"))
            count = f" {counts[c]:>{digits},}"
            accuracy = _recall(statistics, c) if not named and wide >= digits + 8 else ""
            line.append((count + " " if named else count, "text" if counts[c] else "dim"))
            if not named:
                line.append((accuracy.ljust(wide - 1 - len(count)), "dim"))
        lines.append(line)
    return lines


def _recall(statistics: Statistics, c: int) -> str:
    """The accuracy on one class, five characters wide."""
    figures = statistics.class_figures
    accuracy = figures[c].accuracy if c < len(figures) else None
    return "    –" if accuracy is None else f" {100 * accuracy:3.0f}%"


def _class_bars(
    statistics: Statistics, classes: Sequence[str], keys: Sequence[str], width: int, *, titled: bool
) -> list[Line]:
    counts = statistics.class_counts
    title = "LABELS BY CLASS" if width >= 30 else "LABELS"
    lines: list[Line] = [[(title, "title"), ("  and accuracy", "dim")]] if titled else []
    top, digits = nice_limit(max(counts, default=0)), len(f"{max(counts, default=0):,}")
    named = any(key != name for key, name in zip(keys, classes, strict=True))
    room = min(max(map(cell_len, classes)) + 1, width // 2) if named else 0
    for c, (key, name, count) in enumerate(zip(keys, classes, counts, strict=True)):
        line: Line = [(key or " ", "strong"), (set_cell_size(f" {name}", room), "text")]
        line += [(f" {count:>{digits},}", "text"), (f"{_recall(statistics, c)} ", "dim")]
        left = width - sum(cell_len(text) for text, _ in line)
        lines.append([*line, (bar(count / top, left), "chart")])
    return lines

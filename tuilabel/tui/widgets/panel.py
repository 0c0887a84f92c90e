"""The side panel: every live figure, as lines of text made from a snapshot by pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip

from tuilabel.session import Statistics, TrainerState
from tuilabel.tui.widgets.charts import area_chart, bar, nice_limit
from tuilabel.tui.widgets.painted import PaintedWidget

Line = list[tuple[str, str]]
"""Pieces of text with their look: "text", "dim", "strong", "good", "bad", "chart", "title"."""


class StatisticsPanel(PaintedWidget):
    """Shows a `Statistics` snapshot; repaints what changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"panel--{look}" for look in ("text", "dim", "strong", "good", "bad", "chart", "title")
    }

    def __init__(self, classes: Sequence[str], keys: Sequence[str], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._class_names, self._keys = tuple(classes), tuple(keys)
        self._statistics: Statistics | None = None

    def show(self, statistics: Statistics) -> None:
        """Show `statistics` from now on."""
        self._statistics = statistics
        width, height = self.size
        if width < 4 or height < 1:
            return
        styles = {look: self.get_component_rich_style(f"panel--{look}") for look in _LOOKS}
        lines = panel_lines(statistics, self._class_names, self._keys, width - 2, height)
        strips = [_strip(line, width, styles, self.rich_style) for line in lines]
        blank = Strip.blank(width, self.rich_style)
        self.paint((strips + [blank] * height)[:height])

    def on_resize(self, _: events.Resize) -> None:
        if self._statistics is not None:
            self.show(self._statistics)


_LOOKS = ("text", "dim", "strong", "good", "bad", "chart", "title")


def _strip(line: Line, width: int, styles: dict[str, Style], plain: Style) -> Strip:
    segments = [Segment(" ", plain)]
    used = 1
    for text, look in line:
        text = set_cell_size(text, min(cell_len(text), width - used))
        used += cell_len(text)
        segments.append(Segment(text, styles[look]))
    segments.append(Segment(" " * (width - used), plain))
    return Strip(segments, width)


def panel_lines(
    statistics: Statistics, classes: Sequence[str], keys: Sequence[str], width: int, height: int
) -> list[Line]:
    """The panel in `width` × `height` characters: charts grow with the room, nothing is cut off in between."""
    head = _progress(statistics, width)
    roomy = height >= 34
    legend = _classes(statistics.class_counts, classes, keys, width, max(2, height - len(head) - (16 if roomy else 8)))
    spare = height - len(head) - len(legend) - 6
    gaps = 3 if spare >= 7 else 0
    chart_rows = max(1, min(8, (spare - gaps) // 2))
    gap: list[Line] = [[]] if gaps else []
    return [
        *head,
        *gap,
        *_accuracy(statistics, width, chart_rows),
        *gap,
        *_uncertainty(statistics, width, chart_rows),
        *gap,
        *legend,
    ]


def _progress(statistics: Statistics, width: int) -> list[Line]:
    aside = statistics.skipped + statistics.flagged
    pace = "–" if statistics.per_minute is None else f"{statistics.per_minute:.0f}"
    lines: list[Line] = [
        [(f"{statistics.labelled:,}", "strong"), (f" of {statistics.pool_size:,} labelled", "text")],
        [(pace, "strong"), (" labels a minute", "text"), (f"  {aside} skipped" if aside else "", "dim")],
        [(f"round {statistics.round}", "text"), (f" · {statistics.strategy}", "dim")],
    ]
    return [*lines, *_trainer(statistics.trainer, width)]


_DOING = {
    "starting": "starting the trainer",
    "load": "loading",
    "encode": "encoding the pool",
    "train": "training",
    "query": "picking",
    "idle": "up to date",
    "stopped": "trainer stopped",
}


def _trainer(trainer: TrainerState, width: int) -> list[Line]:
    if trainer.failure is not None:
        return [[(set_cell_size(trainer.failure, min(width, cell_len(trainer.failure))), "bad")]]
    doing = _DOING.get(trainer.doing, trainer.doing)
    if trainer.total and trainer.doing in ("encode", "load"):
        return [[(f"{doing} {trainer.done / trainer.total:4.0%}", "text")]]
    if trainer.model is None or trainer.fit_seconds is None:
        return [[(doing, "dim")]]
    took = trainer.fit_seconds + (trainer.query_seconds or 0)
    return [[("model of ", "dim"), (f"{trainer.model}", "text"), (f" · {took:.2f} s", "dim"), (f" · {doing}", "dim")]]


def _accuracy(statistics: Statistics, width: int, rows: int) -> list[Line]:
    test = statistics.test_accuracy
    head: Line = [("ACCURACY ", "title"), ("test ", "dim")]
    head.append(("–", "dim") if test is None else (f"{test:.1%}", "good"))
    chart: list[Line] = [[("", "chart")]] * rows
    if statistics.curve:
        limit = nice_limit(statistics.curve[-1][0])
        columns = _curve_columns(statistics.curve, limit, width)
        chart = [[(row, "chart")] for row in area_chart(columns, rows)]
    elif rows:
        chart = [[("the curve starts with the model", "dim")], *chart[1:]]
    audit = statistics.audit
    if audit is None:
        honest: Line = [("audit ", "dim"), ("–", "dim")]
    else:
        honest = [
            ("audit ", "dim"),
            (f"{audit.value:.0%}", "good"),
            (f" ({100 * audit.low:.0f}–{100 * audit.high:.0f} %, n {audit.n})", "dim"),
        ]
    return [head, *chart, honest]


def _curve_columns(curve: Sequence[tuple[int, float]], limit: int, width: int) -> list[float | None]:
    """Accuracy by number of labels, spread over `width` columns up to `limit` labels; the last known value holds."""
    columns: list[float | None] = [None] * width
    for labels, accuracy in curve:
        columns[min(width - 1, labels * width // limit)] = accuracy
    last, end = None, min(width - 1, curve[-1][0] * width // limit)
    for x in range(end + 1):
        last = columns[x] = columns[x] if columns[x] is not None else last
    return columns


def _uncertainty(statistics: Statistics, width: int, rows: int) -> list[Line]:
    mean = statistics.mean_uncertainty
    head: Line = [("UNCERTAINTY ", "title"), ("mean ", "dim"), ("–" if mean is None else f"{mean:.2f}", "strong")]
    histogram = statistics.histogram
    if histogram is None:
        return [head, [("no model yet", "dim")], *[[("", "chart")]] * rows]
    top = max(histogram) or 1
    wide = max(1, width // len(histogram))
    columns = [(n / top) ** 0.5 for n in histogram for _ in range(wide)][:width]
    chart: list[Line] = [[(row, "chart")] for row in area_chart(list(columns), rows)]
    used = len(columns)
    return [head, *chart, [("sure".ljust(used - 6), "dim"), ("unsure", "dim")]]


def _classes(
    counts: Sequence[int], classes: Sequence[str], keys: Sequence[str], width: int, room: int
) -> list[Line]:
    """Key, name and count of each class, in as many columns as the room asks for."""
    columns = min(max(1, -(-len(classes) // room)), max(1, width // 8))
    per_column = -(-len(classes) // columns)
    wide = width // columns
    top = max(nice_limit(max(counts, default=0)), 1)
    lines: list[Line] = [[("LABELS BY CLASS", "title")]] if columns == 1 and room > len(classes) else []
    digits = len(f"{max(counts, default=0):,}")
    for row in range(per_column):
        line: Line = []
        for c in range(row, len(classes), per_column):
            name = "" if classes[c] == keys[c] else f" {classes[c]}"
            room_for_name = max(0, wide - 3 - digits) if columns > 1 else min(max(map(cell_len, classes)) + 1, width // 2)
            line += [(keys[c], "strong")]
            if columns > 1 or any(k != n for k, n in zip(keys, classes, strict=True)):
                line.append((set_cell_size(name, room_for_name), "text"))
            line.append((f" {counts[c]:>{digits},} ", "text"))
            if columns == 1:
                left = width - sum(cell_len(text) for text, _ in line)
                line.append((bar(counts[c] / top, left), "chart"))
        lines.append(line)
    return lines

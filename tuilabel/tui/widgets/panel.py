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
from tuilabel.estimate import FEW, MeasuredAccuracy, interval_percent, percent, verdict
from tuilabel.session import Belief, Statistics, TrainerState
from tuilabel.tui.keys import best_key, shown_keys
from tuilabel.tui.names import cut, longest, short_names
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.charts import band_chart, bar, nice_limit, with_mark
from tuilabel.tui.widgets.painted import PaintedWidget
from tuilabel.tui.widgets.probabilities import ClassClicked

Line = list[tuple[str, str]]
"""(text, style) pairs; the styles are the component classes of `StatisticsPanel`, "key@2" marks class 2."""

ROOMY = 34  # lines from which sections have borders
REMARKS = 3  # lines below the accuracy
ADVICE = 3  # lines for the advice

NARROW_NAME = 7  # columns of a name at least
MIN_BAR = 4  # columns of a bar next to names that could be longer


class StatisticsPanel(PaintedWidget):
    """Shows the statistics of a session; repaints only what changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"panel--{style}"
        for style in ("text", "dim", "strong", "key", "good", "warn", "bad", "chart", "band", "mark", "title", "border")
    }

    def __init__(self, state: AppState, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._state = state
        self._statistics: Statistics | None = None
        self._belief: Belief | None = None
        self._with_belief = False
        self._strips: dict[tuple[object, ...], Strip] = {}
        self._shown: list[Line] = []

    def show(self, statistics: Statistics, belief: Belief | None = None, *, with_belief: bool = False) -> None:
        """Show `statistics` from now on; the other parameters are those of `panel_lines`."""
        self._statistics, self._belief, self._with_belief = statistics, belief, with_belief
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if width < 4 or height < 1 or self._statistics is None:
            return
        classes, keys = self._state.session.classes, self._state.keys
        self._shown = panel_lines(
            self._statistics, classes, keys, width, height, self._belief, with_belief=self._with_belief
        )
        strips = [self._strip(line, width) for line in self._shown]
        blank = Strip.blank(width, self.plain)
        self.paint((strips + [blank] * height)[:height])

    def _strip(self, line: Line, width: int) -> Strip:
        """The line as a strip, cached: most lines are the same after a key."""
        key = (width, *line)
        if key not in self._strips:
            if len(self._strips) > 1000:
                self._strips.clear()
            segments, used = [], 0
            for text, style in line:
                text = set_cell_size(text, min(cell_len(text), width - used))
                used += cell_len(text)
                segments.append(Segment(text, self.component_style(f"panel--{style.partition('@')[0]}")))
            segments.append(Segment(" " * (width - used), self.plain))
            self._strips[key] = Strip(segments, width)
        return self._strips[key]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = {}
        self.call_later(self._draw)

    def on_resize(self, _: events.Resize) -> None:
        self._draw()

    def on_click(self, event: events.Click) -> None:
        """Say which class was clicked: its key, or what follows it in the line."""
        class_pos, end = "", 0
        for text, style in self._shown[int(event.y)] if event.y < len(self._shown) else []:
            end += cell_len(text)
            class_pos = style.partition("@")[2] or class_pos
            if event.x < end:
                break
        if class_pos:
            self.post_message(ClassClicked(int(class_pos), event.time))


def panel_lines(
    statistics: Statistics,
    classes: Sequence[str],
    keys: Sequence[str],
    width: int,
    height: int,
    belief: Belief | None = None,
    *,
    with_belief: bool = False,
) -> list[Line]:
    """The panel in `width` × `height` characters. Charts grow with the height; nothing is cut off.

    Where there is room for it, sections have borders. A section keeps its place when its figures come.

    Parameters
    ----------
    keys : the keys of each class, see `tuilabel.tui.keys.class_keys`.
    belief : what the model believes of the focused image, None if that is unknown or hidden.
    with_belief : whether the list of classes says so.
    """
    inner = width - (4 if height >= ROOMY else 2)
    head = _progress(statistics, inner)

    def legend(room: int) -> list[Line]:
        return _classes(statistics, classes, keys, inner, room, belief, with_belief=with_belief)

    if height < ROOMY:
        lines = _close_lines(statistics, classes, head, legend(max(2, height - len(head) - 8)), inner, height)
        return [[(" ", "text"), *line] for line in lines]
    advice = _wrapped(statistics.advice_text, inner, ADVICE)
    fixed = len(head) + ADVICE + REMARKS + 2 + 8  # axes of both charts, and the borders
    title, *listed = legend(max(3, height - fixed - 4))
    if title[0][1] != "title":
        title, listed = [("CLASSES", "title")], [title, *listed]
    rows = max(1, min(12, (height - fixed - len(listed)) // 2))
    accuracy, *curve = _accuracy(statistics, inner, rows, with_axis=True)
    remarks = _padded([*_remarks(statistics, classes, inner)[:REMARKS], *advice], REMARKS + ADVICE)
    mean, *histogram = _uncertainty(statistics, inner, rows)
    return [
        *_box([("SESSION", "title")], head, width),
        *_box(accuracy, [*curve, *remarks], width),
        *_box(mean, histogram, width),
        *_box(title, listed, width),
    ]


def _close_lines(
    statistics: Statistics,
    classes: Sequence[str],
    head: list[Line],
    legend: list[Line],
    width: int,
    height: int,
) -> list[Line]:
    """The sections one below the other, for small screens."""
    spare = height - len(head) - len(legend) - 4  # titles and axes of both charts
    n_remarks = 2 if spare >= 6 else 1
    remarks = _padded(_remarks(statistics, classes, width), n_remarks)
    spare -= n_remarks
    rows = max(1, min(8, spare // 2))
    return [
        *head,
        *_accuracy(statistics, width, rows, spare >= 3),
        *remarks,
        *_uncertainty(statistics, width, rows),
        *legend,
    ]


def _box(title: Line, lines: Sequence[Line], width: int) -> list[Line]:
    """Lines in a border with a title."""
    rule = width - 4 - sum(cell_len(text) for text, _ in title)
    box: list[Line] = [[("╭ ", "border"), *title, (f" {'─' * rule}╮", "border")]]
    for line in lines:
        blank = " " * (width - 4 - sum(cell_len(text) for text, _ in line))
        box.append([("│ ", "border"), *line, (f"{blank} │", "border")])
    return [*box, [(f"╰{'─' * (width - 2)}╯", "border")]]


def _padded(lines: Sequence[Line], n: int) -> list[Line]:
    """The first `n` lines, with blank ones below if there are fewer."""
    return [*lines[:n], *[[]] * (n - len(lines))]


def _wrapped(text: str, width: int, lines: int) -> list[Line]:
    """`text` in at most `lines` lines."""
    return [[(line, "text")] for line in textwrap.wrap(text, width, max_lines=lines, placeholder=" …")]


def _progress(statistics: Statistics, width: int) -> list[Line]:
    aside = statistics.skipped + statistics.flagged_only
    pace = "–" if statistics.per_minute is None else f"{statistics.per_minute:.0f}"
    word = "set aside" if statistics.skipped and statistics.flagged_only else "skipped"
    word = word if statistics.skipped else "flagged"
    skipped: Line = [(f"  {aside} {word}", "dim")] if aside else []
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


_BACKGROUND = {
    "read": "reading",
    "download": "downloading",
    "vae": "training VAE",
    "encode": "encoding",
    "compare": "comparing with your labels",
}


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
    if trainer.background == "compare":
        return [(doing[:width], "dim")]
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
    """The accuracy and its curve, with the baseline as a dashed line."""
    curve, title = statistics.curve, _accuracy_title(statistics, width)
    if not curve:
        chart: list[Line] = [[(_when_there_is_a_model(statistics), "dim")], *[[("", "chart")]] * (rows - 1 + with_axis)]
        return [title, *chart]
    last = curve[-1]
    floor, limit = axis_floor(last.low), nice_limit(last.labels)

    def columns(values: Sequence[float]) -> list[float | None]:
        by_labels = [(point.labels, value) for point, value in zip(curve, values, strict=True)]
        spread = _curve_columns(by_labels, limit, width)
        return [None if value is None else (value - floor) / (1 - floor) for value in spread]

    low, high = columns([point.low for point in curve]), columns([point.high for point in curve])
    chart = band_chart(low, high, rows, ("chart", "band"))
    if statistics.baseline is not None and statistics.baseline.share >= floor:
        chart = with_mark(chart, (statistics.baseline.share - floor) / (1 - floor), width, "mark")
    axis = f"{100 * floor:.0f}–100 %"
    axis += f"{limit:,} labels".rjust(width - len(axis))
    return [title, *chart, *([[(axis, "dim")]] if with_axis else [])]


def _when_there_is_a_model(statistics: Statistics) -> str:
    waiting = {"loading": "model loading", "training": "model training"}
    return waiting.get(statistics.model, "after the first model")


_VERDICTS = {"bad": "bad", "unsure": "warn", "fair": "strong", "good": "good"}
"""Style of an accuracy by its verdict."""


def _accuracy_title(statistics: Statistics, width: int) -> Line:
    """The accuracy with its interval and its number of items, as far as the width allows."""
    source = "test" if statistics.by_test else "by audit"
    accuracy = statistics.accuracy
    if accuracy is None:
        return [("ACCURACY ", "title"), (f"{source} ", "dim"), ("–", "dim")]
    style = _VERDICTS[verdict(accuracy, statistics.baseline, statistics.target)]
    interval = interval_percent(accuracy.low, accuracy.high)
    if accuracy.n < FEW:
        figure, detail, counts = f"{interval} %", "", (f", {accuracy.n} checked", f", n {accuracy.n}")
    else:
        figure, detail = percent(*accuracy.interval), f" ({interval})"
        counts = (f", {accuracy.n:,} checked", f", n {accuracy.n:,}")
    for before, after in ((f"{source} ", counts[0]), ("", counts[0]), ("", counts[1]), ("", "")):
        if cell_len(f"ACCURACY {before}{figure}{detail}{after}") <= width:
            return [("ACCURACY ", "title"), (before, "dim"), (figure, style), (detail, "dim"), (after, "dim")]
    return [("ACCURACY ", "title"), (figure, style)]


def _remarks(statistics: Statistics, classes: Sequence[str], width: int) -> list[Line]:
    """What is to be known about the accuracy, the most important first."""
    remarks: list[Line] = []
    baseline, balanced, accuracy = statistics.baseline, statistics.balanced, statistics.accuracy
    beaten = accuracy is None or baseline is None or accuracy.low > baseline.share
    if accuracy is not None and not any(text.startswith(", ") for text, _ in _accuracy_title(statistics, width)):
        remarks.append([(f"{accuracy.n:,} checked", "dim")])
    if baseline is not None and not (beaten and balanced is None):
        name = classes[baseline.class_pos]
        name = set_cell_size(name, min(cell_len(name), width - 13))
        remarks.append([(f"always {name}: ", "dim"), (f"{100 * baseline.share:.0f} %", "strong" if beaten else "bad")])
    if balanced is not None:
        figure = percent(balanced.value, balanced.low, balanced.high)
        interval = interval_percent(balanced.low, balanced.high)
        remarks.append([("balanced ", "dim"), (figure, "strong"), (f" ({interval})", "dim")])
    if statistics.by_test:
        audit = MeasuredAccuracy.on_audit(statistics.audit)
        remarks.append([("audit ", "dim"), *([("–", "dim")] if audit is None else _short(audit))])
    return remarks


def _short(accuracy: MeasuredAccuracy) -> Line:
    interval = interval_percent(accuracy.low, accuracy.high)
    if accuracy.n < FEW:
        return [(f"{interval} %", "text"), (f", n {accuracy.n}", "dim")]
    return [(percent(*accuracy.interval), "strong"), (f" ({interval}), n {accuracy.n}", "dim")]


def axis_floor(low: float) -> float:
    """The start of the accuracy axis, so that the last points of a good classifier stay visible. It seldom changes.

    Parameters
    ----------
    low : the lower end of the last point's interval.
    """
    return next((floor for floor in (0.95, 0.9, 0.8, 0.5) if low >= floor + (1 - floor) / 4), 0.0)


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
        return [head, [(_when_there_is_a_model(statistics), "dim")], *[[("", "chart")]] * rows]
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


def _classes(
    statistics: Statistics,
    classes: Sequence[str],
    keys: Sequence[str],
    width: int,
    room: int,
    belief: Belief | None,
    *,
    with_belief: bool,
) -> list[Line]:
    """Keys, name, count and accuracy of each class, in as many columns as needed for `room` lines."""
    if not classes:
        how = "none yet: type a name to make one"
        return [[("CLASSES", "title")], *([(line, "dim")] for line in textwrap.wrap(how, width)[: room - 1])]
    counts = statistics.class_counts
    if with_belief:
        order = list(range(len(classes)))
        if len(classes) > room:
            order = _most_wanted(counts, keys, belief, room - 1)
        lines = _class_beliefs(statistics, classes, keys, width, belief, order, titled=room > len(classes))
        return [*lines, *_more(len(classes) - len(order), width)]
    if len(classes) <= room:
        return _class_bars(statistics, classes, keys, width, titled=room > len(classes))
    named = any(key != name for key, name in zip(keys, classes, strict=True))
    digits = len(f"{max(counts, default=0):,}")
    columns = min(-(-len(classes) // room), max(1, width // (digits + (NARROW_NAME + 4 if named else 5))))
    names = short_names(tuple(classes), max(0, width // columns - 4 - digits))
    while named and columns > 1 and len({*names}) < len(names):
        columns -= 1
        names = short_names(tuple(classes), max(0, width // columns - 4 - digits))
    wide, shown = width // columns, min(len(classes), columns * room)
    if shown < len(classes):
        shown = columns * (room - 1)
    order = _most_wanted(counts, keys, None, shown)
    per_column = -(-shown // columns)
    lines = []
    for row in range(per_column):
        line: Line = []
        for c in order[row:shown:per_column]:
            line.append((best_key(keys[c]) or " ", f"key@{c}"))
            if named:
                line.append((set_cell_size(f" {names[c]}", max(0, wide - 3 - digits)), "text"))
            count = f" {counts[c]:>{digits},}"
            accuracy = _recall(statistics, c) if not named and wide >= digits + 8 else ""
            line.append((count + " " if named else count, "text" if counts[c] else "dim"))
            if not named:
                line.append((accuracy.ljust(wide - 1 - len(count)), "dim"))
        lines.append(line)
    return [*lines, *_more(len(classes) - shown, width)]


def _more(n: int, width: int) -> list[Line]:
    return [[(cut(f"{n:,} more: / finds them", width), "dim")]] if n > 0 else []


def _most_wanted(counts: Sequence[int], keys: Sequence[str], belief: Belief | None, n: int) -> list[int]:
    """The `n` classes to list where there is no room for all: the most believed ones, else those that have keys."""
    chances = () if belief is None else belief.chances(len(counts))
    if chances:
        return sorted(range(len(counts)), key=lambda c: -chances[c])[:n]
    return sorted(sorted(range(len(counts)), key=lambda c: (not keys[c], not counts[c], c))[:n])


def _recall(statistics: Statistics, c: int, *, with_number: bool = False) -> str:
    """The accuracy on one class: in percent, five characters wide at least, or of few items as a count."""
    figures = statistics.class_figures
    accuracy, n = (figures[c].accuracy, figures[c].n) if c < len(figures) else (None, 0)
    if accuracy is None:
        return "    –"
    if n < FEW:
        hits = round(accuracy * n)
        return f"{hits} of {n}".rjust(8) if with_number else f"{hits}/{n}".rjust(5)
    return f"{100 * accuracy:3.0f}% of {n:,}" if with_number else f" {100 * accuracy:3.0f}%"


def _class_bars(
    statistics: Statistics, classes: Sequence[str], keys: Sequence[str], width: int, *, titled: bool
) -> list[Line]:
    counts = statistics.class_counts
    title = "LABELS BY CLASS" if width >= 30 else "LABELS"
    lines: list[Line] = [[(title, "title"), ("  and accuracy", "dim")]] if titled else []
    top, digits = nice_limit(max(counts, default=0)), len(f"{max(counts, default=0):,}")
    recalls = [_recall(statistics, c, with_number=width >= 30).strip() for c in range(len(classes))]
    wide = max(4, *map(len, recalls))
    columns, names = _keys_and_names(classes, keys, width, digits + wide + 3 + MIN_BAR)
    for c, count in enumerate(counts):
        line: Line = [(columns[c], f"key@{c}"), (names[c], "text")]
        line += [(f" {count:>{digits},}", "text"), (f" {recalls[c].rjust(wide)} ", "dim")]
        left = width - sum(cell_len(text) for text, _ in line)
        lines.append([*line, (bar(count / top, left), "chart")])
    return lines


def _class_beliefs(
    statistics: Statistics,
    classes: Sequence[str],
    keys: Sequence[str],
    width: int,
    belief: Belief | None,
    order: Sequence[int],
    *,
    titled: bool,
) -> list[Line]:
    """The classes of `order`, what the model believes of the focused image, and a mark at what Enter writes."""
    counts = statistics.class_counts
    digits = len(f"{max(counts, default=0):,}")
    chances = () if belief is None else belief.chances(len(classes))
    columns, names = _keys_and_names(classes, keys, width, digits + 8)
    lines: list[Line] = (
        [[("CLASSES", "title"), ("  labels, this image" if width >= 30 else "", "dim")]] if titled else []
    )
    for c in order:
        count = counts[c]
        enter = belief is not None and belief.predicted == c
        figure = "" if belief is None else f"{100 * belief.confidence:.0f}%" if enter else ""
        if chances:
            figure = f"{100 * chances[c]:.0f}%"
        lines.append(
            [
                (columns[c], f"key@{c}"),
                (names[c], "text"),
                (f" {count:>{digits},}", "text" if count else "dim"),
                (" ⏎" if enter else "  ", "good"),
                (f"{figure:>5}", "good" if enter else "dim"),
            ]
        )
    return lines


def _keys_and_names(
    classes: Sequence[str], keys: Sequence[str], width: int, others: int
) -> tuple[list[str], list[str]]:
    """A column of keys and a column of names that leave `others` of `width` columns; no names where they are the keys.

    Names may have a third of the width in any case.
    """
    columns = shown_keys(keys)
    if all(key == name for key, name in zip(keys, classes, strict=True)):
        return columns, [""] * len(classes)
    room = max(width // 3, width - len(columns[0]) - 1 - others)
    room = min(room, longest(classes))
    return columns, [f" {set_cell_size(name, room)}" for name in short_names(tuple(classes), room)]

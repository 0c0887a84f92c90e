"""The panel's charts: accuracy by number of labels, with what is to be known about it, and uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from tuilabel.estimate import FEW, MeasuredAccuracy, interval_percent, percent, verdict
from tuilabel.session import Statistics
from tuilabel.tui.widgets.charts import band_chart, nice_limit, with_mark
from tuilabel.tui.widgets.panel.line import Line


def accuracy_lines(statistics: Statistics, width: int, rows: int, with_axis: bool) -> list[Line]:
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


def remark_lines(statistics: Statistics, classes: Sequence[str], width: int) -> list[Line]:
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


def uncertainty_lines(statistics: Statistics, width: int, rows: int) -> list[Line]:
    """How unsure the model is of the unanswered images, and of how many, now and at first."""
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

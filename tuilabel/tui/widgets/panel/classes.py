"""The panel's list of classes: keys, names, counts, and accuracy or what the model believes of an image."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from tuilabel.estimate import FEW, confidence_text
from tuilabel.session import Belief, Statistics
from tuilabel.tui.keys import best_key, shown_keys
from tuilabel.tui.names import cut, longest, short_names
from tuilabel.tui.widgets.charts import bar, nice_limit
from tuilabel.tui.widgets.panel.line import Line

NARROW_NAME = 7  # columns of a name at least
NAME = 12  # columns for names that are that long, where classes stand in columns
MOST_BELIEVED = 4  # classes above the columns
MIN_BAR = 4  # columns of a bar next to names that could be longer


def class_lines(
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
    if len(classes) > room:
        likely = _likely(statistics, classes, keys, width, room, belief) if with_belief else []
        return [*likely, *_in_columns(statistics, classes, keys, width, room - len(likely))]
    if with_belief:
        return _class_beliefs(statistics, classes, keys, width, belief, range(len(classes)), titled=room > len(classes))
    return _class_bars(statistics, classes, keys, width, titled=room > len(classes))


def _likely(
    statistics: Statistics, classes: Sequence[str], keys: Sequence[str], width: int, room: int, belief: Belief | None
) -> list[Line]:
    """The most believed of more classes than there are lines for; blank lines where that is hidden."""
    if statistics.mean_uncertainty is None:
        return []
    n = min(MOST_BELIEVED, room // 3)
    chances = () if belief is None else belief.chances(len(classes))
    order = sorted(range(len(chances)), key=lambda c: -chances[c])[:n]
    lines = _class_beliefs(statistics, classes, keys, width, belief, order, titled=False)
    return [*lines, *[[("", "text")]] * (n - len(lines))]


def _in_columns(
    statistics: Statistics, classes: Sequence[str], keys: Sequence[str], width: int, room: int
) -> list[Line]:
    counts = statistics.class_counts
    named = any(key != name for key, name in zip(keys, classes, strict=True))
    digits = len(f"{max(counts, default=0):,}")
    name = max(NARROW_NAME, min(NAME, longest(classes)))
    columns = min(-(-len(classes) // room), max(1, width // (digits + (name + 4 if named else 5))))
    names = short_names(tuple(classes), max(0, width // columns - 4 - digits))
    while named and columns > 1 and len({*names}) < len(names):
        columns -= 1
        names = short_names(tuple(classes), max(0, width // columns - 4 - digits))
    wide, shown = width // columns, min(len(classes), columns * room)
    if shown < len(classes):
        shown = columns * (room - 1)
    order = _most_wanted(counts, keys, shown)
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


def _most_wanted(counts: Sequence[int], keys: Sequence[str], n: int) -> list[int]:
    """The `n` classes to list where there is no room for all: those that have keys, then those with labels."""
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
        figure = "" if belief is None else confidence_text(belief.confidence) if enter else ""
        if chances:
            figure = confidence_text(chances[c])
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

"""The side panel as lines of text, by pure functions: which sections there are, and how many lines each gets."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len

from tuilabel.session import Belief, Statistics
from tuilabel.tui.widgets.panel.accuracy import accuracy_lines, remark_lines, uncertainty_lines
from tuilabel.tui.widgets.panel.classes import class_lines
from tuilabel.tui.widgets.panel.line import Line
from tuilabel.tui.widgets.panel.session import progress_lines

ROOMY = 34  # lines from which sections have borders
REMARKS = 3  # lines below the accuracy
ADVICE = 3  # lines for the advice


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
    head = progress_lines(statistics, inner)

    def legend(room: int) -> list[Line]:
        return class_lines(statistics, classes, keys, inner, room, belief, with_belief=with_belief)

    if height < ROOMY:
        lines = _close_lines(statistics, classes, head, legend(max(2, height - len(head) - 8)), inner, height)
        return [[(" ", "text"), *line] for line in lines]
    advice = _wrapped(statistics.advice_text, inner, ADVICE)
    fixed = len(head) + ADVICE + REMARKS + 2 + 8  # axes of both charts, and the borders
    title, *listed = legend(max(3, height - fixed - 4))
    if title[0][1] != "title":
        title, listed = [("CLASSES", "title")], [title, *listed]
    rows = max(1, min(12, (height - fixed - len(listed)) // 2))
    accuracy, *curve = accuracy_lines(statistics, inner, rows, with_axis=True)
    remarks = _padded([*remark_lines(statistics, classes, inner)[:REMARKS], *advice], REMARKS + ADVICE)
    mean, *histogram = uncertainty_lines(statistics, inner, rows)
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
    remarks = _padded(remark_lines(statistics, classes, width), n_remarks)
    spare -= n_remarks
    rows = max(1, min(8, spare // 2))
    return [
        *head,
        *accuracy_lines(statistics, width, rows, spare >= 3),
        *remarks,
        *uncertainty_lines(statistics, width, rows),
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

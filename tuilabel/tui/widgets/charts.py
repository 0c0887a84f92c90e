"""Bars and filled charts of block characters, for the side panel; lines are in `tuilabel.render.line_chart`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

_UP = " ▁▂▃▄▅▆▇█"
_ACROSS = " ▏▎▍▌▋▊▉█"


def area_chart(values: Sequence[float | None], rows: int) -> list[str]:
    """A filled chart with one column for each value (0…1, or None), as `rows` lines from top to bottom.

    A value above 0 shows at least a sliver, so that rare does not look like never.
    """
    heights = [0 if v is None or v <= 0 else max(1, round(min(1.0, v) * rows * 8)) for v in values]
    return ["".join(_UP[max(0, min(8, height - 8 * level))] for height in heights) for level in range(rows - 1, -1, -1)]


def band_chart(
    lower: Sequence[float | None], upper: Sequence[float | None], rows: int, styles: tuple[str, str]
) -> list[list[tuple[str, str]]]:
    """Two filled charts, one behind the other: up to `lower` in the first style, from there to `upper` in the second.

    Returns
    -------
    `rows` lines from top to bottom, each a list of (text, style).
    """
    front, behind = area_chart(lower, rows), area_chart(upper, rows)
    lines: list[list[tuple[str, str]]] = []
    for near, far in zip(front, behind, strict=True):
        pieces: list[tuple[str, str]] = []
        for a, b in zip(near, far, strict=True):
            character, style = (a, styles[0]) if a != " " else (b, styles[1])
            if pieces and pieces[-1][1] == style:
                pieces[-1] = (pieces[-1][0] + character, style)
            else:
                pieces.append((character, style))
        lines.append(pieces)
    return lines


def with_mark(chart: list[list[tuple[str, str]]], height: float, width: int, style: str) -> list[list[tuple[str, str]]]:
    """A chart with a dashed line across it at `height` (0…1), where cells are empty or full.

    Parameters
    ----------
    chart : lines from top to bottom, each a list of (text, style).
    """
    row = min(len(chart) - 1, max(0, int((1 - height) * len(chart))))
    cells = [(character, old) for text, old in chart[row] for character in text]
    cells += [(" ", style)] * (width - len(cells))
    marked = [("╌", style) if character in " █" else (character, old) for character, old in cells]
    pieces = [("".join(c for c, _ in group), old) for old, group in groupby(marked, key=lambda cell: cell[1])]
    return [*chart[:row], pieces, *chart[row + 1 :]]


def bar(value: float, width: int) -> str:
    """A horizontal bar of `width` cells filled to `value` (0…1)."""
    if width <= 0:
        return ""
    eighths = round(max(0.0, min(1.0, value)) * width * 8)
    if value > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_ACROSS[rest] if rest else "")).ljust(width)


def nice_limit(value: int) -> int:
    """The first of 10, 20, 50, 100, 200, 500, … that is at least `value`: the end of an axis that seldom changes."""
    limit = 10
    while True:
        for factor in (1, 2, 5):
            if limit * factor >= value:
                return limit * factor
        limit *= 10

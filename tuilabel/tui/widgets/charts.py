"""Small charts of block characters."""

from __future__ import annotations

from collections.abc import Sequence

_UP = " ▁▂▃▄▅▆▇█"
_ACROSS = " ▏▎▍▌▋▊▉█"


def area_chart(values: Sequence[float | None], rows: int) -> list[str]:
    """A filled chart: one column a value (0…1, None for none), `rows` lines from top to bottom.

    A value above nothing shows at least a sliver, so that a rare thing is not mistaken for none.
    """
    heights = [0 if v is None or v <= 0 else max(1, round(min(1.0, v) * rows * 8)) for v in values]
    return ["".join(_UP[max(0, min(8, height - 8 * level))] for height in heights) for level in range(rows - 1, -1, -1)]


def band_chart(
    lower: Sequence[float | None], upper: Sequence[float | None], rows: int, styles: tuple[str, str]
) -> list[list[tuple[str, str]]]:
    """Two filled charts, one behind the other: up to `lower` in the first style, on to `upper` in the second.

    Returns
    -------
    `rows` lines from top to bottom, each in pieces of (text, style).
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
    """The first of 10, 20, 50, 100, 200, 500, … that is not below `value`: an axis that seldom jumps."""
    limit = 10
    while True:
        for factor in (1, 2, 5):
            if limit * factor >= value:
                return limit * factor
        limit *= 10

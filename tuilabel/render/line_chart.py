"""Line charts of characters: Braille dots, or a letter for each curve on terminals without colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

LETTERS = "ox+*#@%&=abcdefghijklmnpqrstuvwyz"
"""One for each curve, in order, on terminals without colours."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x (k,), ascending, and y (k,)."""
Line = list[tuple[str, int | None]]
"""Pieces of text, each with the index of the curve it belongs to; None for the axes."""

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bits of a Braille character, by row and column
_TICK_SPACE = 9  # columns for a number on the x axis
_TICK_ROWS = 2  # rows for a number on the y axis


def line_chart(
    curves: Sequence[Curve],
    width: int,
    height: int,
    *,
    x_limits: tuple[float, float],
    y_limits: tuple[float, float],
    log_x: bool = False,
    letters: bool = False,
    unit: str = "",
) -> list[Line]:
    """Draw curves over a pair of axes; if curves overlap, the last one is in front.

    Parameters
    ----------
    width, height : size of the whole chart in characters, with axes and numbers.
    log_x : whether the x axis is logarithmic; both its limits must be positive then.
    letters : whether to draw each curve with its letter (see `LETTERS`) instead of Braille dots.
    unit : follows the numbers on the y axis.

    Returns
    -------
    `height` lines from top to bottom; none if there is no room for a chart.
    """
    y_ticks = _ticks(*y_limits, max(2, (height - 2) // _TICK_ROWS))
    texts = {y: f"{y:g}{unit}" for y in y_ticks}
    left = max(map(len, texts.values()), default=0)
    columns, rows = width - left - 1, height - 2
    if columns < 4 or rows < 2:
        return []
    across, down = (1, 1) if letters else (2, 4)
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for k, curve in enumerate(curves):
        for x, y in _dots(curve, columns * across, rows * down, x_limits, y_limits, log_x):
            row, column = rows - 1 - y // down, x // across
            bits = 0 if letters else _DOTS[down - 1 - y % down][x % across]
            cells[row, column] = (cells.get((row, column), (0, k))[0] | bits, k)

    def character(row: int, column: int) -> tuple[str, int | None]:
        if (row, column) not in cells:
            return " ", None
        bits, k = cells[row, column]
        return (LETTERS[k % len(LETTERS)] if letters else chr(0x2800 + bits)), k

    labels = {rows - 1 - int(_scaled(y, *y_limits, rows)): text for y, text in texts.items()}
    lines: list[Line] = []
    for row in range(rows):
        edge = labels.get(row, "").rjust(left) + ("┤" if row in labels else "│")
        lines.append(_joined([(edge, None), *(character(row, column) for column in range(columns))]))
    axis, numbers = _x_axis(columns, left, x_limits, log_x)
    return [*lines, [(axis, None)], [(numbers, None)]]


def _joined(pieces: list[tuple[str, int | None]]) -> Line:
    return [("".join(text for text, _ in group), k) for k, group in groupby(pieces, key=lambda piece: piece[1])]


def _dots(
    curve: Curve, width: int, height: int, x_limits: tuple[float, float], y_limits: tuple[float, float], log_x: bool
) -> Iterator[tuple[int, int]]:
    """(x, y) of the dots that a curve passes, counted from the bottom left, without gaps where it is steep."""
    at = _scaled(curve[0], *x_limits, width, log=log_x)
    x = np.arange(math.floor(at[0]), math.floor(at[-1]) + 1)
    y = np.floor(_scaled(np.interp(x + 0.5, at, curve[1]), *y_limits, height)).astype(int)
    yield int(x[0]), int(y[0])
    for here, (before, after) in zip(x[1:].tolist(), pairwise(y.tolist()), strict=True):
        middle = (before + after) // 2
        yield from ((here - 1, step) for step in _between(before, middle))
        yield from ((here, step) for step in _between(after, middle))


def _between(first: int, last: int) -> range:
    return range(min(first, last), max(first, last) + 1)


def _scaled(
    values: NDArray[np.float64] | float, low: float, high: float, n: int, *, log: bool = False
) -> NDArray[np.float64]:
    """The positions of values on an axis of `n` steps, from 0 to just below `n`."""
    scale = np.log if log else np.asarray
    share = (scale(values) - scale(low)) / max(float(scale(high) - scale(low)), 1e-12)
    return np.asarray(np.clip(share * n, 0, n - 1e-6), dtype=np.float64)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` + 1 of them."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _x_axis(columns: int, left: int, limits: tuple[float, float], log: bool) -> tuple[str, str]:
    """The axis and the line with its numbers."""
    low, high = limits
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [x for p in powers for f in (1, 2, 5) if low <= (x := f * 10.0**p) <= high]
    else:
        ticks = _ticks(low, high, max(1, columns // _TICK_SPACE))
    axis, numbers = [*" " * left, "└", *"─" * columns], [" "] * (left + 1 + columns)
    for x in ticks:
        at, text = left + 1 + int(_scaled(x, low, high, columns, log=log)), f"{x:,g}"
        start = min(at - (len(text) - 1) // 2, len(numbers) - len(text))
        if all(c == " " for c in numbers[max(0, start - 1) : start + len(text) + 1]):
            axis[at] = "┴"
            numbers[start : start + len(text)] = text
    return "".join(axis), "".join(numbers).rstrip()

"""Fewer bytes to the terminal than Textual's own updates: only the cells that look different from what it shows."""

from __future__ import annotations

from typing import ClassVar

from rich.console import COLOR_SYSTEMS, Console

from tuilabel.render import PictureSource
from tuilabel.render.cells import PLAIN, Cell, encode
from tuilabel.render.inline import cell_of
from tuilabel.tui._textual_internals import ScreenUpdate
from tuilabel.tui.strips import cells_and_pictures

RESET = "\x1b[0m"
GAP = 3  # unchanged cells that are cheaper to write again than to jump over

Run = tuple[int, int, int, int, int, int]
"""Cells of an image beside each other: its number, column and row of its corner, line, first column and the end."""


class Shown:
    """What the terminal shows, line by line; unknown until it was written."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Cell | None]] = {}

    def forget(self) -> None:
        """The terminal may show anything: write everything again."""
        self._lines.clear()

    def changed(self, x: int, y: int, cells: list[Cell]) -> list[tuple[int, int]]:
        """Note the `cells` that are written from column `x` on; returns the spans (start, end) of those that differ."""
        line = self._lines.setdefault(y, [])
        line += [None] * (x + len(cells) - len(line))
        before, line[x : x + len(cells)] = line[x : x + len(cells)], cells
        if before == cells:
            return []
        different = [k for k, (old, new) in enumerate(zip(before, cells, strict=True)) if old is not new and old != new]
        spans: list[tuple[int, int]] = []
        start = end = different[0]
        for k in different:
            if k - end > GAP:
                spans.append((start, end))
                start = k
            end = k + 1
        return [*spans, (start, end)]


class SparseUpdate(ScreenUpdate):
    """An update that writes the cells that differ from what the terminal shows, and of their colours what changes.

    Textual's own writes everything from a widget's left edge on, or the whole screen when a dialog opens or closes, and
    it repeats both colours for every segment. Over photographs that is many times what has changed.
    """

    shown: ClassVar[Shown]
    pictures: ClassVar[PictureSource | None]

    def render_segments(self, console: Console) -> str:
        """The update as escape sequences."""
        written: list[str] = []
        painted: list[Run] = []
        current = PLAIN
        colours = None if console.color_system is None else COLOR_SYSTEMS[console.color_system]
        for x, y, strip in self.changes():
            cells, pictures = cells_and_pictures(strip, colours)
            for start, end in self.shown.changed(x, y, cells):
                while start and not cells[start][0]:
                    start -= 1  # never half of a wide character
                whole = pictures.get(start)
                if whole is not None and end == start + len(whole.cells):
                    if whole.text:
                        text, current = whole.written(current)
                        written += (_move(x + start, y), text)
                        continue
                    first, last = cell_of(whole.cells[0][0]), cell_of(whole.cells[-1][0])
                    if first is not None and last is not None:  # so are those between, of the same line
                        painted.append((first[0], x + start - first[2], y - first[1], y, x + start, x + end))
                        continue
                for left, right in _without_images(cells, x, y, start, end, painted):
                    text, current = encode(cells[left:right], current)
                    written += (_move(x + left, y), text)
        text = "".join(written) + (RESET if current != PLAIN else "")
        return self._images(painted) + text if painted else text

    def _images(self, painted: list[Run]) -> str:
        """What paints these cells of images, over cells that are empty then."""
        written: list[str] = []
        for number, left, top, columns, lines in rectangles(painted):
            width = columns.stop - columns.start
            written += [f"{_move(columns.start, y)}\x1b[{width}X" for y in lines]
            image = None if self.pictures is None else self.pictures.inline_image(number)
            if image is not None:
                written.append(_move(columns.start, lines.start))
                written.append(image.part(columns.start - left, lines.start - top, width, len(lines)))
        return "".join(written)


def sparse_update(shown: Shown, pictures: PictureSource | None = None) -> type[SparseUpdate]:
    """The updates of one app, which shows these pictures."""
    return type("SparseUpdate", (SparseUpdate,), {"shown": shown, "pictures": pictures})


def rectangles(runs: list[Run]) -> list[tuple[int, int, int, range, range]]:
    """Join cells of images into (number, column and row of its corner, columns, lines)."""
    whole: list[tuple[int, int, int, range, range]] = []
    for *image, y, start, stop in sorted(runs, key=lambda run: (run[:3], run[4:], run[3])):
        if whole and [*whole[-1][:3]] == image and whole[-1][3:] == (range(start, stop), range(whole[-1][4].start, y)):
            whole[-1] = (*whole[-1][:4], range(whole[-1][4].start, y + 1))
        else:
            whole.append((image[0], image[1], image[2], range(start, stop), range(y, y + 1)))
    return whole


def _without_images(
    cells: list[Cell], x: int, y: int, start: int, end: int, painted: list[Run]
) -> list[tuple[int, int]]:
    """The spans of text in a span of cells, which stand from column `x` on; those of images join `painted`."""
    spans: list[tuple[int, int]] = []
    last: tuple[int, int, int] | None = None  # image, row and column that would go on
    for k in range(start, end):
        part = cell_of(cells[k][0])
        if part is None:
            if last is None and spans:
                spans[-1] = (spans[-1][0], k + 1)
            else:
                spans.append((k, k + 1))
        elif part == last:
            painted[-1] = (*painted[-1][:5], x + k + 1)
        else:
            painted.append((part[0], x + k - part[2], y - part[1], y, x + k, x + k + 1))
        last = None if part is None else (part[0], part[1], part[2] + 1)
    return spans


def _move(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H"

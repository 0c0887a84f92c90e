"""Fewer bytes to the terminal than Textual's own updates: only the cells that look different from what it shows."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style
from textual.strip import Strip

from tuilabel.errors import is_control
from tuilabel.render import PictureSource
from tuilabel.render.inline import cell_of
from tuilabel.tui._textual_internals import ScreenUpdate

RESET = "\x1b[0m"
GAP = 3  # unchanged cells that are cheaper to write again than to jump over

Look = tuple[str, str, str]
"""Escape codes of a style: foreground, background, attributes."""
Cell = tuple[str, Look]
"""A character, with the combining ones that follow it, and how it looks; the second half of a wide one is ""."""


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
        spans: list[tuple[int, int]] = []
        for k, cell in enumerate(cells):
            if line[x + k] == cell:
                continue
            line[x + k] = cell
            if spans and k - spans[-1][1] <= GAP:
                spans[-1] = (spans[-1][0], k + 1)
            else:
                spans.append((k, k + 1))
        return spans


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
        painted: list[tuple[int, int, int, int, int]] = []  # image, column and row of its corner, and of the cell
        current: Look = ("", "", "")
        colours = None if console.color_system is None else COLOR_SYSTEMS[console.color_system]
        for x, y, strip in self.changes():
            cells = _cells(strip, colours)
            for start, end in self.shown.changed(x, y, cells):
                while start and not cells[start][0]:
                    start -= 1  # never half of a wide character
                at = -1
                for k, (text, look) in enumerate(cells[start:end], x + start):
                    part = cell_of(text)
                    if part is not None:
                        painted.append((part[0], k - part[2], y - part[1], y, k))
                        continue
                    if at != k:
                        written.append(_move(k, y))
                    codes, current = _switch(current, look, blank=text == " ")
                    written.append(codes)
                    written.append(text)
                    at = k + 1
        text = "".join(written) + (RESET if current != ("", "", "") else "")
        return self._images(painted) + text if painted else text

    def _images(self, painted: list[tuple[int, int, int, int, int]]) -> str:
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


def rectangles(cells: list[tuple[int, int, int, int, int]]) -> list[tuple[int, int, int, range, range]]:
    """Join cells of images, (number, left, top, y, x), into (number, left, top, columns, lines)."""
    joined: list[tuple[int, int, int, range, range]] = []
    for *image, y, x in sorted(cells):
        if joined and [*joined[-1][:3]] == image and joined[-1][4] == range(y, y + 1) and joined[-1][3].stop == x:
            joined[-1] = (*joined[-1][:3], range(joined[-1][3].start, x + 1), joined[-1][4])
        else:
            joined.append((image[0], image[1], image[2], range(x, x + 1), range(y, y + 1)))
    whole: list[tuple[int, int, int, range, range]] = []
    for one in sorted(joined, key=lambda one: (one[:3], one[3].start, one[3].stop, one[4].start)):
        before = whole[-1] if whole else one
        if before[:4] == one[:4] and before[4].stop == one[4].start:
            whole[-1] = (*one[:4], range(before[4].start, one[4].stop))
        else:
            whole.append(one)
    return whole


def _move(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H"


def _switch(current: Look, look: Look, *, blank: bool) -> tuple[str, Look]:
    """The escape sequence between two looks, and the look that it leads to; of a blank the foreground is not seen."""
    (fore, back, attributes), (new_fore, new_back, new_attributes) = current, look
    if blank and not new_attributes and not attributes:
        new_fore = fore
    if (new_fore, new_back, new_attributes) == current:
        return "", current
    now = (new_fore, new_back, new_attributes)
    ended = _ENDS.get(attributes, "0") if attributes != new_attributes else ""
    if ended == "0" or (fore and not new_fore) or (back and not new_back):
        return f"\x1b[{';'.join(code for code in ('0', new_attributes, new_fore, new_back) if code)}m", now
    changed = [new for old, new in ((fore, new_fore), (back, new_back)) if new != old]
    if attributes != new_attributes:
        changed = [code for code in (ended, new_attributes) if code] + changed
    return f"\x1b[{';'.join(changed)}m", now


_ENDS = {"": "", "1": "22", "2": "22", "3": "23", "4": "24", "7": "27"}
"""What ends attributes without a reset, which would make both colours be written again."""


def _cells(strip: Strip, colours: ColorSystem | None) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, _ in strip:
        look = _look(style, colours)
        for character in text:
            shown, width = (character, 1) if " " <= character <= "~" else _safe(character)
            if width:
                cells.append((shown, look))
                cells += [("", look)] * (width - 1)
            elif cells:
                before, its_look = cells[-1]
                cells[-1] = (before + shown, its_look)
    return cells


@lru_cache(maxsize=1 << 14)
def _safe(character: str) -> tuple[str, int]:
    """A character and its columns. All text of the screen comes through here: no control character goes on."""
    width = cell_len(character)
    return " " * width if is_control(character) else character, width


@lru_cache(maxsize=1 << 14)
def _look(style: Style | None, colours: ColorSystem | None) -> Look:
    if style is None or colours is None:
        return "", "", ""
    return _colour(style.color, colours, "38"), _colour(style.bgcolor, colours, "48"), _attributes(style.without_color)


def _colour(colour: Color | None, colours: ColorSystem, which: str) -> str:
    if colour is None:
        return ""
    if colour.triplet is not None and colours is ColorSystem.TRUECOLOR:  # a photograph has a thousand, all different
        return f"{which};2;{colour.triplet.red};{colour.triplet.green};{colour.triplet.blue}"
    return ";".join(colour.downgrade(colours).get_ansi_codes(foreground=which == "38"))


@lru_cache(maxsize=1 << 8)
def _attributes(style: Style) -> str:
    return style.render("\0", color_system=ColorSystem.TRUECOLOR).partition("\0")[0][2:-1]

"""Cells as a terminal gets them: a character and the escape codes of its style, and what writes a row of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style

from tuilabel.errors import is_control

Look = tuple[str, str, str]
"""Escape codes of a style: foreground, background, attributes."""
Cell = tuple[str, Look]
"""A character, with the combining ones that follow it, and how it looks; the second half of a wide one is ""."""

MARK = "\U0010fffd"
"""Begins cells that stand for their part of an image (`tuilabel.render.inline`)."""

PLAIN: Look = ("", "", "")
_ANY = "?"  # foreground that is left from before


@dataclass(frozen=True, slots=True)
class Encoded:
    """A line of a picture as it is written.

    Attributes
    ----------
    cells : its cells.
    text : writes them all once the look of the first is on; empty where some stand for an image.
    end : the look that is left then.
    """

    cells: list[Cell]
    text: str
    end: Look

    def written(self, look: Look) -> tuple[str, Look]:
        """What writes the line from the cursor on, where `look` is on, and the look that is left."""
        first, its_look = self.cells[0]
        return _switch(look, its_look, blank=first == " ")[0] + self.text, self.end


class PictureLine(tuple[Segment, ...]):
    """A line of a picture, which may be encoded ahead of time and in a thread: that takes longer than to write it."""

    def encoded(self, colours: ColorSystem | None) -> Encoded:
        """The line for a terminal with these colours, encoded at the first call."""
        kept: tuple[ColorSystem | None, Encoded] | None = self.__dict__.get("kept")
        if kept is None or kept[0] is not colours:
            cells = cells_of(self, colours)
            fore, back, attributes = cells[0][1]
            before_blank = colours is not None and cells[0][0] == " " and not attributes
            text, end = encode(cells, (_ANY if before_blank else fore, back, attributes))
            kept = colours, Encoded(cells, "" if MARK in text else text, end)
            self.__dict__["kept"] = kept
        return kept[1]


def encode(cells: Sequence[Cell], look: Look) -> tuple[str, Look]:
    """What writes `cells` from the cursor on, where `look` is on, and the look that is left."""
    written: list[str] = []
    for text, new in cells:
        if new != look:
            codes, look = _switch(look, new, blank=text == " ")
            written.append(codes)
        written.append(text)
    return "".join(written), look


def cells_of(segments: Iterable[Segment], colours: ColorSystem | None) -> list[Cell]:
    """The cells of some segments, for a terminal with these colours."""
    cells: list[Cell] = []
    for text, style, _ in segments:
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


@lru_cache(maxsize=1 << 14)
def _safe(character: str) -> tuple[str, int]:
    """A character and its columns. All text of the screen comes through here: no control character goes on."""
    width = cell_len(character)
    return " " * width if is_control(character) else character, width


@lru_cache(maxsize=1 << 12)
def _look(style: Style | None, colours: ColorSystem | None) -> Look:
    if style is None or colours is None:
        return PLAIN
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

"""Draw a terminal's screen as a picture, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte
from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.segment import Segment
from textual.app import App

CELL = (8, 16)
FONTS = Path("/usr/share/fonts/truetype/dejavu")  # Debian's fonts-dejavu-core
FOREGROUND, BACKGROUND = (204, 204, 204), (0, 0, 0)
QUADRANTS = {c: bits for bits, c in enumerate(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")}
EIGHTHS_UP = {c: n for n, c in enumerate(" ▁▂▃▄▅▆▇█")}
EIGHTHS_ACROSS = {c: n for n, c in enumerate(" ▏▎▍▌▋▊▉█")}

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Cell:
    """A character with its colours as displayed."""

    character: str
    front: Colour = FOREGROUND
    back: Colour = BACKGROUND
    bold: bool = False


def app_picture(app: App[Any]) -> Image.Image:
    """The screen of `app` as it is now."""
    strips = app.screen._compositor.render_strips()
    return draw([[cell for segment in strip for cell in _segment_cells(segment)] for strip in strips])


def terminal_picture(screen: pyte.Screen) -> Image.Image:
    """The screen of a terminal as it is now."""
    rows = ([screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines))
    return draw([[_terminal_cell(character) for character in row] for row in rows])


def draw(rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Draw rows of cells."""
    width, height = max(map(len, rows)), len(rows)
    image = Image.new("RGB", (width * CELL[0], height * CELL[1]))
    canvas = ImageDraw.Draw(image)
    fonts = [ImageFont.truetype(FONTS / f"DejaVuSansMono{kind}.ttf", 13) for kind in ("", "-Bold")]
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            left, top = x * CELL[0], y * CELL[1]
            canvas.rectangle((left, top, left + CELL[0] - 1, top + CELL[1] - 1), fill=cell.back)
            if cell.character.strip() and not _draw_block(canvas, cell.character, left, top, cell.front):
                canvas.text((left, top + 1), cell.character, fill=cell.front, font=fonts[cell.bold])
    return image


def _segment_cells(segment: Segment) -> Iterator[Cell]:
    style = segment.style
    front, back, bold = FOREGROUND, BACKGROUND, False
    if style is not None:
        front, back = _rich_colour(style.color, front), _rich_colour(style.bgcolor, back)
        bold = bool(style.bold)
        if style.reverse:
            front, back = back, front
    return (Cell(character, front, back, bold) for character in segment.text)


def _terminal_cell(character: pyte.screens.Char) -> Cell:
    front, back = _hex_colour(character.fg, FOREGROUND), _hex_colour(character.bg, BACKGROUND)
    if character.reverse:
        front, back = back, front
    return Cell(character.data, front, back, character.bold)


def _draw_block(canvas: ImageDraw.ImageDraw, character: str, left: int, top: int, colour: Colour) -> bool:
    """Draw a block or braille character edge to edge, as terminals do; False for any other character."""
    w, h = CELL
    if character in QUADRANTS:
        bits = QUADRANTS[character]
        for bit, (x, y) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
            if bits >> bit & 1:
                corner = (left + x * w // 2, top + y * h // 2)
                canvas.rectangle((*corner, corner[0] + w // 2 - 1, corner[1] + h // 2 - 1), fill=colour)
    elif character in EIGHTHS_UP:
        canvas.rectangle((left, top + h - h * EIGHTHS_UP[character] // 8, left + w - 1, top + h - 1), fill=colour)
    elif character in EIGHTHS_ACROSS:
        canvas.rectangle((left, top, left + w * EIGHTHS_ACROSS[character] // 8 - 1, top + h - 1), fill=colour)
    elif 0x2800 <= ord(character) <= 0x28FF:
        for bit, (x, y) in enumerate(((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))):
            if ord(character) >> bit & 1:
                at = (left + 1 + 4 * x, top + 1 + 4 * y)
                canvas.rectangle((*at, at[0] + 1, at[1] + 1), fill=colour)
    else:
        return False
    return True


def _rich_colour(colour: Color | None, default: Colour) -> Colour:
    if colour is None or colour.is_default:
        return default
    red, green, blue = colour.get_truecolor()
    return red, green, blue


def _hex_colour(colour: str, default: Colour) -> Colour:
    return default if colour == "default" else (int(colour[:2], 16), int(colour[2:4], 16), int(colour[4:], 16))

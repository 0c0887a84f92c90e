"""A screen of the app as a picture: what a terminal would show, cell by cell."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.segment import Segment
from textual.app import App

CELL = (8, 16)
FONTS = Path("/usr/share/fonts/truetype/dejavu")  # Debian's fonts-dejavu-core
QUADRANTS = {c: bits for bits, c in enumerate(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")}
EIGHTHS_UP = {c: n for n, c in enumerate(" ▁▂▃▄▅▆▇█")}
EIGHTHS_ACROSS = {c: n for n, c in enumerate(" ▏▎▍▌▋▊▉█")}


def picture(app: App[object]) -> Image.Image:
    """The screen of `app` as it stands."""
    strips = app.screen._compositor.render_strips()
    width, height = app.size
    image = Image.new("RGB", (width * CELL[0], height * CELL[1]))
    draw = ImageDraw.Draw(image)
    fonts = [ImageFont.truetype(FONTS / f"DejaVuSansMono{kind}.ttf", 13) for kind in ("", "-Bold")]
    for y, strip in enumerate(strips):
        x = 0
        for segment in strip:
            x = _draw(draw, segment, x, y, fonts)
    return image


def _draw(draw: ImageDraw.ImageDraw, segment: Segment, x: int, y: int, fonts: list[ImageFont.FreeTypeFont]) -> int:
    style = segment.style
    front, back = (204, 204, 204), (0, 0, 0)
    bold = False
    if style is not None:
        front, back = _rgb(style.color, front), _rgb(style.bgcolor, back)
        bold = bool(style.bold)
        if style.reverse:
            front, back = back, front
    for character in segment.text:
        left, top = x * CELL[0], y * CELL[1]
        draw.rectangle((left, top, left + CELL[0] - 1, top + CELL[1] - 1), fill=back)
        if not _block(draw, character, left, top, front) and character != " ":
            draw.text((left, top + 1), character, fill=front, font=fonts[bold])
        x += 1
    return x


def _block(draw: ImageDraw.ImageDraw, character: str, left: int, top: int, colour: tuple[int, int, int]) -> bool:
    """Block characters as a terminal draws them: edge to edge."""
    w, h = CELL
    if character in QUADRANTS:
        bits = QUADRANTS[character]
        for bit, (x, y) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
            if bits >> bit & 1:
                draw.rectangle(
                    (left + x * w // 2, top + y * h // 2, left + (x + 1) * w // 2 - 1, top + (y + 1) * h // 2 - 1),
                    fill=colour,
                )
    elif character in EIGHTHS_UP:
        draw.rectangle((left, top + h - h * EIGHTHS_UP[character] // 8, left + w - 1, top + h - 1), fill=colour)
    elif character in EIGHTHS_ACROSS:
        draw.rectangle((left, top, left + w * EIGHTHS_ACROSS[character] // 8 - 1, top + h - 1), fill=colour)
    elif 0x2800 <= ord(character) <= 0x28FF:
        for bit, (x, y) in enumerate(((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))):
            if ord(character) >> bit & 1:
                at = (left + 1 + 4 * x, top + 1 + 4 * y)
                draw.rectangle((*at, at[0] + 1, at[1] + 1), fill=colour)
    else:
        return False
    return True


def _rgb(colour: Color | None, default: tuple[int, int, int]) -> tuple[int, int, int]:
    return default if colour is None or colour.is_default else tuple(colour.get_truecolor())

"""Pictures that the terminal draws itself, by the Kitty graphics protocol with Unicode placeholders.

The image is sent once with an id. Wherever a cell contains U+10EEEE, coloured with that id and combined with diacritics
for its row and column, the terminal shows that part of the image. So images move, are cropped and are overwritten like
text.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from itertools import count

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from tuilabel.render.base import Drawing, resize
from tuilabel.render.blocks import halfblock

PLACEHOLDER = "\U0010eeee"
CHUNK = 4096  # bytes of base64 that the protocol allows in one sequence
MOST_BYTES = 150_000  # of an image as it is sent; larger ones are made smaller, and the terminal enlarges them

# The diacritics that stand for 0, 1, 2 and so on in the protocol, as ranges of code points: combining characters that
# are drawn above and have no precomposed form.
_RANGES = """
    305 30D-30E 310 312 33D-33F 346 34A-34C 350-352 357 35B 363-36F 483-487 592-595 597-599 59C-5A1 5A8-5A9 5AB-5AC 5AF
    5C4 610-617 657-65B 65D-65E 6D6-6DC 6DF-6E2 6E4 6E7-6E8 6EB-6EC 730 732-733 735-736 73A 73D 73F-741 743 745 747
    749-74A 7EB-7F1 7F3 816-819 81B-823 825-827 829-82D 951 953-954 F82-F83 F86-F87 135D-135F 17DD 193A 1A17 1A75-1A7C
    1B6B 1B6D-1B73 1CD0-1CD2 1CDA-1CDB 1CE0 1DC0-1DC1 1DC3-1DC9 1DCB-1DCC 1DD1-1DE6 1DFE 20D0-20D1 20D4-20D7 20DB-20DC
    20E1 20E7 20E9 20F0 2CEF-2CF1 2DE0-2DFF A66F A67C-A67D A6F0-A6F1 A8E0-A8F1
"""


def _diacritics() -> tuple[str, ...]:
    bounds = [[int(bound, 16) for bound in span.split("-")] for span in _RANGES.split()]
    return tuple(chr(code) for span in bounds for code in range(span[0], span[-1] + 1))


DIACRITICS = _diacritics()


class KittyRenderer:
    """Sends images with an id and draws their placeholders.

    Parameters
    ----------
    palette : use only ids that are colours of the 256-colour palette. There are 234 of those, and otherwise 4,096 in a
        range of this process's own.
    cell : (width, height) of a cell in pixels; images are sent with no more than their cells have.
    passthrough : whether images go through tmux.
    """

    def __init__(self, *, palette: bool = False, cell: tuple[int, int] = (10, 20), passthrough: bool = False) -> None:
        self._cell, self._passthrough = cell, passthrough
        self._ids: Sequence[int] = _PALETTE_IDS if palette else range(_first_id(), _first_id() + 4096)
        self._palette = palette
        self._numbers = count()
        """Pictures drawn so far; its next number is taken at once, as threads draw too."""

    @property
    def cell_pixels(self) -> tuple[int, int]:
        """(width, height) of a cell in pixels."""
        return self._cell

    @property
    def capacity(self) -> int:
        """How many images can be shown at the same time."""
        return len(self._ids)

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells.

        A picture with more rows or columns than there are diacritics is drawn in half-blocks.
        """
        if max(columns, rows) > len(DIACRITICS):
            return halfblock(palette=self._palette).draw(image, columns, rows)
        image_id = self._ids[next(self._numbers) % len(self._ids)]
        style = Style(color=_colour_of(image_id, palette=self._palette))
        cells = tuple(
            (Segment("".join(PLACEHOLDER + DIACRITICS[y] + DIACRITICS[x] for x in range(columns)), style),)
            for y in range(rows)
        )
        pixels = resize(image, min(image.shape[1], self._cell[0] * columns), min(image.shape[0], self._cell[1] * rows))
        before = self._sent(_transmission(pixels, image_id, columns, rows))
        return Drawing(cells, before, self._sent([f"\x1b_Ga=d,d=I,i={image_id},q=2\x1b\\"]))

    def _sent(self, sequences: list[str]) -> str:
        if not self._passthrough:
            return "".join(sequences)
        return "".join("\x1bPtmux;" + one.replace("\x1b", "\x1b\x1b") + "\x1b\\" for one in sequences)


def _transmission(image: NDArray[np.uint8], image_id: int, columns: int, rows: int) -> list[str]:
    """Sends the image and how many cells it fills. q=2 suppresses the reply, which could be mistaken for a key."""
    data = b64encode(_png(image)).decode()
    while len(data) > MOST_BYTES:
        height, width = image.shape[:2]
        scale = 0.95 * (MOST_BYTES / len(data)) ** 0.5
        image = resize(image, max(1, int(scale * width)), max(1, int(scale * height)))
        data = b64encode(_png(image)).decode()
    chunks = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    control = f"a=T,U=1,i={image_id},c={columns},r={rows},f=100,"
    more = [1] * (len(chunks) - 1) + [0]
    return [
        f"\x1b_G{control if part == 0 else ''}q=2,m={more[part]};{chunk}\x1b\\" for part, chunk in enumerate(chunks)
    ]


def _png(image: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG", compress_level=6)
    return file.getvalue()


def _first_id() -> int:
    """The first id of this process, 24 bits: other programs in the same terminal use other ids."""
    return (os.getpid() % 4095 + 1) << 12


# Greys of the colour cube are left out: Rich would turn them into entries of the grey ramp.
_PALETTE_IDS = [n for n in range(16, 256) if n > 231 or (n - 16) % 43 != 0]


def _colour_of(image_id: int, *, palette: bool) -> Color:
    """The colour that encodes an id: its 24 bits or, with `palette`, one that Rich reduces to that palette entry."""
    if not palette:
        return Color.from_rgb(image_id >> 16, image_id >> 8 & 0xFF, image_id & 0xFF)
    if image_id > 231:
        grey = round(10.2 * (image_id - 231))
        return Color.from_rgb(grey, grey, grey)
    levels = (0, 95, 135, 175, 215, 255)
    red, green, blue = (levels[(image_id - 16) // step % 6] for step in (36, 6, 1))
    return Color.from_rgb(red, green, blue)

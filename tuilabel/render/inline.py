"""Pictures that the terminal draws where it is told to, as Sixel or by iTerm2's protocol.

Such an image covers cells like paint: text that is written later replaces it cell by cell, and nothing brings it back.
So a picture consists of cells that stand for their part of the image, each a mark with diacritics for the image's
number, row and column, like the placeholders of Kitty. They go through screens, dialogs and comparisons as text does.
Only when cells are written, the parts of images among them are cut out and sent in their place (`tuilabel.tui.output`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.segment import Segment

from tuilabel.render.base import Drawing, resize
from tuilabel.render.blocks import halfblock
from tuilabel.render.cells import MARK
from tuilabel.render.kitty import DIACRITICS
from tuilabel.render.sixel import sixel

LARGE = 1 << 14  # pixels; larger Sixel images are sent with fewer colours
LOSSLESS = 1 << 12  # pixels; larger images of iTerm2 are sent as JPEG
COLOURS, COLOURS_OF_LARGE = 256, 64
JPEG_QUALITY = 85
_BASE = len(DIACRITICS)
_VALUES = {character: value for value, character in enumerate(DIACRITICS)}

Encode: TypeAlias = Callable[[NDArray[np.uint8], int, int], str]
"""The escape sequence that draws an image, uint8 (h, w, C), over columns × rows cells, from the cursor on."""


@dataclass(frozen=True)
class InlineImage:
    """An image that covers `columns` × `rows` cells, uint8 (h, w, C)."""

    number: int
    pixels: NDArray[np.uint8] = field(repr=False)
    columns: int
    rows: int
    whole: str = field(repr=False)
    encode: Encode = field(repr=False)

    def part(self, left: int, top: int, columns: int, rows: int) -> str:
        """What draws `columns` × `rows` of its cells, from column `left` and row `top` on, at the cursor."""
        if (columns, rows) == (self.columns, self.rows):
            return self.whole
        height, width = self.pixels.shape[:2]
        across, down = width / self.columns, height / self.rows
        box = (left * across, top * down, (left + columns) * across, (top + rows) * down)
        size = max(1, round(across * columns)), max(1, round(down * rows))
        grey = self.pixels.shape[-1] == 1
        image = Image.fromarray(self.pixels[..., 0] if grey else self.pixels)
        cut = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
        return self.encode(cut[..., None] if grey else cut, columns, rows)


class InlineRenderer:
    """Draws images for terminals that paint them over cells.

    Parameters
    ----------
    encode : how they are sent.
    cell : (width, height) of a cell in pixels.
    exact : whether every image needs as many pixels as its cells; otherwise the terminal enlarges small ones.
    """

    def __init__(self, encode: Encode, cell: tuple[int, int], *, exact: bool) -> None:
        self._encode, self._cell, self._exact = encode, cell, exact
        self._numbers = count()
        """Pictures drawn so far; its next number is taken at once, as threads draw too."""

    @property
    def cell_pixels(self) -> tuple[int, int]:
        """(width, height) of a cell in pixels."""
        return self._cell

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells.

        A picture with more rows or columns than there are diacritics is drawn in half-blocks.
        """
        if max(columns, rows) > _BASE:
            return halfblock().draw(image, columns, rows)
        width, height = self._cell[0] * columns, self._cell[1] * rows
        if not self._exact:
            width, height = min(width, image.shape[1]), min(height, image.shape[0])
        pixels = resize(image, width, height)
        number = next(self._numbers) % _BASE**2
        mark = MARK + DIACRITICS[number // _BASE] + DIACRITICS[number % _BASE]
        cells = tuple(
            (Segment("".join(mark + DIACRITICS[y] + DIACRITICS[x] for x in range(columns)), None),) for y in range(rows)
        )
        whole = self._encode(pixels, columns, rows)
        return Drawing(cells, inline=InlineImage(number, pixels, columns, rows, whole, self._encode))


def cell_of(text: str) -> tuple[int, int, int] | None:
    """(number of the image, row, column) that a cell's text stands for; None for ordinary text."""
    if not text.startswith(MARK) or len(text) != 5:
        return None
    try:
        return _VALUES[text[1]] * _BASE + _VALUES[text[2]], _VALUES[text[3]], _VALUES[text[4]]
    except KeyError:  # a name may hold anything
        return None


def sixel_renderer(cell: tuple[int, int], registers: int = COLOURS) -> InlineRenderer:
    """Sixel images, for cells of that (width, height) in pixels, and a terminal of so many colour registers."""

    def encode(pixels: NDArray[np.uint8], columns: int, rows: int) -> str:
        del columns, rows
        large = pixels.shape[0] * pixels.shape[1] > LARGE
        return sixel(pixels, min(registers, COLOURS_OF_LARGE if large else COLOURS))

    return InlineRenderer(encode, cell, exact=True)


def iterm2_renderer(cell: tuple[int, int]) -> InlineRenderer:
    """Images by iTerm2's protocol, for cells of that (width, height) in pixels."""
    return InlineRenderer(_iterm2, cell, exact=False)


def _iterm2(pixels: NDArray[np.uint8], columns: int, rows: int) -> str:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    file = BytesIO()
    if image.width * image.height > LOSSLESS:
        image.save(file, "JPEG", quality=JPEG_QUALITY)
    else:
        image.save(file, "PNG")
    control = f"inline=1;size={file.tell()};width={columns};height={rows};preserveAspectRatio=0;doNotMoveCursor=1"
    return f"\x1b]1337;File={control}:{b64encode(file.getvalue()).decode()}\x07"

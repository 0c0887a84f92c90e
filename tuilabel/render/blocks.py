"""Pictures of block characters: half-blocks, quadrants, sextants.

A block character splits a cell into 2, 4 or 6 sub-pixels, each in one of two colours. Of all ways to divide the
sub-pixels between foreground and background, each cell uses the one with the least squared error, and both colours are
the means of their sub-pixels.

rich-pixels parses a style for every cell, which takes longer than a frame for a grid of images. Here a run of equal
cells is one segment, and there is one style per pair of colours.

A cell of a photograph costs 36 bytes, nearly all of them for its two colours. So in images with colours a character
must explain a visible difference, and a colour that is hardly another than that of the cell before is not changed: a
third fewer bytes, for errors of 6.1 in place of 5.4 grey levels (root mean square, groceries in 58 × 29 cells).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style

from tuilabel.render.base import Drawing, resize
from tuilabel.render.palette import to_palette

# Characters indexed by a bit mask of the foreground sub-pixels, row by row from the lowest bit. The last sub-pixel is
# always background, because swapping both colours gives the same picture.
HALFBLOCKS = " ▀"
QUADRANTS = " ▘▝▀▖▌▞▛"
SEXTANTS = " " + "".join("▌" if mask == 21 else chr(0x1FB00 + mask - 1 - (mask > 21)) for mask in range(1, 32))
MIN_GAIN = 0.25  # squared grey levels by which a character must beat a plain cell; more than rounding can cause
MIN_GAIN_IN_COLOUR = 200.0  # the same summed over three channels
SAME_COLOUR = 8  # levels of each channel within which the colour of the cell before is used again


class BlockRenderer:
    """Draws with one set of block characters.

    Parameters
    ----------
    across, down : sub-pixels per cell.
    glyphs : 2^(across · down - 1) characters, indexed by mask.
    palette : restrict colours to the 256-colour palette.
    """

    def __init__(self, across: int, down: int, glyphs: str, *, palette: bool = False) -> None:
        self._across, self._down, self._glyphs, self._palette = across, down, glyphs, palette
        self._size = across * down
        masks = np.arange(len(glyphs))
        self._foreground = (masks[:, None] >> np.arange(self._size) & 1).astype(np.float32)  # (masks, sub-pixels)

    @property
    def cell_pixels(self) -> tuple[int, int]:
        """Sub-pixels per cell."""
        return self._across, self._down

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        pixels = resize(image, columns * self._across, rows * self._down)
        blocks = pixels.reshape(rows, self._down, columns, self._across, -1).transpose(0, 2, 1, 3, 4)
        masks, fore, back = self._choose(blocks.reshape(rows, columns, self._size, -1).astype(np.float32))
        if image.shape[-1] == 3:
            _reuse(fore, SAME_COLOUR, where=masks > 0)
            _reuse(back, SAME_COLOUR)
        codes = (masks << 48) | (self._code(fore) << 24) | self._code(back)  # (rows, columns)
        return Drawing(tuple(self._line(line) for line in codes))

    def _choose(
        self, blocks: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """The mask, foreground and background of each cell of blocks (rows, columns, sub-pixels, C)."""
        counts = self._foreground.sum(1)  # (masks,)
        sums = self._foreground @ blocks  # (rows, columns, masks, C)
        rest = blocks.sum(2, keepdims=True) - sums
        fore, back = sums / np.maximum(counts, 1)[:, None], rest / (self._size - counts)[:, None]
        explained = (fore * sums + back * rest).sum(-1)  # squared error = sum of squared pixels - this
        explained[..., 0] += MIN_GAIN if blocks.shape[-1] == 1 else MIN_GAIN_IN_COLOUR
        masks = explained.argmax(-1)
        chosen = masks[..., None, None]
        return (
            masks.astype(np.int64),
            np.take_along_axis(fore, chosen, 2)[:, :, 0],
            np.take_along_axis(back, chosen, 2)[:, :, 0],
        )

    def _code(self, colours: NDArray[np.float32]) -> NDArray[np.int64]:
        """Colours (rows, columns, C) as 24-bit numbers, int64 (rows, columns)."""
        levels = np.broadcast_to(np.rint(colours), (*colours.shape[:2], 3)).astype(np.int64)
        if self._palette:
            levels = to_palette(levels)
        codes: NDArray[np.int64] = levels @ np.array([1 << 16, 1 << 8, 1])
        return codes

    def _line(self, codes: NDArray[np.int64]) -> tuple[Segment, ...]:
        starts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)]
        segments = []
        for start, end, code in zip(starts, starts[1:], codes[starts[:-1]].tolist(), strict=False):
            glyph = self._glyphs[code >> 48]
            segments.append(_segment(glyph, code & 0xFFFFFFFFFFFF, end - start))
        return tuple(segments)


def _reuse(colours: NDArray[np.float32], tolerance: float, where: NDArray[np.bool_] | None = None) -> None:
    """Replace colours (rows, columns, C) by that of the cell before where they differ by at most `tolerance`.

    Cells outside of `where` show none of these colours, and take the one before.
    """
    before = colours[:, 0]
    for column in range(1, colours.shape[1]):
        here = colours[:, column]
        same = np.abs(here - before).max(-1) <= tolerance
        if where is not None:
            same |= ~where[:, column]
        here[same] = before[same]
        before = here


def halfblock(*, palette: bool = False) -> BlockRenderer:
    """Two pixels per cell, each in its own colour; every font has the character."""
    return BlockRenderer(1, 2, HALFBLOCKS, palette=palette)


def quadrant(*, palette: bool = False) -> BlockRenderer:
    """2 × 2 sub-pixels per cell in two colours; nearly every font has the characters."""
    return BlockRenderer(2, 2, QUADRANTS, palette=palette)


def sextant(*, palette: bool = False) -> BlockRenderer:
    """2 × 3 sub-pixels per cell in two colours; Unicode 13, which many fonts lack."""
    return BlockRenderer(2, 3, SEXTANTS, palette=palette)


class AutoRenderer:
    """Half-blocks if they show every pixel, finer blocks if the picture has fewer pixels than the image."""

    def __init__(self, coarse: BlockRenderer, fine: BlockRenderer) -> None:
        self._coarse, self._fine = coarse, fine

    @property
    def cell_pixels(self) -> tuple[int, int]:
        """Sub-pixels per cell of the finer blocks."""
        return self._fine.cell_pixels

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        height, width = image.shape[:2]
        renderer = self._coarse if columns >= width and 2 * rows >= height else self._fine
        return renderer.draw(image, columns, rows)


@lru_cache(maxsize=1 << 16)
def _segment(glyph: str, colours: int, length: int) -> Segment:
    fore, back = colours >> 24, colours & 0xFFFFFF
    return Segment(glyph * length, Style.from_color(None if glyph == " " else _colour(fore), _colour(back)))


@lru_cache(maxsize=1 << 14)
def _colour(code: int) -> Color:
    # Color.from_rgb also formats a name that nothing reads, which takes half of the time.
    return Color("", ColorType.TRUECOLOR, None, ColorTriplet(code >> 16, code >> 8 & 0xFF, code & 0xFF))

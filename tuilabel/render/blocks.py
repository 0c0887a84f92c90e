"""Pictures of block characters: half-blocks, quadrants, sextants.

A block character splits a cell into 2, 4 or 6 sub-pixels, each in one of two colours. Of all ways to divide the
sub-pixels between foreground and background, each cell uses the one with the least squared error, and both colours are
the means of their sub-pixels.

rich-pixels parses a style for every cell, which takes longer than a frame for a grid of images. Here a run of equal
cells is one segment, and there is one style per pair of colours.

A cell of a photograph costs 36 bytes, nearly all of them for its two colours. So in images with colours error and bytes
are weighed against each other, cell by cell from the left: keep both colours of the cell before, change one, or change
both. That takes half of the bytes (docs/research.md).
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

# Characters indexed by a bit mask of the foreground sub-pixels, row by row from the lowest bit.
HALFBLOCKS = " ▀▄█"
QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
_OTHER_SEXTANTS = {0: " ", 21: "▌", 42: "▐", 63: "█"}
SEXTANTS = "".join(
    _OTHER_SEXTANTS.get(mask) or chr(0x1FB00 + mask - 1 - (mask > 21) - (mask > 42)) for mask in range(64)
)
# To the eye an error of lightness (luma) is worse than one of colour.
EYE = np.array([[0.299, 0.587, 0.114], [-0.095, -0.186, 0.281], [0.281, -0.236, -0.046]], dtype=np.float32).T
BYTE = 8.0  # squared error, of one sub-pixel in grey levels, that a byte must save in a picture with colours
BYTE_OF_SMALL = 48.0  # the same in pictures of at most `SMALL` cells, of which there are many on the screen
SMALL = 150
BYTE_OF_GREY = 0.01  # grey pictures are exact, and have no more characters than they need
COLOUR_BYTES, SEQUENCE_BYTES = 16, 3  # of a colour, and around one or both


class BlockRenderer:
    """Draws with one set of block characters.

    Parameters
    ----------
    across, down : sub-pixels per cell.
    glyphs : 2^(across · down) characters, indexed by mask.
    palette : restrict colours to the 256-colour palette.
    exact : whether no bytes are saved in images with colours either.
    """

    def __init__(self, across: int, down: int, glyphs: str, *, palette: bool = False, exact: bool = False) -> None:
        self._exact = exact
        self._across, self._down, self._glyphs, self._palette = across, down, glyphs, palette
        self._size = across * down
        masks = np.arange(len(glyphs))
        self._foreground = (masks[:, None] >> np.arange(self._size) & 1).astype(np.float32)  # (masks, sub-pixels)
        self._glyph_bytes = np.array([len(glyph.encode()) for glyph in glyphs], dtype=np.float32)

    @property
    def cell_pixels(self) -> tuple[int, int]:
        """Sub-pixels per cell."""
        return self._across, self._down

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        pixels = resize(image, columns * self._across, rows * self._down)
        blocks = pixels.reshape(rows, self._down, columns, self._across, -1).transpose(0, 2, 1, 3, 4)
        masks, fore, back = self._choose(blocks.reshape(rows, columns, self._size, -1).astype(np.float32))
        codes = (masks << 48) | (self._code(fore) << 24) | self._code(back)  # (rows, columns)
        return Drawing(tuple(self._line(line) for line in codes))

    def _choose(
        self, blocks: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """The mask, foreground and background of each cell of blocks (rows, columns, sub-pixels, C)."""
        rows, columns, _, channels = blocks.shape
        byte, eye = BYTE if rows * columns > SMALL else BYTE_OF_SMALL, EYE
        if channels == 1 or self._exact:
            byte = BYTE_OF_GREY
        if channels == 1:
            eye = np.ones((1, 1), dtype=np.float32)
        sides = self._foreground, 1 - self._foreground  # the sub-pixels of the foreground, and of the background
        means = [np.rint(side @ blocks / np.maximum(side.sum(1), 1)[:, None]) for side in sides]
        seen = blocks @ eye
        own = [_errors(seen, side, mean @ eye) for side, mean in zip(sides, means, strict=True)]
        written = byte * np.array([0, *[SEQUENCE_BYTES + COLOUR_BYTES] * 2, SEQUENCE_BYTES + 2 * COLOUR_BYTES])
        fixed = (written[:, None] + byte * self._glyph_bytes).astype(np.float32)  # (what is changed, masks)

        masks = np.zeros((rows, columns), dtype=np.int64)
        colours = [np.zeros((rows, columns, channels), dtype=np.float32) for _ in sides]
        now = [np.full((rows, channels), -1e4, dtype=np.float32) for _ in sides]  # no colour that could be kept
        every = np.arange(rows)
        for column in range(columns):
            here = seen[:, column]
            kept = [
                np.square(here - (old @ eye)[:, None]).sum(-1) @ side.T for old, side in zip(now, sides, strict=True)
            ]
            (keep_fore, keep_back), (new_fore, new_back) = kept, (one[:, column] for one in own)
            costs = np.stack(
                [keep_fore + keep_back, new_fore + keep_back, keep_fore + new_back, new_fore + new_back], axis=1
            )
            changed, mask = np.divmod((costs + fixed).reshape(rows, -1).argmin(1), len(self._glyphs))
            masks[:, column] = mask
            for k, mean in enumerate(means):
                new = (changed >> k & 1 == 1) & (sides[k][mask].any(1))
                now[k] = np.where(new[:, None], mean[every, column, mask], now[k])
                colours[k][:, column] = now[k]
        return masks, np.maximum(colours[0], 0), np.maximum(colours[1], 0)

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


def _errors(seen: NDArray[np.float32], side: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """The squared error of showing the sub-pixels on a side (masks, sub-pixels) in a colour (…, masks, C)."""
    squares = np.square(seen).sum(-1) @ side.T
    errors: NDArray[np.float32] = squares + (mean * (side.sum(1)[:, None] * mean - 2 * (side @ seen))).sum(-1)
    return errors


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


@lru_cache(maxsize=1 << 12)  # of about 0.3 kB each
def _segment(glyph: str, colours: int, length: int) -> Segment:
    fore, back = colours >> 24, colours & 0xFFFFFF
    return Segment(glyph * length, Style.from_color(None if glyph == " " else _colour(fore), _colour(back)))


@lru_cache(maxsize=1 << 12)
def _colour(code: int) -> Color:
    # Color.from_rgb also formats a name that nothing reads, which takes half of the time.
    return Color("", ColorType.TRUECOLOR, None, ColorTriplet(code >> 16, code >> 8 & 0xFF, code & 0xFF))

"""Photographs in the few colours of a palette: half-blocks with error diffusion.

The nearest of 256 colours is often a grey, and the blue of a sky or the brown of a coat is lost. Diffused errors bring
such colours back where the eye averages over a few pixels. Digits stay as they are: diffusion would fray their edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuilabel.render.base import Drawing, Renderer, resize
from tuilabel.render.blocks import HALFBLOCKS, BlockRenderer
from tuilabel.render.palette import CUBE

# The colours of VGA, which Rich takes the 16 to be. A terminal may show others.
_DARK = [(0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170)]
COLOURS_OF_16 = np.array([*_DARK, *(tuple(level // 170 * 170 + 85 for level in colour) for colour in _DARK)])


class DitheredRenderer:
    """Draws images with colours in half-blocks of a palette, and grey ones by another renderer.

    Parameters
    ----------
    colours : the palette, int (n, 3).
    grey : draws images without colours.
    palette : whether colours are those of the 256-colour palette.
    """

    def __init__(self, colours: NDArray[np.int64], grey: Renderer, *, palette: bool) -> None:
        self._grey = grey
        self._blocks = BlockRenderer(1, 2, HALFBLOCKS, palette=palette, exact=True)
        self._colours = Image.new("P", (1, 1))
        padded = np.concatenate([colours, np.repeat(colours[:1], 256 - len(colours), axis=0)])
        self._colours.putpalette(padded.ravel().tolist())

    @property
    def cell_pixels(self) -> tuple[int, int]:
        """Sub-pixels per cell."""
        (across, down), (grey_across, grey_down) = self._blocks.cell_pixels, self._grey.cell_pixels
        return max(across, grey_across), max(down, grey_down)

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        if image.shape[-1] == 1:
            return self._grey.draw(image, columns, rows)
        pixels = Image.fromarray(resize(image, columns, 2 * rows))
        diffused = pixels.quantize(palette=self._colours, dither=Image.Dither.FLOYDSTEINBERG)
        return self._blocks.draw(np.asarray(diffused.convert("RGB")), columns, rows)


def colours_of_256() -> NDArray[np.int64]:
    """The colour cube and the greys of the 256-colour palette, int64 (240, 3)."""
    cube = np.stack(np.meshgrid(CUBE, CUBE, CUBE, indexing="ij"), -1).reshape(-1, 3)
    greys = np.repeat(8 + 10 * np.arange(24)[:, None], 3, axis=1)
    return np.concatenate([cube, greys])

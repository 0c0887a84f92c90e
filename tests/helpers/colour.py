"""How far apart two pictures look, and what a picture of block characters shows."""

from __future__ import annotations

import numpy as np

from tuilabel.render import CellPicture
from tuilabel.render.blocks import HALFBLOCKS, QUADRANTS, SEXTANTS

SHAPES = {"halfblock": (1, 2, HALFBLOCKS), "quadrant": (2, 2, QUADRANTS), "sextant": (2, 3, SEXTANTS)}
"""Sub-pixels across and down, and characters by mask."""
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


def lab(pixels: np.ndarray) -> np.ndarray:
    """CIELAB of sRGB pixels in 0…255."""
    level = pixels / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def lab_error(one: np.ndarray, other: np.ndarray) -> float:
    """The mean distance of two pictures in CIELAB; 2.3 is just noticeable side by side."""
    return float(np.linalg.norm(lab(one) - lab(other), axis=-1).mean())


def shown_by_blocks(picture: CellPicture, name: str) -> np.ndarray:
    """The sub-pixels (h, w, 3) that a picture of block characters shows, uint8, from its characters and colours."""
    across, down, glyphs = SHAPES[name]
    rows = []
    for line in picture:
        cells = []
        for text, style, _ in line:
            assert style is not None
            assert style.bgcolor is not None
            back = style.bgcolor.get_truecolor()
            fore = back if style.color is None else style.color.get_truecolor()
            for character in text:
                mask = glyphs.index(character)
                bits = [fore if mask >> bit & 1 else back for bit in range(across * down)]
                cells.append(np.array(bits, dtype=np.uint8).reshape(down, across, 3))
        rows.append(np.hstack(cells))
    return np.vstack(rows)

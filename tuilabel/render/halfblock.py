"""Half-block pictures: each character cell shows two square pixels, one above the other.

rich-pixels builds one parsed style per cell, which takes longer than a frame for a grid of images; here runs
of equal cells become one segment and styles are made once per pair of colours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

CellPicture: TypeAlias = tuple[tuple[Segment, ...], ...]
"""One tuple of segments a line, every line as many cells wide."""


def fit(height: int, width: int, columns: int, rows: int) -> tuple[int, int]:
    """The largest picture of an image in a box of cells that keeps its proportions.

    Parameters
    ----------
    height, width : the image's size in pixels.
    columns, rows : the box in character cells; a cell is one pixel wide and two high.

    Returns
    -------
    (columns, rows) of the picture, each at least 1 and no larger than the box.
    """
    scale = min(columns / width, 2 * rows / height)
    return (
        max(1, min(columns, round(width * scale))),
        max(1, min(rows, round(height * scale / 2))),
    )


def render(image: NDArray[np.uint8], columns: int, rows: int) -> CellPicture:
    """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells by area averaging."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if picture.size != (columns, 2 * rows):
        picture = picture.resize((columns, 2 * rows), Image.Resampling.BOX)
    pixels = np.asarray(picture.convert("RGB"), dtype=np.int64)
    codes = pixels @ np.array([1 << 16, 1 << 8, 1])
    return tuple(_line(upper, lower) for upper, lower in zip(codes[::2].tolist(), codes[1::2].tolist(), strict=True))


def _line(upper: list[int], lower: list[int]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    start = 0
    for x in range(1, len(upper) + 1):
        if x == len(upper) or upper[x] != upper[start] or lower[x] != lower[start]:
            segments.append(_segment(upper[start], lower[start], x - start))
            start = x
    return tuple(segments)


@lru_cache(maxsize=1 << 16)
def _segment(upper: int, lower: int, length: int) -> Segment:
    if upper == lower:
        return Segment(" " * length, Style(bgcolor=_colour(upper)))
    return Segment("▀" * length, Style(color=_colour(upper), bgcolor=_colour(lower)))


@lru_cache(maxsize=1 << 14)
def _colour(code: int) -> Color:
    return Color.from_rgb(code >> 16, code >> 8 & 0xFF, code & 0xFF)

"""What every renderer shares: the picture in cells, its proportions, resizing by area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.segment import Segment

CellPicture: TypeAlias = tuple[tuple[Segment, ...], ...]
"""One tuple of segments a line, every line as many cells wide."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture in cells, and what the terminal must hear around it."""

    cells: CellPicture
    before: str = ""
    """Escape sequences that must reach the terminal before the cells do: the image itself, where it draws images."""
    after: str = ""
    """Escape sequences that make the terminal forget the image."""


class Renderer(Protocol):
    """A way to show an image in cells."""

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        ...


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


def in_proportion(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """An image (H, W, C) that was squeezed into its shape, in the proportions of `width` × `height` again."""
    longest = max(image.shape[:2])
    scale = longest / max(width, height, 1)
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """An image, uint8 (H, W, C), at another size by area averaging: (height, width, C)."""
    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    resized = np.asarray(picture.resize((width, height), Image.Resampling.BOX))
    return resized[..., None] if resized.ndim == 2 else resized

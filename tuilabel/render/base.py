"""What all renderers share: pictures as terminal cells, aspect ratios, resizing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.segment import Segment

if TYPE_CHECKING:
    from tuilabel.render.inline import InlineImage

CellPicture: TypeAlias = tuple[tuple[Segment, ...], ...]
"""A tuple of segments for each line; all lines have the same width in cells."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as cells, with the escape sequences that it needs."""

    cells: CellPicture
    before: str = ""
    """Written before the cells: the image itself, for terminals that draw images."""
    after: str = ""
    """Written when the picture is dropped: deletes the image from the terminal."""
    inline: InlineImage | None = None
    """The image that the cells stand for, where the terminal paints it over them."""


class Renderer(Protocol):
    """Draws images as terminal cells."""

    @property
    def cell_pixels(self) -> tuple[int, int]:
        """(width, height) of a cell in the pixels that it can show."""
        ...

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """Draw an image, uint8 (H, W, 1) or (H, W, 3), into exactly `columns` × `rows` cells."""
        ...


def fit(height: int, width: int, columns: int, rows: int) -> tuple[int, int]:
    """The size in cells of the largest picture that fits a box and keeps the aspect ratio.

    Parameters
    ----------
    height, width : the image's size in pixels.
    columns, rows : the box in cells; a cell is taken to be twice as high as wide.

    Returns
    -------
    (columns, rows) of the picture, each at least 1 and no larger than the box.
    """
    scale = min(columns / width, 2 * rows / height)
    return (
        max(1, min(columns, round(width * scale))),
        max(1, min(rows, round(height * scale / 2))),
    )


def restore_aspect_ratio(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Undo the squeezing of an image, uint8 (H, W, C), that was `width` × `height` before; the longer side stays."""
    longest = max(image.shape[:2])
    scale = longest / max(width, height, 1)
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize an image, uint8 (H, W, C), to uint8 (height, width, C).

    Colours are interpolated, which keeps the edges of photographs. Grey pixels are averaged, and repeated where they
    are enlarged: the strokes of glyphs are a pixel or two wide, and would ring.
    """
    if image.shape[:2] == (height, width):
        return image
    if image.shape[-1] == 3:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))
    return np.asarray(Image.fromarray(image[..., 0]).resize((width, height), Image.Resampling.BOX))[..., None]

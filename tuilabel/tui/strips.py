"""Lines with parts of pictures, whose cells are known."""

from __future__ import annotations

from collections.abc import Sequence

from rich.color import ColorSystem
from rich.segment import Segment
from textual.strip import Strip

from tuilabel.render.cells import Cell, Encoded, PictureLine, cells_of


class PictureStrip(Strip):
    """A line that keeps its parts, some of which are lines of pictures, as long as it is not cut."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Sequence[Segment]], cell_length: int) -> None:
        super().__init__([segment for part in parts for segment in part], cell_length)
        self.parts = parts


def cells_and_pictures(strip: Strip, colours: ColorSystem | None) -> tuple[list[Cell], dict[int, Encoded]]:
    """The cells of a line, and by column what is known of the pictures in it."""
    if not isinstance(strip, PictureStrip):
        return cells_of(strip, colours), {}
    cells: list[Cell] = []
    pictures: dict[int, Encoded] = {}
    for part in strip.parts:
        if isinstance(part, PictureLine):
            pictures[len(cells)] = part.encoded(colours)
            cells += pictures[len(cells)].cells
        else:
            cells += cells_of(part, colours)
    return cells, pictures

"""Pictures drawn once: what the screens ask for cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment

from tuilabel.render.base import CellPicture, Drawing, Renderer, fit

CAPACITY = 1024
FILLS = 1.2  # how much a picture's proportions may give way to fill its cells


@dataclass
class _Kept:
    drawing: Drawing
    sent: bool = False


class PictureSource:
    """The pictures of a pool's items by item and size, the least recently shown forgotten first.

    Where the terminal draws the images itself, an image goes to it when it is first shown, not when it is drawn
    ahead: `pop_escapes` has what must be written before the cells.

    Parameters
    ----------
    renderer : how images become cells.
    capacity : pictures that are kept.
    """

    def __init__(self, renderer: Renderer, capacity: int = CAPACITY) -> None:
        self._renderer = renderer
        self._capacity = capacity
        self._kept: dict[tuple[int, int, int], _Kept] = {}
        self._messages: list[str] = []
        self.generation = 0
        """Goes up when pictures have been forgotten: whoever keeps cells must ask again."""

    def picture(self, index: int, image: NDArray[np.uint8], columns: int, rows: int) -> CellPicture:
        """Item `index` in exactly `columns` × `rows` cells, to be shown now; image uint8 (H, W, 1) or (H, W, 3)."""
        kept = self.prepare(index, image, columns, rows)
        if not kept.sent:
            kept.sent = True
            if kept.drawing.before:
                self._messages.append(kept.drawing.before)
        return kept.drawing.cells

    def prepare(self, index: int, image: NDArray[np.uint8], columns: int, rows: int) -> _Kept:
        """Draw a picture ahead of the moment it is shown."""
        key = (index, columns, rows)
        kept = self._kept.pop(key, None)
        if kept is None:
            if len(self._kept) >= self._capacity:
                self._forget(len(self._kept) // 4 or 1)
            kept = _Kept(self._drawn(image, columns, rows))
        self._kept[key] = kept  # the newest stands last
        return kept

    def _drawn(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """The image in its proportions, in the middle of the cells; a little out of them it fills all."""
        height, width = image.shape[:2]
        if abs(math.log(width * 2 * rows / (height * columns))) < math.log(FILLS):
            return self._renderer.draw(image, columns, rows)
        wide, tall = fit(height, width, columns, rows)
        drawing = self._renderer.draw(image, wide, tall)
        left, top = (columns - wide) // 2, (rows - tall) // 2
        blank = (Segment(" " * columns),)
        middle = [(*_blanks(left), *line, *_blanks(columns - wide - left)) for line in drawing.cells]
        lines = [*[blank] * top, *middle, *[blank] * (rows - tall - top)]
        return Drawing(tuple(lines), drawing.before, drawing.after)

    def is_ready(self, index: int, columns: int, rows: int) -> bool:
        """Whether a picture is drawn already."""
        return (index, columns, rows) in self._kept

    def pop_escapes(self) -> str:
        """What must be written to the terminal before anything else; said once."""
        if not self._messages:
            return ""
        messages = "".join(self._messages)
        self._messages.clear()
        return messages

    def cleanup_sequence(self) -> str:
        """What makes the terminal forget every image, at the end."""
        self._messages.clear()
        return "".join(kept.drawing.after for kept in self._kept.values() if kept.sent)

    def _forget(self, n: int) -> None:
        for key in list(self._kept)[:n]:
            kept = self._kept.pop(key)
            if kept.sent and kept.drawing.after:
                self._messages.append(kept.drawing.after)
        self.generation += 1


def _blanks(n: int) -> tuple[Segment, ...]:
    """Cells of the background, whatever that is: their style is for the widget to say."""
    return (Segment(" " * n),) if n else ()

"""One image as large as possible, with a caption below it."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from tuilabel.render import PictureSource, fit
from tuilabel.tui.strips import PictureStrip
from tuilabel.tui.widgets.grid import MIN_SIDE, NOT_SEEN, centred
from tuilabel.tui.widgets.painted import PaintedWidget


@dataclass(frozen=True)
class PoolItem:
    """An item of the pool: its index, and the width and height of its file in pixels."""

    index: int
    width: int
    height: int


class Picture(PaintedWidget):
    """Shows an image, uint8 (H, W, C), centred and in its proportions, or only the caption if there is none."""

    COMPONENT_CLASSES = {"picture--caption"}  # noqa: RUF012 - Textual's name and type

    def __init__(self, pictures: PictureSource, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._pictures = pictures
        self._image: NDArray[np.uint8] | None = None
        self._item: PoolItem | None = None
        self.caption = ""
        """The text under the image."""
        self.seen_at = NOT_SEEN
        """The time at which the image now shown was written to the terminal."""
        self.end = 0
        """Lines down to the caption, which is the last one used."""

    def show(self, image: NDArray[np.uint8] | None, caption: str, item: PoolItem | None = None) -> None:
        """Show `image` from now on; `item` if it is the whole image of an item, whose picture may be ready."""
        same = (item is not None and item == self._item) or (
            item is None
            and (
                image is self._image
                or (image is not None and self._image is not None and np.array_equal(image, self._image))
            )
        )
        if not same:
            self.seen_at = NOT_SEEN
        self._image, self._item, self.caption = image, item, caption
        self._draw(full=not same)

    def cells_of(self, item: PoolItem) -> tuple[int, int]:
        """The columns and rows of an item's picture."""
        return fit(item.height, item.width, self.size.width, max(1, self.size.height - 1))

    def sharpen(self, image: NDArray[np.uint8]) -> None:
        """Show the same image in more detail; it still counts as shown since before."""
        self._image = image
        self._draw(full=False)

    def displayed(self, at: float) -> None:
        """The screen was written to the terminal at `at`."""
        if self._image is not None and not self.pending and self.display and self.has_room:
            self.seen_at = min(self.seen_at, at)

    @property
    def has_room(self) -> bool:
        """Whether there is room for an image."""
        return self.size.width >= MIN_SIDE and self.size.height >= MIN_SIDE

    def on_resize(self, _: events.Resize) -> None:
        self._draw(full=True)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.call_later(self._draw, full=True)

    def _draw(self, *, full: bool) -> None:
        width, height = self.size
        if not self.has_room:
            return
        plain = self.plain
        lines: list[Strip] = []
        if self._image is not None:
            image_height, image_width = self._image.shape[:2]
            # What is not an item of the pool is named by its content.
            item = self._item or PoolItem(-1 - crc32(self._image.tobytes()), image_width, image_height)
            columns, rows = self.cells_of(item)
            left = (width - columns) // 2
            lines = [Strip.blank(width, plain)] * ((height - 1 - rows) // 2)
            edges = (Segment(" " * left, plain),), (Segment(" " * (width - left - columns), plain),)
            for line in self._pictures.picture(item.index, self._image, columns, rows):
                lines.append(PictureStrip((edges[0], line, edges[1]), width))
        lines.append(Strip([centred(self.caption, width, self.component_style("picture--caption"))], width))
        self.end = len(lines)
        lines += [Strip.blank(width, plain)] * (height - len(lines))
        self.paint(lines[:height], full=full)

"""A cache of drawn pictures, which the screens get their cells from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment

from tuilabel.render.base import CellPicture, Drawing, Renderer, fit
from tuilabel.render.cells import PictureLine
from tuilabel.render.inline import InlineImage, InlineRenderer
from tuilabel.render.kitty import KittyRenderer

CAPACITY = 400  # several pages, ahead and back
MEMORY = 36_000_000  # bytes of all pictures of the cache
SEGMENT_BYTES, CHARACTER_BYTES = 800, 60  # as measured, with what is encoded ahead
MAX_STRETCH = 1.2  # factor by which a picture may be stretched to fill its cells


@dataclass
class _CachedPicture:
    drawing: Drawing
    sent: bool = False

    @property
    def memory(self) -> int:
        """About how many bytes it takes."""
        inline = self.drawing.inline
        sent = len(self.drawing.before) if inline is None else len(inline.whole) + inline.pixels.nbytes
        lines = self.drawing.cells
        return sent + sum(SEGMENT_BYTES + CHARACTER_BYTES * len(one.text) for line in lines for one in line)


class PictureSource:
    """The pictures of a pool's items by item and size; the least recently used are dropped first.

    If the terminal draws images itself, an image is sent when its picture is first shown, not when it is drawn ahead of
    time: `pop_escapes` returns what must be written before the cells.

    Parameters
    ----------
    renderer : draws images as cells.
    capacity : maximum number of pictures in the cache.
    """

    def __init__(self, renderer: Renderer, capacity: int = CAPACITY) -> None:
        self.renderer = renderer
        """Draws the pictures."""
        self._capacity = _capacity(renderer, capacity)
        self._cache: dict[tuple[int, int, int], _CachedPicture] = {}
        self._memory = 0
        self._escapes: list[str] = []
        self._inline: dict[int, InlineImage] = {}
        self.generation = 0
        """Incremented when pictures are dropped; a widget that has cached cells must get them again."""

    @property
    def drawn_by_terminal(self) -> bool:
        """Whether the terminal draws the images itself."""
        return isinstance(self.renderer, KittyRenderer | InlineRenderer)

    def use(self, renderer: Renderer, capacity: int = CAPACITY) -> None:
        """Draw with another renderer from now on: all pictures are dropped."""
        self.renderer, self._capacity = renderer, _capacity(renderer, capacity)
        for cached in self._cache.values():
            self._drop(cached)
        self._cache.clear()
        self.generation += 1

    def picture(self, index: int, image: NDArray[np.uint8], columns: int, rows: int) -> CellPicture:
        """Item `index` in exactly `columns` × `rows` cells, to be shown now; image uint8 (H, W, 1) or (H, W, 3)."""
        key = (index, columns, rows)
        cached = self._cache.pop(key, None)
        if cached is None:
            cached = self._make_room(self.draw(image, columns, rows))
        self._cache[key] = cached  # the most recently used is last
        if not cached.sent:
            cached.sent = True
            if cached.drawing.before:
                self._escapes.append(cached.drawing.before)
        return cached.drawing.cells

    def inline_image(self, number: int) -> InlineImage | None:
        """The image that cells with this number stand for; None if its picture has been dropped."""
        return self._inline.get(number)

    def add(self, index: int, columns: int, rows: int, drawing: Drawing) -> None:
        """Keep a picture that was drawn elsewhere, in place of the one from a coarser version of the image."""
        before = self._cache.pop((index, columns, rows), None)
        if before is not None:
            self._drop(before)
            self.generation += 1
        self._cache[index, columns, rows] = self._make_room(drawing)

    def resolution(self, columns: int, rows: int) -> tuple[int, int]:
        """(width, height) in pixels beyond which an image looks no better in `columns` × `rows` cells."""
        across, down = self.renderer.cell_pixels
        return across * columns, down * rows

    def draw(self, image: NDArray[np.uint8], columns: int, rows: int) -> Drawing:
        """The image centred in the cells with its aspect ratio, or stretched a little if it then fills them.

        It changes nothing here and may be called from any thread.
        """
        renderer = self.renderer
        height, width = image.shape[:2]
        if abs(math.log(width * 2 * rows / (height * columns))) < math.log(MAX_STRETCH):
            return _by_lines(renderer.draw(image, columns, rows))
        wide, tall = fit(height, width, columns, rows)
        drawing = renderer.draw(image, wide, tall)
        left, top = (columns - wide) // 2, (rows - tall) // 2
        blank = (Segment(" " * columns),)
        middle = [(*_blanks(left), *line, *_blanks(columns - wide - left)) for line in drawing.cells]
        lines = [*[blank] * top, *middle, *[blank] * (rows - tall - top)]
        return _by_lines(replace(drawing, cells=tuple(lines)))

    def is_ready(self, index: int, columns: int, rows: int) -> bool:
        """Whether a picture has been drawn."""
        return (index, columns, rows) in self._cache

    def pop_escapes(self) -> str:
        """Return and clear the escape sequences that must be written before any cells."""
        if not self._escapes:
            return ""
        escapes = "".join(self._escapes)
        self._escapes.clear()
        return escapes

    def cleanup_sequence(self) -> str:
        """Escape sequences that delete all images from the terminal, for the end of the program."""
        self._escapes.clear()
        return "".join(cached.drawing.after for cached in self._cache.values() if cached.sent)

    def _make_room(self, drawing: Drawing) -> _CachedPicture:
        """Drop the least recently used pictures if there is no room for one more."""
        if len(self._cache) >= self._capacity or self._memory >= MEMORY:
            for key in list(self._cache)[: len(self._cache) // 4 or 1]:
                self._drop(self._cache.pop(key))
            self.generation += 1
        cached = _CachedPicture(drawing)
        self._memory += cached.memory
        if drawing.inline is not None:
            self._inline[drawing.inline.number] = drawing.inline
        return cached

    def _drop(self, cached: _CachedPicture) -> None:
        self._memory -= cached.memory
        if cached.drawing.inline is not None:
            self._inline.pop(cached.drawing.inline.number, None)
        if cached.sent and cached.drawing.after:
            self._escapes.append(cached.drawing.after)


def _by_lines(drawing: Drawing) -> Drawing:
    return replace(drawing, cells=tuple(map(PictureLine, drawing.cells)))


def _capacity(renderer: Renderer, most: int) -> int:
    return min(most, renderer.capacity) if isinstance(renderer, KittyRenderer) else most


def _blanks(n: int) -> tuple[Segment, ...]:
    """Empty cells without a style, so that the widget decides on the background."""
    return (Segment(" " * n),) if n else ()

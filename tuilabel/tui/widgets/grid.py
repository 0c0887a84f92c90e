"""A grid of images, each with a caption below it; one cell is focused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from tuilabel.render import CellPicture, PictureSource, picture_source
from tuilabel.render.cells import MARK
from tuilabel.tui.layout import FRAME_ROWS, GLYPH_SIZE, GridLayout, grid_layout, strip_layout
from tuilabel.tui.strips import PictureStrip
from tuilabel.tui.widgets.painted import PaintedWidget

NOT_SEEN = math.inf
MIN_SIDE = 3  # characters


@dataclass(frozen=True)
class GridCell:
    """What a cell shows: the image of an item by pool index, a caption, and the caption's style (a component class).

    Attributes
    ----------
    selected : whether the item is one of those that the next key is about.
    """

    index: int
    caption: str
    style: str
    selected: bool = False


_Row = tuple[tuple[GridCell, ...], int | None]
"""The cells of a row, and which of them is focused."""


def _indices(row: _Row) -> tuple[int, ...]:
    return tuple(cell.index for cell in row[0])


SELECTED = "◆"
"""Stands before the caption of a selected image, and above its picture."""


class ImageGrid(PaintedWidget):
    """Pages of image cells. It knows images and captions and nothing about labels."""

    ALLOW_SELECT = False  # dragging selects images, not text

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--focus",
        "grid--prediction",
        "grid--saving",
        "grid--saved",
        "grid--aside",
        "grid--marked",
        "grid--selected",
        "grid--message",
    }

    class Clicked(Message):
        """A cell was clicked, perhaps with a modifier that extends the selection to it, or adds it alone."""

        def __init__(self, grid: ImageGrid, position: int, *, extends: bool = False, adds: bool = False) -> None:
            super().__init__()
            self.grid = grid
            self.position, self.extends, self.adds = position, extends, adds

        @property
        def control(self) -> ImageGrid:
            """The grid."""
            return self.grid

    class Dragged(Message):
        """The mouse was dragged from one cell to another; again for each further cell."""

        def __init__(self, grid: ImageGrid, start: int, end: int, positions: Sequence[int]) -> None:
            super().__init__()
            self.grid = grid
            self.start, self.end = start, end
            self.positions = positions

        @property
        def control(self) -> ImageGrid:
            """The grid."""
            return self.grid

    class LayoutChanged(Message):
        """The cells have a new layout: other pages or another size."""

    def __init__(
        self,
        thumbnail: Callable[[int], NDArray[np.uint8]],
        shape: tuple[int, int],
        pictures: PictureSource | None = None,
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(id=id)
        self._thumbnail = thumbnail
        self._shape = shape
        """(H, W) of the images that cells are laid out for."""
        self._pictures = pictures or picture_source("blocks")
        self._generation = 0
        self._cell_size, self._is_strip = min(GLYPH_SIZE, *shape), False
        self._cells: tuple[GridCell, ...] = ()
        self._focused = 0
        self._text = ""
        self._picture_lines: dict[tuple[int, ...], list[Strip]] = {}
        self._rows: dict[_Row, list[Strip]] = {}
        self._shown: list[int] = []
        self._pressed: int | None = None
        """The cell where the mouse button went down."""
        self._dragged: int | None = None
        """The cell that it was dragged to."""
        self.seen_at = NOT_SEEN
        """The time at which the images now shown were written to the terminal."""
        self.current_layout: GridLayout | None = None

    def show(self, cells: Sequence[GridCell], focused: int) -> None:
        """Show the page with the cell at position `focused`, highlighted."""
        self._cells, self._focused, self._text = tuple(cells), focused, ""
        self._arrange()

    def set_size(self, size: int, *, strip: bool = False) -> None:
        """Give the cells another size, see `SIZES`; or make them one row, a film strip."""
        if (size, strip) != (self._cell_size, self._is_strip):
            self._cell_size, self._is_strip = size, strip
            self._arrange()

    def renew(self) -> bool:
        """Get pictures that were drawn again or dropped: they still count as shown since before. Whether any were."""
        if not self._cells or self._generation == self._pictures.generation:
            return False
        self._arrange()
        return True

    def show_text(self, text: str) -> None:
        """Show lines of text in place of images."""
        self._cells, self._text = (), text
        self._shown, self.seen_at = [], NOT_SEEN
        self._arrange()

    def displayed(self, at: float) -> None:
        """The screen was written to the terminal at `at`, a monotonic time in seconds."""
        if self._shown and not self.pending:
            self.seen_at = min(self.seen_at, at)

    @property
    def page(self) -> tuple[int, int]:
        """(current page, number of pages), from 1; (1, 1) without images."""
        if self.current_layout is None or not self._cells:
            return 1, 1
        per_page = self.current_layout.per_page
        return max(0, self._focused) // per_page + 1, -(-len(self._cells) // per_page)

    @property
    def per_page(self) -> int:
        """Cells on a page; 0 before there are any."""
        return 0 if self.current_layout is None else self.current_layout.per_page

    @property
    def on_page(self) -> range:
        """Positions of the cells on the current page."""
        first = (self.page[0] - 1) * self.per_page
        return range(first, min(first + self.per_page, len(self._cells)))

    @property
    def focus_end(self) -> int:
        """Lines down to the caption of the focused cell; 0 without one."""
        layout = self.current_layout
        if layout is None or self._focused not in self.on_page:
            return 0
        row = (self._focused - self.on_page.start) // layout.columns
        return row * layout.cell_height + layout.picture_rows + FRAME_ROWS

    @property
    def has_room(self) -> bool:
        """Whether there is room for an image."""
        return self.size.width >= MIN_SIDE and self.size.height >= MIN_SIDE

    def on_resize(self, _: events.Resize) -> None:
        self._arrange()

    def on_click(self, event: events.Click) -> None:
        position = self._position_at(event)
        if position is not None and self._dragged is None:
            self.post_message(self.Clicked(self, position, extends=event.shift, adds=event.ctrl or event.meta))
        self._pressed = self._dragged = None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._pressed, self._dragged = self._position_at(event), None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if not event.button:
            self._pressed = self._dragged = None  # it was released elsewhere
        position, layout = self._position_at(event), self.current_layout
        before = self._pressed if self._dragged is None else self._dragged
        if self._pressed is None or layout is None or position is None or position == before:
            return
        self._dragged = position
        self.post_message(self.Dragged(self, self._pressed, position, self._between(self._pressed, position, layout)))

    def _position_at(self, event: events.MouseEvent) -> int | None:
        """The position of the cell under the mouse; None if there is none."""
        layout = self.current_layout
        if layout is None or not self._cells:
            return None
        column, row = int(event.x) // layout.cell_width, int(event.y) // layout.cell_height
        position = (self.page[0] - 1) * layout.per_page + row * layout.columns + column
        return position if column < layout.columns and row < layout.rows and position < len(self._cells) else None

    def _between(self, start: int, end: int, layout: GridLayout) -> list[int]:
        """Positions of the cells in the rectangle with two of them at opposite corners."""
        page = self.on_page
        rows, columns = zip(*(divmod(at - page.start, layout.columns) for at in (start, end)), strict=True)
        return [
            at
            for at in page
            if min(rows) <= (at - page.start) // layout.columns <= max(rows)
            and min(columns) <= (at - page.start) % layout.columns <= max(columns)
        ]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._picture_lines = {}
        self._rows = {}
        self.call_later(self._arrange)

    # -- lines --------------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        if not self.has_room:
            self._shown, self.seen_at = [], NOT_SEEN
            return
        width, height = self.size
        if not self._cells:
            self.paint(self._text_lines(width, height))
            return
        if self._is_strip:
            layout = strip_layout(width, height, *self._shape)
        else:
            layout = grid_layout(width, height, len(self._cells), *self._shape, self._cell_size)
        if layout != self.current_layout:
            self.current_layout = layout
            self._picture_lines.clear()
            self._rows.clear()
            self.post_message(self.LayoutChanged())
        first = (self.page[0] - 1) * layout.per_page
        shown = self._cells[first : first + layout.per_page]
        for cell in shown:
            self._picture(cell.index, layout)  # keep what is on the screen in the cache of pictures
        if self._generation != self._pictures.generation:
            self._generation = self._pictures.generation
            self._picture_lines.clear()
            self._rows.clear()
        lines: list[Strip] = []
        rows: dict[_Row, list[Strip]] = {}
        for row in range(0, len(shown), layout.columns):
            cells = shown[row : row + layout.columns]
            focused = self._focused - first - row
            key = cells, focused if 0 <= focused < len(cells) else None
            rows[key] = self._rows.get(key) or self._row(*key, layout)
            lines += rows[key]
        self._rows = rows  # of this page alone: most rows are the same after a key
        self._picture_lines = {indices: self._pictures_of(indices, layout) for indices in map(_indices, rows)}
        lines = lines[:height]
        before, self._shown = self._shown, [cell.index for cell in shown]
        if self._shown != before:
            self.seen_at = NOT_SEEN
        self.paint(lines + [self._blank] * (height - len(lines)), full=self._shown != before)

    @property
    def _blank(self) -> Strip:
        return Strip.blank(self.size.width, self.plain)

    def _text_lines(self, width: int, height: int) -> list[Strip]:
        style = self.component_style("grid--message")
        texts = self._text.splitlines()
        top = max(0, (height - len(texts)) // 2)
        lines = [self._blank] * top
        lines += [Strip([centred(text, width, style)]) for text in texts]
        return (lines + [self._blank] * height)[:height]

    def _row(self, cells: tuple[GridCell, ...], focused: int | None, layout: GridLayout) -> list[Strip]:
        """The lines of one row of cells."""
        return [
            self._bar_line(cells, focused, layout),
            *self._pictures_of(_indices((cells, focused)), layout),
            self._caption_line(cells, focused, layout),
            *[self._blank] * (layout.cell_height - layout.picture_rows - 2),
        ]

    def _bar_line(self, cells: Sequence[GridCell], focused: int | None, layout: GridLayout) -> Strip:
        plain = self.plain
        accent = Style(color=self.component_style("grid--focus").bgcolor, bgcolor=plain.bgcolor)
        segments = []
        selected = self.component_style("grid--selected")
        for column, cell in enumerate(cells):
            bar = ("▄" if column == focused else "━" if cell.selected else " ") * (layout.cell_width - 1)
            if cell.selected:
                middle = len(bar) // 2
                bar = bar[:middle] + SELECTED + bar[middle + 1 :]
            style = accent if column == focused else selected if cell.selected else plain
            segments += [Segment(bar, style), Segment(" ", plain)]
        return self._padded(segments)

    def _caption_line(self, cells: Sequence[GridCell], focused: int | None, layout: GridLayout) -> Strip:
        plain = self.plain
        segments = []
        for column, cell in enumerate(cells):
            name = "focus" if column == focused else "selected" if cell.selected else cell.style
            caption = f"{SELECTED} {cell.caption}" if cell.selected else cell.caption
            style = self.component_style(f"grid--{name}")
            segments += [centred(caption, layout.cell_width - 1, style), Segment(" ", plain)]
        return self._padded(segments)

    def _pictures_of(self, indices: tuple[int, ...], layout: GridLayout) -> list[Strip]:
        """The lines of the pictures of one row, cached: they are the same when captions change."""
        if indices not in self._picture_lines:
            pictures = [self._picture(index, layout) for index in indices]
            left = (layout.cell_width - 1 - layout.picture_columns) // 2
            right = layout.cell_width - left - layout.picture_columns
            self._picture_lines[indices] = [
                self._beside([picture[y] for picture in pictures], left, right) for y in range(layout.picture_rows)
            ]
        return self._picture_lines[indices]

    def _beside(self, lines: Sequence[Sequence[Segment]], left: int, right: int) -> Strip:
        """Lines of pictures beside each other, with so many empty cells on both sides of each."""
        plain = self.plain
        edges = (Segment(" " * left, plain),), (Segment(" " * right, plain),)
        parts: list[Sequence[Segment]] = []
        for line in lines:
            if not all(segment.style or segment.text.startswith(MARK) for segment in line):
                line = [segment if segment.style else Segment(segment.text, plain) for segment in line]
            parts += (edges[0], line, edges[1])
        width = self.size.width
        used = sum(segment.cell_length for part in parts for segment in part)
        parts.append((Segment(" " * (width - used), plain),) if used < width else ())
        return PictureStrip(parts, max(used, width)).crop(0, width)

    def _picture(self, index: int, layout: GridLayout) -> CellPicture:
        return self._pictures.picture(index, self._thumbnail(index), layout.picture_columns, layout.picture_rows)

    def _padded(self, segments: list[Segment]) -> Strip:
        used = sum(segment.cell_length for segment in segments)
        width = self.size.width
        if used < width:
            segments.append(Segment(" " * (width - used), self.plain))
        return Strip(segments, max(used, width)).crop(0, width)


def centred(text: str, width: int, style: Style) -> Segment:
    """`text` centred in `width` columns, cut if it is longer."""
    if cell_len(text) > width:
        text = set_cell_size(text, max(0, width - 1)) + "…"
    left = (width - cell_len(text)) // 2
    return Segment(set_cell_size(" " * left + text, width), style)

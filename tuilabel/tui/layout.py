"""How many image cells fit on the screen and how large they are: plain arithmetic, no widgets."""

from __future__ import annotations

from dataclasses import dataclass

from tuilabel.render import fit

READABLE = 14  # pixels along an image's shorter side; with fewer a digit cannot be recognised
FRAME_COLUMNS = 2
FRAME_ROWS = 2  # a line above the picture and the caption below it


@dataclass(frozen=True)
class GridLayout:
    """A page of `columns` × `rows` cells, each of `cell_width` × `cell_height` characters."""

    columns: int
    rows: int
    cell_width: int
    cell_height: int
    picture_columns: int
    picture_rows: int

    @property
    def per_page(self) -> int:
        """Cells on a page."""
        return self.columns * self.rows


def grid_layout(width: int, height: int, n_items: int, image_height: int, image_width: int) -> GridLayout:
    """The layout that shows `n_items` images largest, on several pages if they would be unreadable on one.

    Parameters
    ----------
    width, height : available space in characters.
    n_items : number of images, at least 1.
    image_height, image_width : size of an image in pixels.
    """
    side = min(READABLE, image_height, image_width)
    shapes = [(columns, -(-n_items // columns)) for columns in range(1, min(n_items, width // 3) + 1)]
    whole = [
        _arrange(width, height, columns, rows, image_height, image_width)
        for columns, rows in shapes
        if rows * 3 <= height
    ]
    best = max(whole, key=lambda one: (one.picture_columns * one.picture_rows, -one.per_page), default=None)
    if best is not None and min(best.picture_columns, 2 * best.picture_rows) >= side:
        return best
    scale = side / min(image_height, image_width)
    columns = max(1, width // (round(image_width * scale) + FRAME_COLUMNS))
    rows = max(1, height // (-(-round(image_height * scale) // 2) + FRAME_ROWS))
    columns = min(columns, n_items)
    return _arrange(width, height, columns, min(rows, -(-n_items // columns)), image_height, image_width)


def _arrange(width: int, height: int, columns: int, rows: int, image_height: int, image_width: int) -> GridLayout:
    cell_width, cell_height = max(3, width // columns), max(3, height // rows)
    picture = fit(image_height, image_width, cell_width - FRAME_COLUMNS, cell_height - FRAME_ROWS)
    return GridLayout(columns, rows, cell_width, cell_height, *picture)


def panel_width(width: int) -> int:
    """Width of the side panel on a screen of `width` columns; 0 if there is no room for it."""
    if width < 60:
        return 0
    return 26 if width < 100 else 34 if width < 160 else 46

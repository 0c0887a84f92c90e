"""How many image cells fit on the screen and how large they are: plain arithmetic, no widgets."""

from __future__ import annotations

from dataclasses import dataclass

from tuilabel.render import fit

SIZES = (10, 14, 20, 28, 40, 56)
"""Sizes of the cells of a grid: characters along the shorter side of an image, which is pixels of half-blocks."""
ONE = 0
"""The largest size: one image at a time, as large as there is room, and the others as a film strip."""
GLYPH_SIZE = 14  # with fewer pixels a digit cannot be recognised
PHOTOGRAPH_SIZE = 28  # enough for a photograph of 32 × 32 pixels
SMALL_PHOTOGRAPH = 64  # pixels along the longer side of photographs that need no more
FRAME_COLUMNS = 2
FRAME_ROWS = 2  # a line above the picture and the caption below it
BESIDE_NAMES = 20  # columns of the side panel for what stands next to the name of a class
WIDE = 160  # columns of a screen with room for the focused image next to the grid


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


def grid_layout(
    width: int, height: int, n_items: int, image_height: int, image_width: int, size: int = GLYPH_SIZE
) -> GridLayout:
    """The layout that shows `n_items` images largest, on several pages if they would be smaller than `size` on one.

    Parameters
    ----------
    width, height : available space in characters.
    n_items : number of images, at least 1.
    image_height, image_width : size of an image in pixels.
    size : see `SIZES`.
    """
    shapes = [(columns, -(-n_items // columns)) for columns in range(1, min(n_items, width // 3) + 1)]
    whole = [
        _arrange(width, height, columns, rows, image_height, image_width)
        for columns, rows in shapes
        if rows * 3 <= height
    ]
    best = max(whole, key=lambda one: (one.picture_columns * one.picture_rows, -one.per_page), default=None)
    if best is not None and min(best.picture_columns, 2 * best.picture_rows) >= size:
        return best
    scale = size / min(image_height, image_width)
    columns = max(1, width // (round(image_width * scale) + FRAME_COLUMNS))
    rows = max(1, height // (-(-round(image_height * scale) // 2) + FRAME_ROWS))
    columns = min(columns, n_items)
    return _arrange(width, height, columns, min(rows, -(-n_items // columns)), image_height, image_width)


def strip_layout(width: int, height: int, image_height: int, image_width: int) -> GridLayout:
    """The layout of a film strip: one row of cells as high as there is room."""
    picture_width, _ = fit(image_height, image_width, width - FRAME_COLUMNS, height - FRAME_ROWS)
    return _arrange(width, height, max(1, width // (picture_width + FRAME_COLUMNS)), 1, image_height, image_width)


def _arrange(width: int, height: int, columns: int, rows: int, image_height: int, image_width: int) -> GridLayout:
    cell_width, cell_height = max(3, width // columns), max(3, height // rows)
    picture = fit(image_height, image_width, cell_width - FRAME_COLUMNS, cell_height - FRAME_ROWS)
    return GridLayout(columns, rows, cell_width, cell_height, *picture)


@dataclass(frozen=True)
class Arrangement:
    """How the room for images is divided between the grid and the focused image.

    Attributes
    ----------
    size : of the grid's cells, see `SIZES`.
    strip : rows of the film strip below the focused image; None if the grid is none.
    preview : columns of the focused image next to the grid, 0 without.
    """

    size: int
    strip: int | None = None
    preview: int = 0


def arrange(
    width: int, height: int, n_items: int, image_height: int, image_width: int, size: int, detail: int, *, wide: bool
) -> Arrangement:
    """How to show `n_items` images of which one is focused.

    Parameters
    ----------
    width, height : available space in characters.
    image_height, image_width : size of the images that cells are laid out for, in pixels.
    size : one of `SIZES`, or `ONE`.
    detail : pixels along the longer side of the images in their files. On a wide screen the focused one is shown next
        to the grid if that shows more of them.
    wide : whether the screen is.
    """
    if size == ONE and not wide:
        return Arrangement(GLYPH_SIZE, strip=8 if height >= 30 else 6 if height >= 26 else 0)
    largest = 2 * height  # columns of a square picture of that height
    if size == ONE:
        return Arrangement(GLYPH_SIZE, preview=min(width * 3 // 5, largest))
    preview = min(width * 2 // 5, largest)
    cells = grid_layout(width, height, max(1, n_items), image_height, image_width, size)
    if not wide or width - preview < size + FRAME_COLUMNS or cells.picture_columns >= min(detail, preview):
        return Arrangement(size)
    return Arrangement(size, preview=preview)


def default_size(image_height: int, image_width: int, detail: int, *, grey: bool) -> int:
    """The size in which the class of an image can be seen at once.

    Parameters
    ----------
    image_height, image_width, detail : as in `arrange`.
    grey : whether they have no colours; small ones are then taken for digits, letters or clothes.
    """
    shorter = min(image_height, image_width)
    if grey and detail <= SMALL_PHOTOGRAPH:
        return min(GLYPH_SIZE, shorter)
    return ONE if detail > SMALL_PHOTOGRAPH else min(PHOTOGRAPH_SIZE, shorter)


def size_of(setting: object) -> int | None:
    """The size that a setting of the project means, "one" or one of `SIZES`; None if it is neither."""
    if setting == "one":
        return ONE
    return setting if isinstance(setting, int) and setting in SIZES else None


def panel_width(width: int, names: int = 0) -> int:
    """Width of the side panel on a screen of `width` columns; 0 if there is no room for it.

    Parameters
    ----------
    names : the longest name of a class; for long ones the panel is wider where images have the room left.
    """
    if width < 60:
        return 0
    usual, most = (26, 28) if width < 100 else (34, 44) if width < 160 else (46, 64)
    return max(usual, min(most, names + BESIDE_NAMES))

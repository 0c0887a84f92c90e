"""Images painted over cells by the terminal: what it shows is decoded from the bytes again, and compared."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.helpers.colour import lab_error
from tests.helpers.folders import photograph
from tests.helpers.painting import PaintingTerminal, decode_sixel
from tuilabel.render import PictureSource, get_renderer, picture_source
from tuilabel.render.inline import cell_of
from tuilabel.render.sixel import sixel
from tuilabel.tui.output import Shown, sparse_update
from tuilabel.tui.strips import PictureStrip

CONSOLE = Console(color_system="truecolor", force_terminal=True)
CELL = (8, 16)
COLUMNS, ROWS = 60, 20
PHOTO = np.asarray(photograph(1, 320, 240))
PROTOCOLS = pytest.mark.parametrize("images", ["sixel", "iterm2"])


def source(images: str) -> PictureSource:
    return picture_source(images, cell=CELL)


def writer(pictures: PictureSource, shown: Shown) -> Callable[[list[Strip]], str]:
    """Writes whole screens, of which only the difference is sent."""
    kind = sparse_update(shown, pictures)

    def write(lines: list[Strip]) -> str:
        update = kind.__new__(kind)
        update.changes = lambda: ((0, y, line) for y, line in enumerate(lines))  # type: ignore[method-assign]
        return update.render_segments(CONSOLE)

    return write


def screen(
    pictures: PictureSource, index: int = 0, image: np.ndarray = PHOTO, columns: int = 40, rows: int = 15
) -> list[Strip]:
    """A picture with text around it."""
    picture = pictures.picture(index, image, columns, rows)
    lines = [Strip([Segment("title".ljust(COLUMNS))])]
    lines += [Strip([Segment("  "), *line, Segment("right".ljust(COLUMNS - 2 - columns))]) for line in picture]
    return lines + [Strip([Segment("caption".ljust(COLUMNS))])] * (ROWS - len(lines))


def expected(image: np.ndarray, columns: int, rows: int) -> np.ndarray:
    size = columns * CELL[0], rows * CELL[1]
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def shown_image(terminal: PaintingTerminal, columns: int, rows: int) -> np.ndarray:
    """The pixels over the cells of the picture."""
    return terminal.canvas[CELL[1] : (1 + rows) * CELL[1], 2 * CELL[0] : (2 + columns) * CELL[0]]


@PROTOCOLS
def test_the_terminal_shows_the_photograph_over_its_cells(images: str) -> None:
    pictures, terminal = source(images), PaintingTerminal(COLUMNS, ROWS, CELL)
    output = writer(pictures, Shown())(screen(pictures))
    terminal.feed(output)
    assert terminal.images == 1
    painted = shown_image(terminal, 40, 15)
    assert (painted >= 0).all()
    wanted = expected(PHOTO, 40, 15)[: len(painted)]
    assert lab_error(painted, wanted) < 9
    assert (
        lab_error(
            *(
                np.asarray(Image.fromarray(one.astype(np.uint8)).resize((80, 58), Image.Resampling.BOX))
                for one in (painted, wanted)
            )
        )
        < 5
    )
    assert (terminal.canvas >= 0).all(2).sum() == painted.shape[0] * painted.shape[1]
    assert len(output) < 150_000
    assert "".join(terminal.text[0]).startswith("title")
    assert "".join(terminal.text[1]).endswith("right".ljust(COLUMNS - 42))


@PROTOCOLS
def test_a_dialog_covers_the_image_and_gives_it_back_in_one_piece(images: str) -> None:
    pictures, shown = source(images), Shown()
    terminal, write = PaintingTerminal(COLUMNS, ROWS, CELL), writer(pictures, shown)
    plain = screen(pictures)
    whole = write(plain)
    terminal.feed(whole)
    before = terminal.canvas.copy()
    dialog = Strip([Segment("help".ljust(30), Style(bgcolor="blue"))])
    covered = [
        Strip.join([line.crop(0, 10), dialog, line.crop(40, COLUMNS)]) if 4 <= y < 12 else line
        for y, line in enumerate(plain)
    ]
    opened = write(covered)
    terminal.feed(opened)
    assert "\x1bP" not in opened
    assert "1337" not in opened
    assert (terminal.canvas[5 * CELL[1], 12 * CELL[0]] == -1).all()
    assert (terminal.canvas[5 * CELL[1], 4 * CELL[0]] >= 0).all()
    closed = write(plain)
    terminal.feed(closed)
    assert terminal.images == 2
    assert len(closed) < 0.7 * len(whole)
    assert ((terminal.canvas >= 0) == (before >= 0)).all()
    visible = (before >= 0).all(2)
    assert lab_error(terminal.canvas[visible], before[visible]) < 8
    assert write(plain) == ""


@PROTOCOLS
def test_the_next_image_leaves_nothing_of_the_one_before(images: str) -> None:
    pictures = source(images)
    terminal, write = PaintingTerminal(COLUMNS, ROWS, CELL), writer(pictures, Shown())
    terminal.feed(write(screen(pictures)))
    portrait = np.full((300, 100, 3), (200, 30, 40), dtype=np.uint8)
    terminal.feed(write(screen(pictures, 1, portrait)))
    painted = terminal.canvas[(terminal.canvas >= 0).all(2)]
    assert np.abs(painted - (200, 30, 40)).max() < 6
    assert len(painted) < 0.5 * 40 * 15 * CELL[0] * CELL[1]


def test_small_images_are_sent_as_they_are_and_digits_stay_exact() -> None:
    digit = np.zeros((28, 28, 1), dtype=np.uint8)
    digit[6:22, 12:16] = 255
    pictures = source("iterm2")
    output = writer(pictures, Shown())(screen(pictures, 0, digit, 14, 7))
    assert len(output.partition("1337;")[2].partition("\x07")[0]) < 400
    pixels = decode_sixel(sixel(digit.repeat(3, 0).repeat(3, 1)).partition("q")[2][:-2])
    assert (pixels == digit.repeat(3, 0).repeat(3, 1)).all()


@pytest.mark.parametrize("shape", [(6, 1, 3), (7, 5, 1), (61, 300, 3), (600, 6, 3), (5, 5, 3)])
@pytest.mark.parametrize("colours", [2, 64, 256])
def test_sixel_is_the_image_in_its_best_colours(shape: tuple[int, ...], colours: int) -> None:
    image = np.random.default_rng(0).integers(0, 8, shape, dtype=np.uint8) * 36
    pixels = decode_sixel(sixel(image, colours).partition("q")[2][:-2])
    assert pixels.shape == (*shape[:2], 3)
    assert (pixels >= 0).all()
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) <= colours


def test_sixel_repeats_by_count_and_sends_no_empty_ends() -> None:
    image = np.zeros((13, 1234, 1), dtype=np.uint8)
    image[2, 600:] = 255
    text = sixel(image, 2).partition("q")[2][:-2]
    assert re.sub(r"^.*?(?=#\d+[^\d;])", "", text) == "#0!600?!634C$#1!600~!634z-#1!1234~-#1!1234@"
    assert (decode_sixel(text) == image).all()


def test_cells_of_a_dropped_picture_are_left_empty() -> None:
    pictures = source("sixel")
    lines = screen(pictures)
    pictures.use(get_renderer("blocks"))
    terminal = PaintingTerminal(COLUMNS, ROWS, CELL)
    terminal.feed(writer(pictures, Shown())(lines))
    assert terminal.images == 0
    assert "\U0010fffd" not in "".join(map("".join, terminal.text))


def test_cells_name_their_image_row_and_column() -> None:
    pictures = source("sixel")
    for index in range(3):
        picture = pictures.picture(index, PHOTO, 20, 8)
        text = Strip(picture[2]).crop(3, 4).text
        number, row, column = cell_of(text) or (-1, -1, -1)
        assert (row, column) == (2, 3)
        assert pictures.inline_image(number) is not None
    assert cell_of("▀") is None


@PROTOCOLS
def test_a_picture_that_was_encoded_ahead_is_painted_the_same(images: str) -> None:
    pictures = source(images)
    usual, ahead = (writer(pictures, Shown()) for _ in range(2))
    edges = (Segment("ab"),), (Segment("right".ljust(COLUMNS - 42)),)
    for index, (width, height) in enumerate(((320, 240), (320, 240), (120, 240))):  # the last does not fill its cells
        picture = pictures.picture(index, np.asarray(photograph(index, width, height)), 40, 15)
        dialog = [Strip([Segment("dialog over it".center(COLUMNS))])] * 4
        known = [PictureStrip((edges[0], line, edges[1]), COLUMNS) for line in picture]
        lines = [Strip([*edges[0], *line, *edges[1]], COLUMNS) for line in picture]
        assert ahead([*known]) == usual(lines)
        assert ahead([*known[:6], *dialog, *known[10:]]) == usual([*lines[:6], *dialog, *lines[10:]])
        assert ahead([*known]) == usual(lines)

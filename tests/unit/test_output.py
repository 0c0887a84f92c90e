"""What is written to the terminal: only what changes, and always so that the terminal shows the same in the end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyte
import pytest
from PIL import Image
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.helpers.colour import lab_error, shown_by_blocks
from tests.helpers.folders import photograph
from tuilabel.errors import is_control
from tuilabel.render import get_renderer, picture_source
from tuilabel.render.cells import MARK
from tuilabel.render.kitty import DIACRITICS, PLACEHOLDER
from tuilabel.tui.output import Shown, SparseUpdate, sparse_update
from tuilabel.tui.strips import PictureStrip

CONSOLE = Console(color_system="truecolor", force_terminal=True)
COLUMNS, ROWS = 24, 6


def written(lines: Sequence[tuple[int, int, Strip]], shown: Shown, console: Console = CONSOLE) -> str:
    class Update(sparse_update(shown)):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def changes(self) -> Iterator[tuple[int, int, Strip]]:
            yield from lines

    update: SparseUpdate = Update()
    return update.render_segments(console)


def random_strip(rng: np.random.Generator, width: int) -> Strip:
    styles = [None, Style(bold=True, color="red"), *(
        Style(color=f"rgb({a},9,9)", bgcolor=None if a == 3 else f"rgb({b},0,0)") for a in (1, 3) for b in (2, 7)
    )]  # fmt: skip
    segments = []
    while width > 0:
        text = ["a", " ", "▀", "語", "bb"][rng.integers(5)]
        segment = Segment(text, styles[rng.integers(len(styles))])
        if segment.cell_length <= width:
            segments.append(segment)
            width -= segment.cell_length
    return Strip(segments)


def test_the_terminal_shows_what_was_drawn_last() -> None:
    rng, shown = np.random.default_rng(0), Shown()
    terminal, reference = (pyte.Screen(COLUMNS, ROWS) for _ in range(2))
    stream, reference_stream = pyte.Stream(terminal), pyte.Stream(reference)
    for k in range(200):
        if k % 50 == 0:
            shown.forget()
        lines = []
        for y in range(ROWS):
            if rng.random() < 0.5:
                x = int(rng.integers(COLUMNS - 4)) if rng.random() < 0.5 else 0
                lines.append((x, y, random_strip(rng, COLUMNS - x)))
        stream.feed(written(lines, shown))
        for line in lines:
            reference_stream.feed(written([line], Shown()))
        for y in range(ROWS):
            for x in range(COLUMNS):
                cell, wanted = terminal.buffer[y][x], reference.buffer[y][x]
                assert (cell.data, cell.bg, cell.bold) == (wanted.data, wanted.bg, wanted.bold)
                assert cell.data == " " or cell.fg == wanted.fg


@pytest.mark.parametrize("images", ["halfblock", "quadrant", "ascii", "kitty"])
@pytest.mark.parametrize("colours", ["truecolor", "256", None])
def test_pictures_that_were_encoded_ahead_look_the_same(images: str, colours: str | None) -> None:
    rng, shown, ahead = np.random.default_rng(0), Shown(), Shown()
    console = Console(color_system=colours, force_terminal=True)  # type: ignore[arg-type]
    pictures = picture_source(images, cell=(8, 16))
    pages = [rng.integers(0, 256, (12, 20, 3), dtype=np.uint8) for _ in range(3)]
    pages[1][:, :10] = pages[0][:, :10]  # half of it is the same
    pages.append(np.zeros_like(pages[0]))
    plain = Style(bgcolor="rgb(1,2,3)", bold=True)
    terminal, reference = (pyte.Screen(COLUMNS, ROWS) for _ in range(2))
    sizes = [0, 0]
    for number in (0, 1, 2, 3, 0, 2, 1):
        cells = pictures.picture(number, pages[number], 20, ROWS)
        edges = (Segment("ab", plain),), (Segment("cd", plain),)
        known = [(0, y, PictureStrip((edges[0], line, edges[1]), COLUMNS)) for y, line in enumerate(cells)]
        usual = [(0, y, Strip([*edges[0], *line, *edges[1]], COLUMNS)) for y, line in enumerate(cells)]
        texts = written(known, ahead, console), written(usual, shown, console)
        for k, (screen, text) in enumerate(zip((terminal, reference), texts, strict=True)):
            pyte.Stream(screen).feed(text)
            sizes[k] += len(text)
        for y in range(ROWS):
            for x in range(COLUMNS):
                cell, wanted = terminal.buffer[y][x], reference.buffer[y][x]
                assert (cell.data, cell.bg, cell.bold) == (wanted.data, wanted.bg, wanted.bold)
                assert cell.data == " " or cell.fg == wanted.fg
    assert sizes[0] <= 1.1 * sizes[1]


def test_a_dialog_over_a_photograph_costs_only_its_own_cells() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    photograph = [Strip(line) for line in get_renderer("quadrant").draw(image, 80, 24).cells]
    dialog = [Strip([Segment("help".center(30), Style(bgcolor="blue"))])] * 4
    shown = Shown()

    def over(y: int) -> Strip:
        return Strip.join([photograph[y].crop(0, 20), dialog[y - 10], photograph[y].crop(50, 80)])

    plain = [(0, y, strip) for y, strip in enumerate(photograph)]
    opened = [(0, y, over(y) if 10 <= y < 14 else strip) for y, strip in enumerate(photograph)]
    whole = len(written(plain, shown))
    assert len(written(opened, shown)) < 400
    assert len(written(plain, shown)) < 0.1 * whole
    assert written(plain, shown) == ""


@pytest.mark.parametrize(("name", "across", "down"), [("halfblock", 1, 2), ("quadrant", 2, 2), ("sextant", 2, 3)])
def test_a_photograph_takes_few_bytes_and_looks_as_it_would_with_more(name: str, across: int, down: int) -> None:
    """What is written is what a terminal shows: decoded again, blurred as by the eye, and compared in CIELAB."""
    image = np.asarray(photograph(0, 464, 448))
    cells = get_renderer(name).draw(image, 58, 28).cells
    lines = [(0, y, Strip(line)) for y, line in enumerate(cells)]
    assert len(written(lines, Shown()).encode()) < 22 * 58 * 28
    exact = np.asarray(Image.fromarray(image).resize((58 * across, 28 * down), Image.Resampling.LANCZOS))
    picture = shown_by_blocks(cells, name)
    assert lab_error(picture, exact) < 6.5
    blurred = (np.asarray(Image.fromarray(one).resize((29, 14), Image.Resampling.BOX)) for one in (picture, exact))
    assert lab_error(*blurred) < 3.5


def test_images_of_the_terminal_keep_their_rows_and_columns() -> None:
    line = Strip(get_renderer("kitty").draw(np.zeros((8, 8, 1), dtype=np.uint8), 6, 3).cells[1])
    text = written([(0, 1, line)], Shown())
    assert "".join(PLACEHOLDER + DIACRITICS[1] + DIACRITICS[x] for x in range(6)) in text


@pytest.mark.parametrize(
    "text",
    ["\x1b]0;pwned\x07", "a\x1b[2J", "\x9b2J", "\u202etxt", "\x00\x08\x7f", "a\u2028b", "soft\xadhyphen", "\x1b"],
)
def test_no_control_character_of_a_text_reaches_the_terminal(text: str) -> None:
    strip = Strip([Segment("<"), Segment(text), Segment(">")])
    shown = written([(0, 0, strip)], Shown())
    rest = re.sub(r"\x1b\[[0-9;]*[Hm]", "", shown)  # what the update itself writes: moves and colours
    assert not any(is_control(character) for character in rest)
    assert len(rest) == strip.cell_length  # and everything stands where it was laid out


@pytest.mark.parametrize("text", ["e\u0301", "می\u200cخواهم", "☺\ufe0f", "語", "\ue0b0"])
def test_what_is_no_control_character_is_written(text: str) -> None:
    assert text in written([(0, 0, Strip([Segment(text)]))], Shown())


def test_a_name_that_looks_like_a_cell_of_an_image_is_a_name() -> None:
    for name in (MARK, MARK + "abcd", MARK + DIACRITICS[0] * 3):
        assert MARK in written([(0, 0, Strip([Segment(name)]))], Shown())

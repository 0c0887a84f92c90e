"""Pictures as cells: how close they are to the image, and what is sent to the terminal."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO
from itertools import groupby

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len
from rich.color import Color, ColorSystem, ColorType
from rich.color_triplet import ColorTriplet
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.helpers.colour import SHAPES, lab_error, shown_by_blocks
from tests.helpers.folders import photograph
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.errors import UsageError
from tuilabel.render import RENDERERS, CellPicture, PictureSource, get_renderer, picture_source
from tuilabel.render.blocks import QUADRANTS, SEXTANTS
from tuilabel.render.dithered import COLOURS_OF_16
from tuilabel.render.kitty import DIACRITICS, PLACEHOLDER
from tuilabel.render.palette import to_palette

SMALL = (14, 7)


@pytest.fixture(scope="module")
def mnist() -> ImagePool:
    return open_pool("mnist")


def displayed(name: str, picture: CellPicture, side: int = 28) -> np.ndarray:
    """The grey levels (side, side) that a picture of blocks shows, from its characters and colours."""
    pixels = shown_by_blocks(picture, name)[..., 0].astype(np.float64)
    finest = np.repeat(np.repeat(pixels, 84 // pixels.shape[0], 0), 84 // pixels.shape[1], 1)
    return finest.reshape(side, 84 // side, side, 84 // side).mean((1, 3))


def widths(picture: CellPicture) -> set[int]:
    return {sum(segment.cell_length for segment in line) for line in picture}


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (5, 90, 3), (1, 1, 1), (300, 200, 3)])
@pytest.mark.parametrize("size", [(14, 7), (1, 1), (33, 20), (3, 1), (300, 2)])
def test_every_picture_fills_exactly_its_cells(name: str, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    cells = get_renderer(name).draw(image, *size).cells
    assert len(cells) == size[1]
    assert widths(cells) == {size[0]}


def test_finer_blocks_are_closer_to_a_digit(mnist: ImagePool) -> None:
    errors = {}
    for name in SHAPES:
        renderer = get_renderer(name)
        pictures = [displayed(name, renderer.draw(image, *SMALL).cells) for image in mnist.images[:200]]
        errors[name] = np.square(np.array(pictures) - mnist.images[:200, :, :, 0]).mean()
    assert errors["quadrant"] < 0.8 * errors["halfblock"]
    assert errors["sextant"] < 0.9 * errors["quadrant"]


def test_a_digit_is_readable_in_fourteen_by_seven_cells(mnist: ImagePool) -> None:
    """Nearest neighbours among real digits classify the picture nearly as well as the image itself."""
    assert mnist.targets is not None
    references = mnist.images[:6000, :, :, 0].reshape(6000, -1).astype(np.float32)
    queries = slice(50_000, 50_200)
    renderer = get_renderer("blocks")
    pictures = [displayed("quadrant", renderer.draw(image, *SMALL).cells) for image in mnist.images[queries]]

    def accuracy(images: np.ndarray) -> float:
        flat = images.reshape(len(images), -1).astype(np.float32)
        distances = np.square(references).sum(1) - 2 * flat @ references.T
        assert mnist.targets is not None
        return float((mnist.targets[distances.argmin(1)] == mnist.targets[queries]).mean())

    assert accuracy(np.array(pictures)) > accuracy(mnist.images[queries, :, :, 0]) - 0.03


def test_each_cell_of_a_grey_picture_uses_the_character_with_the_least_error() -> None:
    """Compared with trying every character in turn."""
    image = np.random.default_rng(3).integers(0, 256, (9, 6, 1), dtype=np.uint8)
    cells = get_renderer("sextant").draw(image, 3, 3).cells
    characters = ["".join(segment.text for segment in line) for line in cells]
    for row in range(3):
        for column in range(3):
            block = image[3 * row : 3 * row + 3, 2 * column : 2 * column + 2].reshape(6).astype(float)
            errors = []
            for mask in range(64):
                chosen = np.array([mask >> bit & 1 for bit in range(6)], dtype=bool)
                parts = [part for part in (block[chosen], block[~chosen]) if len(part)]
                errors.append(sum(np.square(part - np.rint(part.mean())).sum() for part in parts))
            assert errors[SEXTANTS.index(characters[row][column])] == pytest.approx(min(errors), abs=1)


def test_every_division_of_a_cell_has_its_own_character() -> None:
    for across, down, glyphs in SHAPES.values():
        assert len(set(glyphs)) == len(glyphs) == 2 ** (across * down)
        assert all(cell_len(glyph) == 1 for glyph in glyphs)
    assert (SEXTANTS[1], SEXTANTS[20], SEXTANTS[22], SEXTANTS[62]) == (
        "\U0001fb00",
        "\U0001fb13",
        "\U0001fb14",
        "\U0001fb3b",
    )


def test_half_blocks_show_every_pixel_where_there_is_room(mnist: ImagePool) -> None:
    picture = get_renderer("blocks").draw(mnist.images[7], 28, 14).cells
    assert (displayed("halfblock", picture) == mnist.images[7, :, :, 0]).all()
    small = get_renderer("blocks").draw(mnist.images[7], *SMALL).cells
    assert set("".join(segment.text for line in small for segment in line)) & set(QUADRANTS[4:])


def test_ascii_needs_no_colour_and_uses_its_whole_ramp() -> None:
    dim = np.zeros((28, 28, 1), dtype=np.uint8)
    dim[10:20, 10:20] = 30
    text = ["".join(segment.text for segment in line) for line in get_renderer("ascii").draw(dim, *SMALL).cells]
    assert "@" in "".join(text)
    assert text[0].strip() == ""


# -- 256 colours ------------------------------------------------------------------------------------------------


def test_palette_colours_are_closer_than_those_of_rich() -> None:
    from rich._palettes import EIGHT_BIT_PALETTE

    colours = np.random.default_rng(0).integers(0, 256, (3000, 3))
    greys = np.repeat(np.arange(256)[:, None], 3, 1)
    palette = np.array([EIGHT_BIT_PALETTE[number] for number in range(16, 256)])

    def sent(wanted: np.ndarray) -> np.ndarray:
        numbers = [Color.from_rgb(*map(int, rgb)).downgrade(ColorSystem.EIGHT_BIT).number for rgb in wanted]
        return np.array([EIGHT_BIT_PALETTE[number] for number in numbers if number is not None])

    for wanted in (colours, greys):
        nearest = np.square(palette[:, None] - wanted).sum(-1).min(0).mean()
        ours = np.square(sent(to_palette(wanted)) - wanted).sum(-1).mean()
        rich = np.square(sent(wanted) - wanted).sum(-1).mean()
        assert ours <= 1.15 * nearest
        assert ours < 0.97 * rich


def test_with_256_colours_only_palette_colours_are_sent(mnist: ImagePool) -> None:
    cells = get_renderer("quadrant", colours="256").draw(mnist.images[0], *SMALL).cells
    console = Console(color_system="256", force_terminal=True)
    text = "".join(console._render_buffer(list(line)) for line in cells)
    assert "38;5;" in text
    assert "38;2;" not in text


@pytest.mark.parametrize(
    ("colours", "system", "most"), [("256", ColorSystem.EIGHT_BIT, 7), ("16", ColorSystem.STANDARD, 14)]
)
def test_photographs_in_few_colours_keep_their_colours_where_the_eye_averages(
    colours: str, system: ColorSystem, most: float
) -> None:
    image = np.asarray(photograph(0, 464, 448))
    exact = np.asarray(Image.fromarray(image).resize((58, 56), Image.Resampling.LANCZOS))

    def error(picture: CellPicture, name: str) -> float:
        sent = tuple(tuple(Segment(s.text, _as_sent(s.style, system)) for s in line) for line in picture)
        shown = (exact, shown_by_blocks(sent, name))
        return lab_error(*(np.asarray(Image.fromarray(one).resize((29, 14), Image.Resampling.BOX)) for one in shown))

    dithered = error(get_renderer("blocks", colours=colours).draw(image, 58, 28).cells, "halfblock")
    nearest = error(get_renderer("quadrant", colours=colours).draw(image, 58, 28).cells, "quadrant")
    assert dithered < most
    assert dithered < 0.7 * nearest


def _as_sent(style: Style | None, system: ColorSystem) -> Style:
    """The style in the colours that are written to a terminal of few colours."""
    assert style is not None
    sent = (
        colour and Color.from_triplet(_triplet(colour.downgrade(system))) for colour in (style.color, style.bgcolor)
    )
    fore, back = sent
    return Style(color=fore, bgcolor=back)


def _triplet(colour: Color) -> ColorTriplet:
    assert colour.number is not None
    if colour.type is ColorType.EIGHT_BIT:
        return colour.get_truecolor()
    return ColorTriplet(*COLOURS_OF_16[colour.number].tolist())


def test_digits_in_256_colours_stay_crisp(mnist: ImagePool) -> None:
    digit = get_renderer("blocks", colours="256").draw(mnist.images[7], 28, 14).cells
    assert np.abs(displayed("halfblock", digit) - mnist.images[7, :, :, 0]).max() < 13


# -- Kitty ------------------------------------------------------------------------------------------------------


def image_sent(before: str) -> tuple[dict[str, str], np.ndarray]:
    """The parameters and pixels of a transmission, assembled as a terminal does."""
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", before)
    assert "".join(f"\x1b_G{control};{data}\x1b\\" for control, data in chunks) == before
    assert all(len(data) <= 4096 for _, data in chunks)
    assert all("q=2" in control for control, _ in chunks)
    assert [control.endswith("m=0") for control, _ in chunks] == [False] * (len(chunks) - 1) + [True]
    control = dict(part.split("=") for part in chunks[0][0].split(","))
    assert control["f"] == "100"
    return control, np.asarray(Image.open(BytesIO(b64decode("".join(data for _, data in chunks)))).convert("RGB"))


@pytest.mark.parametrize("colours", ["truecolor", "256"])
def test_kitty_cells_encode_image_row_and_column(mnist: ImagePool, colours: str) -> None:
    renderer = get_renderer("kitty", colours=colours)
    numbers = set()
    for image in mnist.images[:5]:
        drawing = renderer.draw(image, *SMALL)
        control, pixels = image_sent(drawing.before)
        assert (control["a"], control["U"], control["c"], control["r"]) == ("T", "1", "14", "7")
        assert (pixels == image).all()
        assert len(drawing.before) < 1500
        (first, *_), *_ = drawing.cells
        assert first.style is not None
        assert first.style.color is not None
        if colours == "256":
            number = first.style.color.downgrade(ColorSystem.EIGHT_BIT).number
        else:
            red, green, blue = first.style.color.get_truecolor()
            number = red << 16 | green << 8 | blue
        assert int(control["i"]) == number
        assert f"i={number}," in drawing.after
        numbers.add(number)
        for y, line in enumerate(drawing.cells):
            text = "".join(segment.text for segment in line)
            assert text == "".join(PLACEHOLDER + DIACRITICS[y] + DIACRITICS[x] for x in range(14))
    assert len(numbers) == 5


def test_large_images_are_sent_in_chunks_and_no_larger_than_their_cells() -> None:
    image = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    _, pixels = image_sent(get_renderer("kitty", cell=(8, 16)).draw(image, 20, 10).before)
    assert pixels.shape == (160, 160, 3)


def test_a_large_view_takes_at_most_150_kb_and_looks_the_same() -> None:
    """A cell of 112 × 112 pixels gets 112 × 112, a large view as many as go into the bytes."""
    image = np.asarray(photograph(2, 800, 600))
    renderer = get_renderer("kitty", cell=(8, 16))
    _, small = image_sent(renderer.draw(image, 14, 7).before)
    assert small.shape == (112, 112, 3)
    before = renderer.draw(image, 80, 30).before
    _, pixels = image_sent(before)
    assert 100_000 < len(before) < 155_000
    assert min(pixels.shape[:2]) > 150
    wanted, shown = (
        np.asarray(Image.fromarray(one).resize((160, 120), Image.Resampling.BOX)) for one in (image, pixels)
    )
    assert lab_error(wanted, shown) < 4


def test_inside_tmux_images_of_kitty_are_passed_on() -> None:
    image = np.zeros((8, 8, 1), dtype=np.uint8)
    drawing = get_renderer("kitty", passthrough=True).draw(image, 4, 2)
    wrapped = re.fullmatch(r"\x1bPtmux;((?:[^\x1b]|\x1b\x1b)*)\x1b\\", drawing.before)
    assert wrapped is not None
    _, pixels = image_sent(wrapped[1].replace("\x1b\x1b", "\x1b"))
    assert (pixels == 0).all()
    assert drawing.after.startswith("\x1bPtmux;\x1b\x1b_Ga=d")


def test_placeholders_are_never_split() -> None:
    line = Strip(get_renderer("kitty").draw(np.zeros((8, 8, 1), dtype=np.uint8), 6, 3).cells[1])
    assert cell_len(line.text) == 6
    assert line.crop(2, 4).text == "".join(PLACEHOLDER + DIACRITICS[1] + DIACRITICS[x] for x in (2, 3))


def test_the_diacritics_of_the_protocol_are_distinct() -> None:
    assert (DIACRITICS[0], DIACRITICS[1], DIACRITICS[16]) == ("\u0305", "\u030d", "\u035b")
    assert len(set(DIACRITICS)) == len(DIACRITICS) > 256


def test_kitty_needs_more_than_16_colours() -> None:
    with pytest.raises(UsageError, match="256 colours"):
        get_renderer("kitty", colours="16")
    with pytest.raises(UsageError, match="halfblock, quadrant"):
        get_renderer("photo")


# -- the source -------------------------------------------------------------------------------------------------

IMAGE = np.zeros((4, 4, 1), dtype=np.uint8)


def test_a_picture_is_drawn_once_and_sent_when_it_is_first_shown() -> None:
    source = picture_source("kitty")
    source.add(3, 4, 2, source.draw(IMAGE, 4, 2))
    assert source.is_ready(3, 4, 2)
    assert source.pop_escapes() == ""
    cells = source.picture(3, IMAGE, 4, 2)
    assert source.pop_escapes().startswith("\x1b_Ga=T")
    assert source.picture(3, IMAGE, 4, 2) is cells
    assert source.pop_escapes() == ""
    assert source.cleanup_sequence().count("a=d") == 1


def test_the_least_recently_shown_pictures_are_dropped_and_deleted() -> None:
    source = PictureSource(get_renderer("kitty"), capacity=8)
    for index in range(8):
        source.picture(index, IMAGE, 4, 2)
    first = source.picture(0, IMAGE, 4, 2)
    source.pop_escapes()
    source.picture(8, IMAGE, 4, 2)
    assert source.generation == 1
    assert source.picture(0, IMAGE, 4, 2) is first
    assert not source.is_ready(1, 4, 2)
    kinds = [kind for kind, _ in groupby(re.findall(r"a=([dT])", source.pop_escapes()))]
    assert kinds == ["d", "T"]


def test_equal_cells_are_one_segment() -> None:
    assert get_renderer("quadrant").draw(IMAGE, 5, 1).cells == ((Segment("     ", style=BLACK),),)


BLACK = get_renderer("halfblock").draw(IMAGE, 1, 1).cells[0][0].style

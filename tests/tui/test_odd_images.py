"""Images of odd sizes and kinds, in every view and drawn in every way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textual.pilot import Pilot

from tests.helpers.app import running
from tests.helpers.colour import shown_by_blocks
from tests.tui.test_user_images import Live
from tuilabel.render import RENDERERS, get_renderer
from tuilabel.tui.actions import LABEL
from tuilabel.tui.app import LabelApp
from tuilabel.tui.layout import GLYPH_SIZE, ONE

RED, BLUE = (200, 30, 40), (30, 40, 200)
SIZES = {"dot": (1, 1), "panorama": (3200, 300), "thread": (2000, 3), "pole": (3, 2000), "plain": (40, 30)}


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    pixels = np.full((height, width, 3), RED, dtype=np.uint8)
    pixels[:, width // 2 :] = BLUE
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    for name, size in SIZES.items():
        halves(*size).save(folder / f"{name}.png")
    frames = [halves(60, 40), Image.new("RGB", (60, 40), "white"), Image.new("RGB", (60, 40), "black")]
    for kind in ("gif", "webp", "png"):
        frames[0].save(folder / f"moving.{kind}", save_all=True, append_images=frames[1:])
    sideways = Image.Exif()
    sideways[0x0112] = 6
    halves(64, 32).save(folder / "sideways.jpg", exif=sideways)
    halves(50, 40).convert("CMYK").save(folder / "print.jpg")
    Image.fromarray(np.linspace(0, 65535, 48 * 48).astype(np.uint16).reshape(48, 48)).save(folder / "deep.png")
    halves(44, 33).convert("RGBA").save(folder / "clear.png")
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(folder / "empty.png")
    return folder


async def look_at_all(pilot: Pilot[None], app: LabelApp) -> None:
    for _ in range(len(app.label_screen.items)):
        await pilot.press("right")


@pytest.mark.parametrize("images", ["quadrant", "kitty", "sixel"])
async def test_odd_images_are_shown_in_every_view(odd: Path, images: str) -> None:
    app = Live(odd, batch_size=13, images=images).app
    async with running(app) as pilot:
        screen = app.label_screen
        for size in (GLYPH_SIZE, ONE):
            app.state.choose_size(LABEL, size)
            screen.refresh_view()
            await look_at_all(pilot, app)
        screen.show_large(True)
        await look_at_all(pilot, app)
        await pilot.press("ctrl+f")
        for _ in range(len(screen.items)):
            await pilot.press("right", "plus", "shift+right", "minus")
        await pilot.press("escape", "1")
        assert app.session.statistics().labelled == 1


async def test_odd_images_look_as_they_should(odd: Path) -> None:
    """Upright, the first frame, in their colours and proportions."""
    app = Live(odd, batch_size=13).app
    pool = app.session.pool
    shapes, colours = {}, {}
    for index in range(len(pool)):
        name = Path(pool.files.names(index)[0]).stem + Path(pool.files.names(index)[0]).suffix
        width, height = pool.size_of(index)
        shapes[name] = (width, height)
        image = pool.picture(index, 768)
        columns, rows = 58, 28
        picture = shown_by_blocks(get_renderer("halfblock").draw(image, columns, rows).cells, "halfblock")
        colours[name] = picture[28, 5], picture[28, 52], picture[5, 29]
    for name, size in SIZES.items():
        assert shapes[f"{name}.png"] == size
    assert shapes["sideways.jpg"] == (32, 64)
    for name in ("plain.png", "panorama.png", "moving.gif", "moving.webp", "moving.png", "print.jpg", "clear.png"):
        left, right, _ = colours[name]
        assert np.abs(left.astype(int) - RED).max() < 25, name
        assert np.abs(right.astype(int) - BLUE).max() < 25, name
    assert colours["sideways.jpg"][2][0] > 150  # red is above
    assert colours["deep.png"][2].max() < 80
    assert colours["empty.png"][0].min() == 255  # transparency is drawn over white


def test_extreme_proportions_keep_a_cell_in_every_direction() -> None:
    for size in SIZES.values():
        image = np.asarray(halves(*size))
        for name in RENDERERS:
            for columns, rows in ((1, 1), (58, 1), (1, 28), (58, 28)):
                cells = get_renderer(name).draw(image, columns, rows).cells
                assert len(cells) == rows

"""How photographs are shown: large enough to name their class, in the size that the user chose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.pilot import Pilot

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.folders import colour_folder, photograph
from tests.tui.test_user_images import Live
from tuilabel.tui.actions import LABEL
from tuilabel.tui.app import LabelApp
from tuilabel.tui.image_loader import Wanted
from tuilabel.tui.layout import GLYPH_SIZE, ONE
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import NOT_SEEN

TRUECOLOR = Console(color_system="truecolor", force_terminal=True)


@pytest.fixture
def photographs(tmp_path: Path) -> LabelApp:
    return Live(colour_folder(tmp_path / "photos", each=4, size=lambda k: (400 + k, 300))).app


async def seen(pilot: Pilot[None], app: LabelApp) -> None:
    for _ in range(500):
        if app.annotation_screen.seen_at != NOT_SEEN:
            return
        await pilot.pause()
    raise AssertionError("the images were never shown")


def focused(app: LabelApp) -> int:
    return app.label_screen.items[app.label_screen.focused_item]


def per_page(app: LabelApp) -> int:
    return app.label_screen._grid.per_page


async def test_photographs_are_shown_one_at_a_time_above_a_film_strip(photographs: LabelApp) -> None:
    app = photographs
    async with running(app) as pilot:
        await seen(pilot, app)
        screen = app.label_screen
        columns, rows = screen._picture.cells_of(screen._item(focused(app)))
        assert columns >= 56
        assert rows >= 20
        assert screen._grid.current_layout is not None
        assert screen._grid.current_layout.rows == 1
        assert "image 1 of 9" in screen_text(app)
        first = focused(app)
        await pilot.press("1")
        assert app.session.answer_at(first) is not None
        assert "image 2 of 9" in screen_text(app)
        assert "○ blue" in screen_text(app)


async def test_the_file_is_shown_and_the_next_ones_are_drawn_ahead(photographs: LabelApp) -> None:
    app = photographs
    async with running(app) as pilot:
        await seen(pilot, app)
        screen = app.label_screen
        ahead = screen.items[:4]
        for _ in range(500):
            if all(max(app.state.images.image(index).shape) >= 400 for index in ahead):
                break
            await pilot.pause(0.02)
        for index in ahead:
            assert max(app.state.images.image(index).shape) >= 400
            assert app.state.pictures.is_ready(index, *screen._picture.cells_of(screen._item(index)))
        at = screen.seen_at
        await pilot.pause()
        assert screen.seen_at == at, "a sharper picture of the same file still counts as shown"


async def test_a_picture_that_is_not_on_the_screen_is_not_labelled(photographs: LabelApp) -> None:
    app = photographs
    async with running(app) as pilot:
        await seen(pilot, app)
        app.label_screen._picture.seen_at = NOT_SEEN
        app.label_screen.label_focused(0)
        await pilot.pause()
        assert app.session.statistics().labelled == 0
        assert "before the images were shown" in screen_text(app)


async def test_plus_and_minus_change_the_size_and_the_project_remembers_it(photographs: LabelApp) -> None:
    app = photographs
    async with running(app) as pilot:
        await seen(pilot, app)
        await pilot.press("plus")
        assert "cannot be larger" in screen_text(app)
        await pilot.press("minus")
        await seen(pilot, app)
        on_pages = [per_page(app)]
        assert on_pages[0] >= 3
        assert "page 1 of" in screen_text(app)
        await pilot.press("minus")
        await seen(pilot, app)
        on_pages.append(per_page(app))
        assert on_pages[1] > on_pages[0]
        assert app.state.settings["label-size"] in (14, 20, 28)
        await pilot.press("1")
        assert app.session.statistics().labelled == 1
        again = AppState(app.session, settings=dict(app.state.settings))
        assert again.size_on("label") == app.state.size_on("label")
        await pilot.press("plus", "plus")
        assert app.state.settings["label-size"] == "one"


async def test_photographs_of_32_pixels_come_several_to_a_page(tmp_path: Path) -> None:
    app = Live(colour_folder(tmp_path / "small", each=8, size=lambda _: (32, 32))).app
    async with running(app) as pilot:
        await seen(pilot, app)
        layout = app.label_screen._grid.current_layout
        assert layout is not None
        assert 4 <= layout.per_page <= 6
        assert layout.picture_columns >= 26
        assert not app.label_screen._picture.display


async def test_digits_keep_the_grid(make_app: AppMaker) -> None:
    app = make_app(batch_size=20)
    async with running(app) as pilot:
        await seen(pilot, app)
        assert per_page(app) == 20
        assert not app.label_screen._picture.display


async def test_on_a_wide_screen_the_focused_photograph_stands_next_to_the_grid(photographs: LabelApp) -> None:
    app = photographs
    async with running(app, (200, 60)) as pilot:
        await seen(pilot, app)
        screen = app.label_screen
        assert screen._picture.size.width > screen._grid.size.width > 30
        assert per_page(app) >= 9
        before = screen._picture._item
        await pilot.press("right")
        assert screen._picture._item != before


async def test_one_image_fills_the_screen_and_zooming_fills_it_further(tmp_path: Path) -> None:
    app = Live(colour_folder(tmp_path / "wide", each=4, size=lambda k: (900 + k, 200))).app
    async with running(app) as pilot:
        await seen(pilot, app)
        await pilot.press("ctrl+f")
        await seen(pilot, app)
        picture = app.label_screen._large._original
        assert "grocery" not in screen_text(app)
        assert "tuilabel" not in screen_text(app)
        assert picture.size.width == 120
        assert picture.cells_of(app.label_screen._item(focused(app)))[1] < 16
        await pilot.press("plus", "plus")
        await seen(pilot, app)
        assert picture._image is not None
        height, width = picture._image.shape[:2]
        assert width / height < 2.5, "the part that is shown has the proportions of the screen"
        index = focused(app)
        await pilot.press("2")
        assert app.session.answer_at(index) is not None
        await pilot.press("escape")
        assert "tuilabel" in screen_text(app)
        assert not app.label_screen._large.display


@pytest.mark.parametrize("size", [(1, 1), (3200, 300), (2000, 3)])
@pytest.mark.parametrize("screen", [(80, 24), (120, 40), (200, 60)])
async def test_odd_shapes_are_shown_and_labelled(
    tmp_path: Path, size: tuple[int, int], screen: tuple[int, int]
) -> None:
    folder = colour_folder(tmp_path / "odd", each=3, size=lambda k: size if k else (300, 200))
    app = Live(folder).app
    async with running(app, screen) as pilot:
        await seen(pilot, app)
        n = len(app.label_screen.items)
        for _ in range(n):
            await seen(pilot, app)
            await pilot.press("1")
        assert app.session.statistics().labelled == n


async def test_twenty_labels_on_photographs_write_few_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a grid of twenty, the pictures of the next batch included, and one at a time above a film strip."""
    for k in range(44):
        path = tmp_path / "photos" / f"{k}.png"
        path.parent.mkdir(exist_ok=True)
        photograph(k, 200, 150).save(path)
    app = Live(tmp_path / "photos", batch_size=20).app
    written: list[int] = []

    class Counted(app.update_type):  # type: ignore[misc, name-defined]
        def __init__(self, update: ChopsUpdate | LayoutUpdate) -> None:
            super().__init__(update)
            written.append(len(self.render_segments(TRUECOLOR).encode()))  # a driver without a terminal does not

    wanted: list[Wanted] = []
    images, want = app.state.images, app.state.images.want

    def wants(pictures: Sequence[Wanted], later: Sequence[Wanted] = ()) -> None:
        wanted[:] = pictures
        want(pictures, later)

    async def drawn(pilot: Pilot[None]) -> None:
        """Until nothing is written any more, and the thread that loads images has drawn what is wanted."""
        for _ in range(500):
            before = len(written)
            await pilot.pause()
            if len(written) == before and not any(images._is_missing(one) for one in wanted):
                return
        raise AssertionError("pictures go on being drawn")

    app.update_type = Counted
    monkeypatch.setattr(images, "want", wants)
    async with running(app) as pilot:
        await seen(pilot, app)
        app.state.choose_size(LABEL, GLYPH_SIZE)
        app.label_screen.refresh_view()
        await drawn(pilot)
        assert per_page(app) == 20
        written.clear()
        batch = app.session.batch
        for key in "12312312312312312312":
            await pilot.press(key)
            await drawn(pilot)
        assert app.session.batch is not batch
        # 39 kB in the program, where there is not a new model with new figures after every label.
        assert sum(written) < 50_000
        app.state.choose_size(LABEL, ONE)
        app.label_screen.refresh_view()
        await drawn(pilot)
        written.clear()
        for key in "123":
            await pilot.press(key)
            await drawn(pilot)
        assert sum(written) < 3 * 36_000


async def test_the_large_view_names_classes_in_full_at_once(photographs: LabelApp) -> None:
    app = photographs
    async with running(app) as pilot:
        await seen(pilot, app)
        await pilot.press("2", "left", "tab")
        await pilot.pause()
        assert "○ green" in app.label_screen._large.picture.caption

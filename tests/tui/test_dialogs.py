"""Dialogs: they stand at the bottom and leave the image in question visible."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from tests.helpers.app import SIZES, AppMaker, running, screen_text
from tests.helpers.folders import colour_folder
from tests.tui.test_user_images import Live
from tuilabel.tui.app import LabelApp
from tuilabel.tui.screens.dialogs import DialogBox

OPENERS = ("semicolon", "slash", "colon", "ctrl+o")  # note, find a class, classes, settings


def lines_of_the_dialog(app: LabelApp) -> range:
    box = app.screen.query_one(DialogBox).region
    assert box.width == app.size.width
    return range(box.y, box.bottom)


@pytest.mark.parametrize("size", SIZES)
async def test_a_dialog_has_the_last_lines_and_no_focused_image_is_below_it(
    make_app: AppMaker, size: tuple[int, int]
) -> None:
    app = make_app()
    async with running(app, size) as pilot:
        grid = app.label_screen._grid
        for opener, position in product(OPENERS, (0, grid.on_page[-1])):
            app.label_screen._focus(position)
            before = screen_text(app)
            await pilot.press(opener)
            await pilot.pause()
            dialog = lines_of_the_dialog(app)
            assert dialog.stop == size[1]
            assert grid.region.y + grid.focus_end <= dialog.start
            await pilot.press("escape")
            await pilot.pause()
            assert screen_text(app) == before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", [(), ("tab",), ("ctrl+f",)], ids=["page", "large", "alone"])
async def test_a_photograph_stays_whole_above_a_dialog(
    tmp_path: Path, size: tuple[int, int], view: tuple[str, ...]
) -> None:
    app = Live(colour_folder(tmp_path / "photos", each=2, size=lambda k: (300 + k, 400))).app
    async with running(app, size) as pilot:
        await pilot.press(*view)
        await pilot.pause()
        screen = app.label_screen
        picture = screen._large.picture if view else screen._picture
        for opener in OPENERS:
            await pilot.press(opener)
            await pilot.pause()
            dialog = lines_of_the_dialog(app)
            assert picture.region.y + picture.end <= dialog.start
            assert picture.has_room
            assert picture.caption in screen_text(app).splitlines()[picture.region.y + picture.end - 1]
            await pilot.press("escape")
            await pilot.pause()
            assert picture.styles.margin.bottom == 0


async def test_a_dialog_over_another_keeps_the_image_visible(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        grid = app.label_screen._grid
        app.label_screen._focus(grid.on_page[-1])
        await pilot.press("colon", "plus")
        await pilot.pause()
        assert "Name of the new class" in screen_text(app)
        assert grid.region.y + grid.focus_end <= lines_of_the_dialog(app).start
        await pilot.press(*"zebra", "enter")
        await pilot.pause()
        assert "zebra" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert grid.styles.offset.y.value == 0

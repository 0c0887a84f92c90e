"""The settings page changes the screen at once, and what it changes is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.folders import colour_folder
from tests.tui.test_mouse import click_on
from tests.tui.test_user_images import Live
from tuilabel.tui.app import LabelApp
from tuilabel.tui.themes import DARK, LIGHT


async def choose(pilot: Pilot[None], row: int, *keys: str) -> None:
    """Change the setting in a row of the page, which is open."""
    await pilot.press(*["down"] * row, *keys)
    await pilot.pause()


async def test_each_setting_changes_the_screen_at_once_and_is_remembered(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        screen, picture = app.label_screen, screen_text(app).splitlines()[2:10]
        await pilot.press("ctrl+o")
        await pilot.pause()
        assert "Settings" in screen_text(app)
        await choose(pilot, 0, *["right"] * 5)
        assert screen_text(app).splitlines()[2:10] != picture, "ASCII pictures"
        size = app.state.size_on("label")
        await choose(pilot, 1, "right")
        assert app.state.size_on("label") > size
        await choose(pilot, 1, "right")
        assert app.session.blind
        assert " blind " in screen_text(app).splitlines()[0]
        await choose(pilot, 1, "space")
        assert app.theme == LIGHT.name
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is screen
        assert app.state.settings == {"images": "ascii", "label-size": 20, "blind": True, "theme": LIGHT.name}


async def test_the_first_value_follows_the_last(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app, (80, 24)) as pilot:
        await pilot.press("ctrl+o", "left")
        assert app.state.settings == {"images": "ascii"}
        await pilot.press("right")
        assert app.state.images_mode == "auto"
        await pilot.press("up", "left")
        await pilot.pause()
        assert app.theme not in (DARK.name, LIGHT.name)
        assert app.theme in screen_text(app), "there is no room for all themes in one line"


async def test_a_click_chooses_a_value(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("ctrl+o")
        await pilot.pause()
        row = next(n for n, line in enumerate(screen_text(app).splitlines()) if "predictions  " in line)
        await click_on(pilot, app, "hidden", row)
        assert app.session.blind
        await click_on(pilot, app, "light", row + 1)
        assert app.theme == LIGHT.name
        await click_on(pilot, app, "theme", row + 1)
        assert app.theme == LIGHT.name, "the name of a setting is not a value"


async def test_letters_and_digits_change_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("ctrl+o")
        await pilot.pause()
        before = screen_text(app)
        await pilot.press("a", "1", "b", "q")
        assert screen_text(app) == before
        assert app.session.statistics().labelled == 0
        assert app.state.settings == {}


async def test_a_theme_that_is_chosen_elsewhere_is_remembered(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert app.state.settings == {"theme": LIGHT.name}


@pytest.mark.parametrize("keys", [(), ("tab",), ("ctrl+f",)], ids=["strip", "large", "alone"])
async def test_photographs_are_drawn_again_in_every_view(tmp_path: Path, keys: tuple[str, ...]) -> None:
    app: LabelApp = Live(colour_folder(tmp_path / "photos", each=4, size=lambda k: (400 + k, 300))).app
    async with running(app) as pilot:
        await pilot.press(*keys)
        await pilot.pause()

        def lines() -> list[Strip]:
            return app.screen._compositor.render_strips()[3:12]

        await pilot.press("ctrl+o", "right", "right")
        await pilot.pause()
        quadrants = lines()
        await pilot.press("right", "right")
        await pilot.pause()
        assert lines() != quadrants
        await pilot.press("left", "left")
        await pilot.pause()
        assert lines() == quadrants

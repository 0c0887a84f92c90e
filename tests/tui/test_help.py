"""The help speaks of the view in front, and fits a usual terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.containers import VerticalScroll

from tests.helpers.app import AppMaker, running, screen_text
from tests.helpers.folders import colour_folder
from tests.helpers.toy import Toy
from tests.tui.test_user_images import Live
from tuilabel.tui.actions import ACTIONS, actions_of
from tuilabel.tui.screens.help import SHORT, HelpScreen

VIEWS = {
    "The batch": (),
    "One image large": ("tab",),
    "One image on the whole screen": ("ctrl+f",),
    "By class": ("tab", "tab"),
    "Review": ("full_stop",),
    "History": ("comma",),
    "More like this": ("ampersand",),
}


@pytest.mark.parametrize("title", VIEWS)
async def test_the_help_is_about_the_view_in_front_and_needs_no_scrolling(make_app: AppMaker, title: str) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("a", "b", "c", *VIEWS[title])
        await pilot.pause()
        name = app.annotation_screen.NAME
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        text = screen_text(app)
        assert title in text.splitlines()[app.screen.query_one("#help").region.y]
        assert app.screen.query_one("#help", VerticalScroll).max_scroll_y == 0
        for action in actions_of(name):
            assert action.shown_keys.removeprefix("Shift+") in text, action.name


async def test_commands_of_the_view_alone_come_first(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("tab", "tab", "question_mark")
        await pilot.pause()
        headings = [word for word in screen_text(app).split() if word in ("VIEW", "ANSWER", "MOVE", "PROGRAM")]
        text = screen_text(app)
        assert headings[0] == "VIEW", "THIS VIEW"
        assert text.index("Label every unmarked image") < text.index("Move the highlight")


async def test_photographs_one_at_a_time_are_explained(tmp_path: Path) -> None:
    app = Live(colour_folder(tmp_path / "photos", each=4, size=lambda k: (400 + k, 300))).app
    async with running(app) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "film strip" in screen_text(app)


async def test_on_a_small_screen_the_help_scrolls(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app, (80, 24)) as pilot:
        await pilot.press("question_mark", "end")
        await pilot.pause()
        assert "unbiased" in screen_text(app)


def test_short_words_are_of_commands() -> None:
    assert not set(SHORT) - {action.name for action in ACTIONS}

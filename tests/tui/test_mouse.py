"""The mouse does what keys do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widget import Widget

from tests.helpers.app import SIZES, AppMaker, running, screen_text
from tests.helpers.folders import colour_folder
from tests.helpers.toy import Toy
from tests.tui.test_user_images import Live
from tuilabel.tui.app import LabelApp


async def click_on(pilot: Pilot[None], app: LabelApp, text: str, line: int = -1) -> None:
    """Click on a text in a line of the screen."""
    column = screen_text(app).splitlines()[line].index(text)
    await pilot.click(offset=(column, line % app.size.height))
    await pilot.pause()


async def turn_wheel(pilot: Pilot[None], widget: Widget, kind: type[events.MouseEvent]) -> None:
    """Turn the wheel over a widget, some time after the turn before."""
    app = pilot.app
    assert isinstance(app, LabelApp)
    app.annotation_screen._wheel_turned = 0.0
    x, y = widget.region.center
    event = kind(
        widget, int(x) - widget.region.x, int(y) - widget.region.y, 0, 0, 0, False, False, False, int(x), int(y)
    )
    widget.post_message(event)
    await pilot.pause()


async def test_a_click_on_an_entry_of_the_footer_runs_it(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        await click_on(pilot, app, "skip")
        assert app.session.statistics().skipped == 1
        await click_on(pilot, app, "⌫")
        assert app.session.statistics().skipped == 0
        await click_on(pilot, app, "help")
        assert "PgDn" in screen_text(app)
        await pilot.press("x")
        await click_on(pilot, app, "review")
        assert "review" in screen_text(app).splitlines()[0]


@pytest.mark.parametrize("size", SIZES)
async def test_a_click_on_a_class_labels_the_focused_image(make_app: AppMaker, size: tuple[int, int]) -> None:
    app = make_app()
    async with running(app, size) as pilot:
        index, panel = app.label_screen.items[0], app.label_screen._panel.region
        lines = [line[panel.x :] for line in screen_text(app).splitlines()]
        row = next(n for n, line in enumerate(lines) if re.search(r"\bb +0 ", line))
        await pilot.click(offset=(panel.x + lines[row].index("b "), row))
        await pilot.pause()
        event = app.session.answer_at(index)
        assert event is not None
        assert event.class_name == "b"


async def test_a_click_on_a_class_of_the_large_view_labels_its_image(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        index = app.label_screen.items[0]
        await pilot.press("tab")
        await pilot.pause()
        await pilot.click("#probabilities", offset=(2, 3))
        await pilot.pause()
        event = app.session.answer_at(index)
        assert event is not None
        assert event.class_name == "c"
        await pilot.click("#probabilities", offset=(2, 5))
        await pilot.pause()
        assert app.session.statistics().labelled == 1, "there is no class"


async def test_a_click_between_or_beside_entries_does_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app, (200, 60)) as pilot:
        before = screen_text(app)
        await pilot.click(offset=(199, 59))
        await pilot.click(offset=(50, 0))
        await click_on(pilot, app, "label")
        assert screen_text(app) == before


async def test_the_wheel_turns_pages(make_app: AppMaker, toy: Toy) -> None:
    app = make_app()
    async with running(app, (80, 24)) as pilot:
        grid = app.label_screen._grid
        assert "page 1 of" in screen_text(app)
        await turn_wheel(pilot, grid, events.MouseScrollDown)
        assert "page 2 of" in screen_text(app)
        await turn_wheel(pilot, grid, events.MouseScrollUp)
        assert "page 1 of" in screen_text(app)
        await turn_wheel(pilot, grid, events.MouseScrollUp)
        assert "page 1 of" in screen_text(app)


async def test_the_wheel_moves_along_the_film_strip_and_zooms_the_large_image(tmp_path: Path) -> None:
    app = Live(colour_folder(tmp_path / "photos", each=4, size=lambda k: (400 + k, 300))).app
    async with running(app) as pilot:
        screen = app.label_screen
        await turn_wheel(pilot, screen._picture, events.MouseScrollDown)
        assert screen.focused_item == 1
        await pilot.press("tab")
        await pilot.pause()
        await turn_wheel(pilot, screen._large.picture, events.MouseScrollUp)
        assert screen._large._zoom == 1
        assert screen.focused_item == 1
        await turn_wheel(pilot, screen._large.picture, events.MouseScrollDown)
        assert screen._large._zoom == 0


async def test_a_double_click_shows_an_image_large_and_goes_back(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        screen, layout = app.label_screen, app.label_screen._grid.current_layout
        assert layout is not None
        await pilot.click("#grid", offset=(layout.cell_width + 3, 2), times=2)
        await pilot.pause()
        assert screen.focused_item == 1
        assert screen._large_on
        await pilot.click("#original", offset=(5, 5), times=2)
        await pilot.pause()
        assert not screen._large_on


async def test_moving_the_mouse_changes_nothing(make_app: AppMaker) -> None:
    app = make_app()
    async with running(app) as pilot:
        before = screen_text(app)
        for offset in ((5, 5), (20, 10), (100, 10), (10, 39), (10, 0)):
            await pilot.hover(offset=offset)
        assert not app.screen._compositor._dirty_regions
        assert screen_text(app) == before

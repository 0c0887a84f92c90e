"""The answer to a key is written past Textual's compositor, and shows what the compositor would show."""

from __future__ import annotations

import pyte
import pytest
from rich.console import Console
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.widgets import Static

from tests.helpers.app import AppMaker, running
from tuilabel.tui._textual_internals import Lines, ScreenUpdate
from tuilabel.tui.app import LabelApp
from tuilabel.tui.output import Shown, sparse_update

COLUMNS, ROWS = 120, 40
CONSOLE = Console(color_system="truecolor", force_terminal=True)


class Watched:
    """A terminal that gets what an app writes, and by which way."""

    def __init__(self, app: LabelApp) -> None:
        self._app = app
        self.terminal = pyte.Screen(COLUMNS, ROWS)
        self.kinds: list[type] = []
        stream, watched = pyte.Stream(self.terminal), self

        class Update(app.update_type):  # type: ignore[misc, name-defined]
            def __init__(self, update: ChopsUpdate | LayoutUpdate | Lines) -> None:
                super().__init__(update)
                watched.kinds.append(type(update))
                stream.feed(self.render_segments(CONSOLE))

        app.update_type = Update

    def check(self) -> None:
        """Compare with the whole screen as Textual composes it."""
        reference = pyte.Screen(COLUMNS, ROWS)
        whole: ScreenUpdate = sparse_update(Shown(), self._app.state.pictures)(
            self._app.screen._compositor.render_full_update()
        )
        pyte.Stream(reference).feed(whole.render_segments(CONSOLE))
        for y in range(ROWS):
            for x in range(COLUMNS):
                cell, wanted = self.terminal.buffer[y][x], reference.buffer[y][x]
                assert (cell.data, cell.bg, cell.bold) == (wanted.data, wanted.bg, wanted.bold), (x, y)
                assert cell.data == " " or cell.fg == wanted.fg, (x, y)


@pytest.mark.parametrize("large", [False, True], ids=["grid", "large"])
async def test_answers_show_what_textual_would_show(make_app: AppMaker, large: bool) -> None:
    app = make_app()
    watched = Watched(app)
    async with running(app, (COLUMNS, ROWS)) as pilot:
        await pilot.pause()
        for _ in range(6 if large else 0):
            await pilot.press("+")
        await pilot.pause()
        for key in ("a", "b", "right", "space", "a", "u", "w", "tab", "a", "tab", "b"):
            await pilot.press(key)
            await pilot.pause()
            watched.check()
    assert watched.kinds.count(Lines) >= 5


async def test_nothing_is_written_over_what_lies_above_it(make_app: AppMaker) -> None:
    app = make_app()
    watched = Watched(app)
    async with running(app, (COLUMNS, ROWS)) as pilot:
        await pilot.pause()
        above = Static("above all others")
        above.styles.layer = "above"
        app.screen.styles.layers = ("default", "above")  # type: ignore[assignment]
        above.styles.offset = (3, 4)
        above.styles.width, above.styles.height = 20, 3
        await app.screen.mount(above)
        await pilot.pause()
        for key in ("a", "b", "right"):
            await pilot.press(key)
            await pilot.pause()
            watched.check()
        assert "above all others" in "\n".join(watched.terminal.display)

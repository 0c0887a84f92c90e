"""Images drawn by the terminal itself are always there when their cells are shown."""

from __future__ import annotations

import re

from tests.helpers.app import running
from tests.helpers.sessions import SessionMaker
from tests.helpers.toy import Toy
from tuilabel.render import PictureSource, get_renderer
from tuilabel.render.kitty import PLACEHOLDER
from tuilabel.tui.app import LabelApp
from tuilabel.tui.mailbox import Mailbox
from tuilabel.tui.state import AppState


def numbers_on_the_screen(app: LabelApp) -> set[int]:
    found = set()
    for strip in app.screen._compositor.render_strips():
        for text, style, _ in strip:
            if PLACEHOLDER in text:
                assert style is not None
                assert style.color is not None
                red, green, blue = style.color.get_truecolor()
                found.add(red << 16 | green << 8 | blue)
    return found


async def test_images_on_the_screen_stay_in_the_terminal(toy: Toy, make_session: SessionMaker) -> None:
    """Each answer draws the next batch ahead, so that a small store is soon full."""
    source = PictureSource(get_renderer("kitty"), capacity=14)
    app = LabelApp(AppState(make_session(toy), pictures=source), Mailbox())
    here: set[int] = set()
    async with running(app) as pilot:
        for _ in range(35):
            for action, number in re.findall(r"\x1b_Ga=([Td])[^;\x1b]*?i=(\d+)", source.pop_escapes()):
                (here.add if action == "T" else here.discard)(int(number))
            shown = numbers_on_the_screen(app)
            assert len(shown) == 10
            assert shown <= here
            batch = app.session.batch
            assert batch is not None
            await pilot.press("abc"[toy.truth(batch.items[app.label_screen.focused_item].index)])
            await pilot.pause()
    assert source.generation > 2

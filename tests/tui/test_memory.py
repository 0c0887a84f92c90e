"""A session of a day opens and closes its screens many times: nothing of them stays in memory."""

from __future__ import annotations

import gc
import weakref

from tests.helpers.app import AppMaker, running


async def test_closed_screens_leave_memory(make_app: AppMaker) -> None:
    closed: weakref.WeakSet[object] = weakref.WeakSet()
    app = make_app()
    async with running(app) as pilot:
        for key in ("equals_sign", "comma", "question_mark"):  # charts, history, help
            await pilot.press(key)
            await pilot.pause()
            assert len(app.screen_stack) == 2
            closed |= {app.screen, *app.screen.query("*")}
            closed |= {widget._styles_cache for widget in app.screen.query("*")}  # their lines, as they were drawn
            await pilot.press("escape")
            await pilot.pause()
        gc.collect()
        assert not len(closed), sorted({type(one).__name__ for one in closed})

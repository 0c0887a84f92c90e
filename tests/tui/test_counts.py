"""The bytes that the screen writes: what a slow line waits for. Other counts: tests/integration/test_counts.py."""

from __future__ import annotations

from rich.console import Console
from textual._compositor import ChopsUpdate, LayoutUpdate

from tests.helpers.app import AppMaker, running
from tests.helpers.counts import check_count


async def test_bytes_of_a_key_and_of_a_page(make_app: AppMaker) -> None:
    app, console = make_app(), Console(color_system="truecolor", force_terminal=True)
    written: list[int] = []

    class Counted(app.update_type):  # type: ignore[misc, name-defined]
        def __init__(self, update: ChopsUpdate | LayoutUpdate) -> None:
            super().__init__(update)
            written.append(len(self.render_segments(console).encode()))

    app.update_type = Counted
    async with running(app) as pilot:
        await pilot.pause()
        check_count("bytes of the first screen", sum(written), 76_000)
        written.clear()
        await pilot.press("a")
        await pilot.pause()
        check_count("bytes of a label key", sum(written), 520)
        written.clear()
        n = len(app.label_screen.items)
        for _ in range(n - 1):
            await pilot.press("a")
        await pilot.pause()
        check_count("bytes of a page of labels and the next page", sum(written), 65_000)

"""`python -m tests.screens [OUT [VIEW …]]`: pictures of every screen, at three sizes, dark and light.

Writes to OUT, by default docs/screens/. On MNIST, and on photographs of groceries where `$TUILABEL_DATA` has them.
Needs Debian's fonts-dejavu-core and the shipped VAE.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tests.screens.paint import app_picture
from tests.screens.sessions import digits, photographs, photographs_at
from tuilabel.session import LabellingSession
from tuilabel.tui.app import LabelApp
from tuilabel.tui.mailbox import Mailbox
from tuilabel.tui.state import AppState
from tuilabel.tui.themes import DARK, LIGHT

SIZES = ((80, 24), (120, 40), (200, 60))

Act = Callable[[Pilot[None]], Awaitable[None]]
View = tuple[dict[str, Any], Act]
"""What is remembered of the screen, and what is pressed."""


def _keys(*keys: str) -> Act:
    async def press(pilot: Pilot[None]) -> None:
        await pilot.press(*keys)
        await pilot.pause(0.3)

    return press


OF_DIGITS = {
    "label": _keys(),
    "large": _keys("tab"),
    "by-class": _keys("tab", "tab", "right_square_bracket", "right_square_bracket", "right_square_bracket"),
    "review": _keys("full_stop"),
    "history": _keys("comma"),
    "figures": _keys("equals_sign"),
    "classes": _keys("colon"),
    "find-class": _keys("slash"),
    "note": _keys("semicolon"),
    "help": _keys("question_mark"),
}

OF_PHOTOGRAPHS: dict[str, View] = {
    "strip": ({}, _keys("right", "right")),
    "grid": ({"label-size": 28}, _keys()),
    "selection": ({"label-size": 20}, _keys("right", "shift+right", "shift+right")),
    "settings": ({}, _keys("right", "right", "ctrl+o")),
    "reference": ({}, _keys("number_sign")),
    "zoom": ({}, _keys("right", "right", "tab")),
}


async def _save(
    name: str, state: AppState, act: Act, size: tuple[int, int], theme: str, out: Path, *, wait: float, colours: int
) -> None:
    app = LabelApp(state, Mailbox(), theme=theme)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(wait)
        await act(pilot)
        await pilot.pause(wait)
        kind = "dark" if theme == DARK.name else "light"
        app_picture(app).quantize(colours).save(out / f"{name}-{size[0]}x{size[1]}-{kind}.png", optimize=True)


def _save_all(session: LabellingSession, views: dict[str, View], out: Path, *, wait: float, colours: int) -> None:
    for name, (settings, act) in views.items():
        for size in SIZES:
            for theme in (DARK.name, LIGHT.name):
                state = AppState(session, settings=dict(settings))
                asyncio.run(_save(name, state, act, size, theme, out, wait=wait, colours=colours))


def main() -> None:
    """Write every picture."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screens")
    out.mkdir(parents=True, exist_ok=True)
    chosen, archive = sys.argv[2:], photographs_at()
    on_digits: dict[str, View] = {name: ({}, act) for name, act in OF_DIGITS.items() if not chosen or name in chosen}
    on_photographs = {f"photographs-{name}": view for name, view in OF_PHOTOGRAPHS.items()}
    on_photographs = {name: view for name, view in on_photographs.items() if not chosen or name in chosen}
    if archive is not None and on_photographs:
        _save_all(photographs(archive), on_photographs, out, wait=1.0, colours=256)  # files take a moment to load
    if on_digits:
        _save_all(digits(), on_digits, out, wait=0.0, colours=64)


if __name__ == "__main__":
    main()

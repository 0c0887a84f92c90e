"""Fewer bytes to the terminal than Textual's own partial updates."""

from __future__ import annotations

from functools import lru_cache

from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate

RESET = "\x1b[0m"


class SparseUpdate(CompositorUpdate):
    """A partial update that writes the changed spans and nothing beside them.

    Textual's own cuts a span's strip on the right only and so writes everything from the widget's left edge on, and it
    names the colours anew for every segment. Over a grid of images that is several times what has changed.
    """

    def __init__(self, update: ChopsUpdate) -> None:
        self._update = update

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._update.__rich_console__(console, options)

    def render_segments(self, console: Console) -> str:
        """The update as escape sequences."""
        update, written, current = self._update, [], ""
        colours = None if console.color_system is None else console._color_system
        for y, x1, x2 in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                left, right = max(x, x1), min(end, x2)
                if strip is None or left >= right:
                    continue
                written.append(Control.move_to(left, y).segment.text)
                for text, style, _ in strip.crop(left - x, right - x):
                    start = _start(style, colours)
                    if text and start != current:
                        written.append(f"\x1b[0;{start[2:]}" if start else RESET)
                        current = start
                    written.append(text)
        return "".join(written) + (RESET if current else "")


@lru_cache(maxsize=4096)
def _start(style: Style | None, colours: ColorSystem | None) -> str:
    """The escape sequence that switches `style` on."""
    return "" if style is None else style.render("\0", color_system=colours).partition("\0")[0]

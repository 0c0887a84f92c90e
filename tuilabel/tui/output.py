"""Fewer bytes to the terminal than Textual's own partial updates."""

from __future__ import annotations

from functools import lru_cache

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.control import Control
from rich.style import Style

from tuilabel.tui._textual_internals import PartialUpdate

RESET = "\x1b[0m"


class SparseUpdate(PartialUpdate):
    """A partial update that writes the changed spans and nothing else.

    Textual's own cuts a span's strip on the right only, so it writes everything from the widget's left edge on, and it
    repeats the colours for every segment. Over a grid of images that is several times what has changed.
    """

    def render_segments(self, console: Console) -> str:
        """The update as escape sequences."""
        written, current = [], ""
        colours = None if console.color_system is None else COLOR_SYSTEMS[console.color_system]
        for x, y, cells in self.changes():
            written.append(Control.move_to(x, y).segment.text)
            for text, style, _ in cells:
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

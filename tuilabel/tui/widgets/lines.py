"""One line of styled text, repainted piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from tuilabel.tui.widgets.painted import PaintedWidget

Pieces = Sequence[tuple[str, str]]
"""(text, style) pairs; see `TextLine.STYLES`."""


class TextLine(PaintedWidget):
    """A line of styled text; what does not fit is cut on the right."""

    STYLES = ("text", "dim", "strong", "key", "warn", "error")
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{style}" for style in STYLES}

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._pieces: Pieces = ()

    @property
    def text(self) -> str:
        """The text of the line."""
        return "".join(text for text, _ in self._pieces)

    def set_text(self, *pieces: tuple[str, str]) -> None:
        """Show `pieces` from now on."""
        self._pieces = pieces
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.call_later(self._draw)

    def _draw(self) -> None:
        width = self.size.width
        if width < 2:
            return
        segments, used = [Segment(" ", self.plain)], 1
        for text, style in self._pieces:
            if used + cell_len(text) > width:
                text = set_cell_size(text, max(0, width - used - 1)) + "…" if width - used > 1 else ""
            segments.append(Segment(text, self.component_style(f"line--{style}")))
            used += cell_len(text)
            if used >= width:
                break
        segments.append(Segment(" " * (width - used), self.plain))
        self.paint([Strip(segments, width)])

"""One line of styled text, repainted piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from tuilabel.tui.chips import Chip, fitting
from tuilabel.tui.widgets.painted import PaintedWidget

Pieces = Sequence[tuple[str, str]]
"""(text, style) pairs; see `TextLine.STYLES`."""


class TextLine(PaintedWidget):
    """A line of styled text, with chips at its right end; text that does not fit is cut on the right."""

    STYLES = ("text", "dim", "strong", "key", "warn", "error", "chip", "chip-on", "chip-error", "choice")
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{style}" for style in STYLES}

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._pieces: Pieces = ()
        self._chips: Sequence[Chip] = ()

    class KeyClicked(Message):
        """A key was clicked, or the word after it."""

        def __init__(self, key: str, time: float) -> None:
            super().__init__()
            self.key = key
            """As it is shown."""
            self.clicked_at = time
            """A monotonic time in seconds."""

    @property
    def text(self) -> str:
        """The text of the line, without chips."""
        return "".join(text for text, _ in self._pieces)

    def set_text(self, *pieces: tuple[str, str], chips: Sequence[Chip] = ()) -> None:
        """Show `pieces` from now on, and chips at the right end."""
        self._pieces, self._chips = pieces, chips
        self._draw()

    def piece_at(self, x: int) -> int | None:
        """Position of the piece in a column of the line."""
        end = 1
        for position, (text, _) in enumerate(self._pieces):
            end += cell_len(text)
            if x < end:
                return position
        return None

    def on_click(self, event: events.Click) -> None:
        """Say which key was clicked, or the word after it."""
        clicked = self.piece_at(int(event.x))
        if clicked is None:
            return
        key = next((text for text, style in reversed(self._pieces[: clicked + 1]) if style == "key"), None)
        if key is not None:
            self.post_message(self.KeyClicked(key, event.time))

    def on_resize(self, _: events.Resize) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.call_later(self._draw)

    def _draw(self) -> None:
        width = self.size.width
        if width < 2:
            return
        chips = fitting(self._chips, width, 1 + cell_len(self.text))
        room = width - sum(chip.width for chip in chips)
        segments, used = [Segment(" ", self.plain)], 1
        for text, style in self._pieces:
            if used + cell_len(text) > room:
                text = set_cell_size(text, max(0, room - used - 1)) + "…" if room - used > 1 else ""
            segments.append(Segment(text, self.component_style(f"line--{style}")))
            used += cell_len(text)
            if used >= room:
                break
        segments.append(Segment(" " * (room - used), self.plain))
        for chip in chips:
            segments += [
                Segment(" ", self.plain),
                Segment(f" {chip.text} ", self.component_style(f"line--{chip.style}")),
            ]
        self.paint([Strip(segments, width)])

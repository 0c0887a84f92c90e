"""The side panel: all live statistics."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from tuilabel.session import Belief, Statistics
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.painted import PaintedWidget
from tuilabel.tui.widgets.panel.layout import panel_lines
from tuilabel.tui.widgets.panel.line import Line
from tuilabel.tui.widgets.probabilities import ClassClicked


class StatisticsPanel(PaintedWidget):
    """Shows the statistics of a session; repaints only what changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"panel--{style}"
        for style in ("text", "dim", "strong", "key", "good", "warn", "bad", "chart", "band", "mark", "title", "border")
    }

    def __init__(self, state: AppState, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._state = state
        self._statistics: Statistics | None = None
        self._belief: Belief | None = None
        self._with_belief = False
        self._strips: dict[tuple[object, ...], Strip] = {}
        self._shown: list[Line] = []

    def show(self, statistics: Statistics, belief: Belief | None = None, *, with_belief: bool = False) -> None:
        """Show `statistics` from now on; the other parameters are those of `panel_lines`."""
        self._statistics, self._belief, self._with_belief = statistics, belief, with_belief
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if width < 4 or height < 1 or self._statistics is None:
            return
        classes, keys = self._state.session.classes, self._state.keys
        self._shown = panel_lines(
            self._statistics, classes, keys, width, height, self._belief, with_belief=self._with_belief
        )
        self._strips = {(width, *line): self._strip(line, width) for line in self._shown}
        strips = [self._strips[width, *line] for line in self._shown]
        blank = Strip.blank(width, self.plain)
        self.paint((strips + [blank] * height)[:height])

    def _strip(self, line: Line, width: int) -> Strip:
        """The line as a strip, that of the last drawing if it is the same: most lines are after a key."""
        known = self._strips.get((width, *line))
        if known is not None:
            return known
        segments, used = [], 0
        for text, style in line:
            text = set_cell_size(text, min(cell_len(text), width - used))
            used += cell_len(text)
            segments.append(Segment(text, self.component_style(f"panel--{style.partition('@')[0]}")))
        segments.append(Segment(" " * (width - used), self.plain))
        return Strip(segments, width)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = {}
        self.call_later(self._draw)

    def on_resize(self, _: events.Resize) -> None:
        self._draw()

    def on_click(self, event: events.Click) -> None:
        """Say which class was clicked: its key, or what follows it in the line."""
        class_pos, end = "", 0
        for text, style in self._shown[int(event.y)] if event.y < len(self._shown) else []:
            end += cell_len(text)
            class_pos = style.partition("@")[2] or class_pos
            if event.x < end:
                break
        if class_pos:
            self.post_message(ClassClicked(int(class_pos), event.time))

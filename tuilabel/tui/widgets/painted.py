"""A widget that shows prepared lines and repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region
from textual.strip import Strip

from tuilabel.tui._textual_internals import LinesWidget


class PaintedWidget(LinesWidget):
    """Shows the strips it is given. New strips are compared with the old ones, and only lines that differ are painted.

    A label key changes a few captions and figures among thousands of coloured cells. Which cells of a line they are is
    found when it is written (`tuilabel.tui.output`).
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: list[Strip] = []
        self._styles_by_name: dict[str, Style] = {}

    @property
    def plain(self) -> Style:
        """The style of the widget itself, cached for the same reason."""
        if "" not in self._styles_by_name:
            self._styles_by_name[""] = self.rich_style
        return self._styles_by_name[""]

    def component_style(self, name: str) -> Style:
        """The style of the component class `name`, cached: every key needs dozens of them."""
        if name not in self._styles_by_name:
            self._styles_by_name[name] = self.get_component_rich_style(name)
        return self._styles_by_name[name]

    def notify_style_update(self) -> None:
        """Textual calls this when the styles have changed."""
        super().notify_style_update()
        self._styles_by_name = {}

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without the filter that replaces the 16 ANSI colours: no line here has any, and it looks at every cell."""
        return [one for one in super().get_line_filters() if not isinstance(one, ANSIToTruecolor)]

    def paint(self, lines: Sequence[Strip], *, full: bool = False) -> None:
        """Show `lines` from now on, each as wide as the widget; `full` if nearly all of them have changed."""
        old, self._lines = self._lines, list(lines)
        if full or len(old) != len(self._lines):
            self.pending = True
            self.refresh()
            return
        regions = [
            Region(0, y, self.size.width, 1)
            for y, (before, after) in enumerate(zip(old, self._lines, strict=True))
            if before is not after and before != after
        ]
        if regions:
            self.pending = True
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """The strip of line `y`, as wide as the widget."""
        self.pending = False
        width = self.size.width
        if y < len(self._lines):
            return self._lines[y].adjust_cell_length(width, self.plain)
        return Strip.blank(width, self.plain)

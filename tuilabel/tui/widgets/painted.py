"""A widget made of ready lines that repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget


class PaintedWidget(Widget):
    """Shows the strips it is given; a new set is compared with the old, and only the difference is painted.

    Over a slow line every byte counts: a label key changes a few captions and figures among thousands of
    coloured cells, and nothing else may be sent again.
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: list[Strip] = []

    def paint(self, lines: Sequence[Strip]) -> None:
        """Show `lines` from now on, each as wide as the widget."""
        old, self._lines = self._lines, list(lines)
        if len(old) != len(self._lines):
            self.refresh()
            return
        regions = [
            Region(start, y, end - start, 1)
            for y, (before, after) in enumerate(zip(old, self._lines, strict=True))
            if before is not after
            for start, end in changed_spans(before, after)
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """The strip of line `y`, in the widget's width."""
        width = self.size.width
        if y < len(self._lines):
            return self._lines[y].adjust_cell_length(width, self.rich_style)
        return Strip.blank(width, self.rich_style)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as there is room."""
        return container.width


def changed_spans(before: Strip, after: Strip) -> list[tuple[int, int]]:
    """The spans (start, end) of cells of `after` that differ from `before`, in whole segments of `after`."""
    old = {start: segment for start, _, segment in _placed(before)}
    spans: list[tuple[int, int]] = []
    for start, end, segment in _placed(after):
        if old.get(start) == segment:
            continue
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    if before.cell_length > after.cell_length:
        spans.append((after.cell_length, before.cell_length))
    return spans


def _placed(strip: Strip) -> list[tuple[int, int, Segment]]:
    placed, x = [], 0
    for segment in strip:
        end = x + segment.cell_length
        placed.append((x, end, segment))
        x = end
    return placed

"""Curves over a pair of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip

from tuilabel.render.line_chart import Curve, line_chart
from tuilabel.tui.widgets.painted import PaintedWidget


class LinePlot(PaintedWidget):
    """Shows curves, each in the style "front", "back" or "mark"; where curves meet, the last one is in front."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"plot--front", "plot--back", "plot--mark", "plot--axis"}

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._curves: Sequence[tuple[Curve, str]] = ()
        self._x_limits, self._y_limits = (0.0, 1.0), (0.0, 1.0)
        self._unit = ""

    def show(
        self,
        curves: Sequence[tuple[Curve, str]],
        *,
        x_limits: tuple[float, float],
        y_limits: tuple[float, float],
        unit: str = "",
    ) -> None:
        """Show (curve, style) pairs from now on."""
        self._curves, self._x_limits, self._y_limits, self._unit = curves, x_limits, y_limits, unit
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.call_later(self._draw)

    def _draw(self) -> None:
        if not self._curves:
            return
        width, height = self.size
        curves = [curve for curve, _ in self._curves]
        lines = line_chart(curves, width, height, x_limits=self._x_limits, y_limits=self._y_limits, unit=self._unit)
        strips = [Strip([Segment(text, self._style_of(k)) for text, k in line]) for line in lines]
        self.paint([strip.adjust_cell_length(width, self.plain) for strip in strips])

    def _style_of(self, curve: int | None) -> Style:
        return self.component_style("plot--axis" if curve is None else f"plot--{self._curves[curve][1]}")

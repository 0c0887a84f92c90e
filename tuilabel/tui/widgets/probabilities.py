"""Class probabilities as bars."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from tuilabel.tui.widgets.charts import bar
from tuilabel.tui.widgets.painted import PaintedWidget


class ProbabilityBars(PaintedWidget):
    """The class probabilities of one image, highest first, as many as fit."""

    COMPONENT_CLASSES = {"probabilities--title", "probabilities--name", "probabilities--bar", "probabilities--dim"}  # noqa: RUF012

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: list[tuple[str, float]] | None = None
        self._instead = ""

    def show(self, rows: Sequence[tuple[str, float]]) -> None:
        """Show names with their probabilities."""
        self._rows = sorted(rows, key=lambda row: -row[1])
        self._draw()

    def show_text(self, text: str) -> None:
        """Show a text in place of probabilities."""
        self._rows, self._instead = None, text
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.call_later(self._draw)

    def _draw(self) -> None:
        width, height = self.size
        if width < 8 or height < 1:
            return
        lines = [self._line(("MODEL".ljust(width), "title"))]
        if self._rows is None:
            lines.append(self._line((set_cell_size(self._instead, width), "dim")))
        else:
            shown = self._rows[: height - 1]
            room = min(max((cell_len(name) for name, _ in shown), default=0), width // 2)
            for name, probability in shown:
                figure = f" {100 * probability:3.0f}% "
                rest = width - room - len(figure)
                lines.append(
                    self._line((set_cell_size(name, room), "name"), (figure, "dim"), (bar(probability, rest), "bar"))
                )
        blank = Strip.blank(width, self.plain)
        self.paint((lines + [blank] * height)[:height])

    def _line(self, *pieces: tuple[str, str]) -> Strip:
        return Strip([Segment(text, self.component_style(f"probabilities--{style}")) for text, style in pieces])

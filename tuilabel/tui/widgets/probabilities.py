"""The classes with their keys, and what the model believes of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from tuilabel.estimate import confidence_text
from tuilabel.tui.keys import shown_keys
from tuilabel.tui.names import cut, longest, short_names
from tuilabel.tui.widgets.charts import bar
from tuilabel.tui.widgets.painted import PaintedWidget

FIGURE = 8  # columns of a probability with the mark of the class that Enter writes


@dataclass(frozen=True)
class ClassBeliefs:
    """What to show.

    Attributes
    ----------
    names, keys : of each class; `tuilabel.tui.keys.class_keys` has the keys.
    chances : class position → probability, of the classes for which it is known.
    enter : position of the class that Enter writes, if it writes one.
    note : why there are no probabilities.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    chances: dict[int, float]
    enter: int | None = None
    note: str = ""


class ClassClicked(Message):
    """A class was clicked, at a monotonic time in seconds."""

    def __init__(self, class_pos: int, clicked_at: float) -> None:
        super().__init__()
        self.class_pos, self.clicked_at = class_pos, clicked_at


class ProbabilityBars(PaintedWidget):
    """The classes with their keys, the most believed first, as many as fit."""

    COMPONENT_CLASSES = {  # noqa: RUF012
        f"probabilities--{style}" for style in ("title", "key", "name", "enter", "bar", "dim")
    }

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._beliefs = ClassBeliefs((), (), {})

    def show(self, beliefs: ClassBeliefs) -> None:
        """Show these from now on."""
        self._beliefs = beliefs
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
        lines = [self._line(pieces, width) for pieces in belief_lines(self._beliefs, width, height)]
        blank = Strip.blank(width, self.plain)
        self.paint((lines + [blank] * height)[:height])

    def on_click(self, event: events.Click) -> None:
        """Say which class was clicked."""
        shown = listed(self._beliefs, self.size.height)
        if 1 <= event.y <= len(shown):
            self.post_message(ClassClicked(shown[int(event.y) - 1], event.time))

    def _line(self, pieces: Sequence[tuple[str, str]], width: int) -> Strip:
        segments = [Segment(text, self.component_style(f"probabilities--{style}")) for text, style in pieces]
        return Strip(segments).adjust_cell_length(width, self.plain)


def listed(beliefs: ClassBeliefs, height: int) -> list[int]:
    """Positions of the classes that are listed in `height` lines with a title, the most believed first."""
    order = sorted(range(len(beliefs.names)), key=lambda c: (-beliefs.chances.get(c, 0.0), c))
    return order if len(order) < height else order[: max(0, height - 2)]


def belief_lines(beliefs: ClassBeliefs, width: int, height: int) -> list[list[tuple[str, str]]]:
    """The list in `width` × `height` characters, as (text, style) pairs; the styles are those of `ProbabilityBars`."""
    note = f"  {beliefs.note}" if beliefs.note else ""
    lines = [[("MODEL", "title"), (cut(note, max(0, width - 5)), "dim")]]
    chances, shown = beliefs.chances, listed(beliefs, height)
    keys = shown_keys(beliefs.keys)
    rest = width - (len(keys[0]) if keys else 0) - FIGURE - 1
    room_for_names = max(3, min(longest(beliefs.names), rest if rest < 16 else rest * 2 // 3))
    if beliefs.keys == beliefs.names:
        room_for_names = 0
    names = short_names(beliefs.names, room_for_names)
    for c in shown:
        style = "enter" if c == beliefs.enter else "name"
        figure = f"{confidence_text(chances[c]):>5}" if c in chances else "     "
        line = [
            (keys[c], "key"),
            (f" {set_cell_size(names[c], room_for_names)}", style),
            (" ⏎" if c == beliefs.enter else "  ", "enter"),
            (f"{figure} ", "dim"),
        ]
        left = width - sum(cell_len(text) for text, _ in line)
        if left > 0 and c in chances:
            line.append((bar(chances[c], left), "bar"))
        lines.append(line)
    if len(shown) < len(beliefs.names):
        lines.append([(cut(f"{len(beliefs.names) - len(shown):,} more: / finds them", width), "dim")])
    return lines

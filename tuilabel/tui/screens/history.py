"""Every answer that stands, newest first, to look at and to change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from tuilabel.tui.actions import HISTORY
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.state import AppState

SHOWN = 1000  # answers; older ones are found by review or in the export


class HistoryScreen(AnnotationScreen):
    """A class key changes the answer in focus; the order stays while the screen is open."""

    NAME = HISTORY
    ORIGIN = "history"

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._indices = [entry.index for entry in islice(self.session.history(), SHOWN)]

    @property
    def items(self) -> Sequence[int]:
        return self._indices

    def heading(self) -> list[tuple[str, str]]:
        return [("  history, newest first", "dim"), *self._details()]

    def _details(self) -> list[tuple[str, str]]:
        if not self._indices:
            return []
        index = self._indices[self.focused_item]
        event, note = self.session.answer_at(index), self.session.note_on(index)
        if event is None:
            return [("  ·  taken back", "warn")]
        when = event.at.astimezone().strftime("%d %b %H:%M")
        pieces = [(f"  ·  {event.annotator}, {when}, round {event.round}", "text")]
        return [*pieces, (f"  ·  “{note}”", "text")] if note else pieces

    def empty_text(self) -> str:
        return "No answers yet.\n\nEsc goes back to the grid."

    def is_done(self, position: int) -> bool:
        return position < self.focused_item  # an answer changed: on to the one before it in time

    def _show_items(self) -> None:
        super()._show_items()
        self._show_head()

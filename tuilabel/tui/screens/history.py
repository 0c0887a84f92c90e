"""All current answers, newest first, to view and change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from tuilabel.tui.actions import HISTORY
from tuilabel.tui.screens.filtered import FilteredScreen
from tuilabel.tui.state import AppState

SHOWN = 1000  # answers; older ones are in the review and in exports


class HistoryScreen(FilteredScreen):
    """A class key changes the focused answer; the order stays the same while the screen is open."""

    NAME = HISTORY
    TITLE_OF_PAGE = "History"
    HELP = "All answers, the newest first. A class key changes the highlighted one."
    ORIGIN = "history"

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._every = [entry.index for entry in self.session.history()]
        self._indices = self._every[:SHOWN]

    def every_item(self) -> Sequence[int]:
        return self._every

    def show_filtered(self) -> None:
        self._indices = list(islice(filter(self.found, self._every), SHOWN))

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
            return [("  ·  removed", "warn")]
        when = event.at.astimezone().strftime("%d %b %H:%M")
        flag = self.session.flag_on(index)
        pieces = [(f"  ·  {event.annotator}, {when}, round {event.round}", "text")]
        if flag is not None and flag.annotator != event.annotator:
            pieces.append((f"  ·  ⚑ {flag.annotator}", "text"))
        return [*pieces, (f"  ·  “{note}”", "text")] if note else pieces

    def empty_text(self) -> str:
        return super().empty_text() if self.where else "No answers yet.\n\nPress Esc to go back."

    def to_select(self, positions: Sequence[int]) -> list[int]:
        return [self._indices[position] for position in positions]

    def is_done(self, position: int) -> bool:
        return position < self.focused_item  # after a change the focus moves on to the previous answer in time

    def _show_items(self) -> None:
        super()._show_items()
        self._show_head()

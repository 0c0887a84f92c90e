"""Lists of answers of which a filter shows some: what history and review share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from tuilabel.errors import UsageError
from tuilabel.labels.filters import HELP, Filter
from tuilabel.session import LabellingSession
from tuilabel.tui.chips import Chip
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.screens.dialogs import Dialog
from tuilabel.tui.state import AppState


class FilteredScreen(AnnotationScreen):
    """A list of answers that can be filtered. What a filter shows stays the same until another one is chosen."""

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.where: Filter | None = None

    def every_item(self) -> Sequence[int]:
        """Pool indices of all items of the list, whatever the filter."""
        raise NotImplementedError

    def show_filtered(self) -> None:
        """Show what the filter finds, from the start."""
        raise NotImplementedError

    def found(self, index: int) -> bool:
        """Whether the filter, if there is one, shows an item."""
        return self.where is None or self.session.matches(self.where, index)

    def chips(self) -> list[Chip]:
        chips = super().chips()
        return chips if self.where is None else [Chip(f"filter: {self.where}", "chip-on", 9), *chips]

    def empty_text(self) -> str:
        return f"Nothing matches {self.where}.\n\nPress Esc to show all answers."

    def action_filter(self) -> None:
        """Ask which answers to show, or show all of them again."""
        if self.where is not None:
            self._filter_by(None)
            return
        items = self.every_item()

        def count(where: Filter) -> int:
            return sum(self.session.matches(where, index) for index in items)

        self.app.push_screen(AskFilter(self.session, count), self._chosen)

    def _chosen(self, where: object) -> None:
        if isinstance(where, Filter):
            self._filter_by(where)

    def _filter_by(self, where: Filter | None) -> None:
        self.where = where
        self.selection.clear()
        self.show_filtered()
        self.refresh_view()
        self.show_status("All answers are shown again" if where is None else "Esc shows all answers again", "dim")

    def action_back(self) -> None:
        """Select nothing, go back to the grid, show all answers, or go back to the previous screen."""
        if self.where is None or self.selection or self.has_class("alone") or self._large_on:
            super().action_back()
        else:
            self._filter_by(None)


class AskFilter(Dialog):
    """Asks for a filter and tells what it finds. The result is a `Filter`, or None if Esc was pressed.

    Parameters
    ----------
    count : how many items of the list a filter finds.
    """

    def __init__(self, session: LabellingSession, count: Callable[[Filter], int]) -> None:
        super().__init__("Show only", "Enter shows them · Esc cancels")
        self._session, self._count = session, count

    def compose_box(self) -> ComposeResult:
        yield Input(max_length=200)
        yield Static(self._help(), classes="dialog-message", markup=False)

    def on_mount(self) -> None:
        self.call_after_refresh(self._keep_height)

    def _keep_height(self) -> None:
        message = self.query_one(Static)
        message.styles.min_height = message.size.height

    def _help(self) -> str:
        return f"{HELP} · annotators: {', '.join(self._session.annotators) or 'none yet'}"

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._say(self._found(event.value)[1] if event.value.strip() else self._help())

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        where, said = self._found(event.value)
        if where is None:
            self._say(said)
        else:
            self.dismiss(where)

    def _found(self, text: str) -> tuple[Filter | None, str]:
        """The filter if it finds anything, and what to say."""
        try:
            where = Filter.parse(text, self._session.classes)
        except UsageError as error:
            return None, str(error)
        found = self._count(where)
        return (where, f"{found:,} found") if found else (None, f"Nothing matches {where}")

    def _say(self, text: str) -> None:
        self.query_one(Static).update(text)

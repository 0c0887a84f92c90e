"""Small dialogs over a screen: enter a line of text, choose a class by name."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tuilabel.tui.state import AppState


class Dialog(ModalScreen[object]):
    """A box over the current screen; Esc closes it without changes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def action_cancel(self) -> None:
        """Close without a result."""
        if self.is_current:  # more key presses may be queued
            self.dismiss(None)


class AskText(Dialog):
    """Asks for a line of text. The result is the text, "" if it was cleared, None if Esc was pressed."""

    def __init__(self, question: str, text: str = "") -> None:
        super().__init__()
        self._question, self._text = question, text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, markup=False, classes="dialog-title")
            yield Input(self._text, max_length=500)
            yield Static("Enter saves · Esc cancels", markup=False, classes="dialog-hint")

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


class PickClass(Dialog):
    """Asks for a class by part of its name. The result is its position in the classes, or None if Esc was pressed."""

    def __init__(self, question: str, state: AppState, without: int | None = None) -> None:
        super().__init__()
        self._question, self._state, self._without = question, state, without
        self._matches: list[int] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, markup=False, classes="dialog-title")
            yield Input(placeholder="type part of the name")
            yield OptionList()
            yield Static("↑↓ choose · Enter selects · Esc cancels", markup=False, classes="dialog-hint")

    def on_mount(self) -> None:
        self._search("")

    def on_key(self, event: events.Key) -> None:
        options = self.query_one(OptionList)
        if event.key in ("up", "down"):
            event.stop()
            event.prevent_default()
            (options.action_cursor_up if event.key == "up" else options.action_cursor_down)()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._search(event.value)

    @on(Input.Submitted)
    def _select(self) -> None:
        chosen = self.query_one(OptionList).highlighted
        if chosen is not None:
            self.dismiss(self._matches[chosen])

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._matches[event.option_index])

    def _search(self, text: str) -> None:
        """List the names that contain the text, first those that begin with it."""
        wanted = text.strip().casefold()
        names = self._state.session.classes
        matches = [c for c, name in enumerate(names) if wanted in name.casefold() and c != self._without]
        self._matches = sorted(matches, key=lambda c: (not names[c].casefold().startswith(wanted), c))
        options = self.query_one(OptionList)
        options.clear_options()
        keys = self._state.keys
        options.add_options([Option(Text(f"{keys[c] or ' '}  {names[c]}")) for c in self._matches])
        options.highlighted = 0 if self._matches else None

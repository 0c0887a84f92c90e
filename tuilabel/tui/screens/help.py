"""The help: what the keys do."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tuilabel.tui.actions import actions_of
from tuilabel.tui.state import AppState

_SCROLL = ("up", "down", "pageup", "pagedown", "home", "end", "ctrl+q")


class HelpScreen(ModalScreen[None]):
    """Lists the commands of one screen, from the registry, on top of it. Any key except those that scroll closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "app.quit", show=False)]

    def __init__(self, state: AppState, screen: str) -> None:
        super().__init__()
        self._state, self._screen_name = state, screen

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2))
        group = ""
        for action in actions_of(self._screen_name, self._state.actions):
            if action.group != group:
                group = action.group
                table.add_row(Text(group.upper(), style="bold"), "")
            table.add_row(Text(action.shown_keys, style="bold"), action.help)
        names = "   ".join(
            key if key == name else f"{' '.join(key) or '/'} {name}"
            for key, name in zip(self._state.keys, self._state.session.classes, strict=True)
        )
        with VerticalScroll(id="help"):
            yield Static("Press the key of a class to label the highlighted image.\n", markup=False)
            yield Static(names, markup=False, id="help-classes")
            yield Static(table)
            yield Static(
                "\nThe caption of an image is the model's prediction. A tenth of each batch is drawn at random and "
                "used to check the model before training on it: this audit is an unbiased estimate of its accuracy. "
                "The predictions of those images, and of as many others, are hidden (?) until you answer.",
                markup=False,
            )

    def on_key(self, event: events.Key) -> None:
        if event.key in _SCROLL:
            return
        event.stop()
        event.prevent_default()
        self._close()

    def on_click(self) -> None:
        self._close()

    def _close(self) -> None:
        if self.is_current:  # more key presses may be queued
            self.dismiss()

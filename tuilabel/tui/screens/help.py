"""What the keys do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

COMMANDS = (
    ("Space", "skip: not asked again, not learnt from"),
    ("Backspace", "take back the last answer, however far back"),
    ("Enter", "accept the model's prediction"),
    ("!", "flag for a second look"),
    ("← ↑ ↓ →", "move; a class key on an answered cell changes the answer"),
    ("?", "this help; any key closes it"),
    ("Ctrl+Q", "quit; every answer is already on disk"),
)


class HelpScreen(ModalScreen[None]):
    """The key table over the labelling screen; any key closes it and does nothing else."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "app.quit", show=False)]

    def __init__(self, classes: Sequence[str], keys: Sequence[str]) -> None:
        super().__init__()
        self._class_names, self._keys = tuple(classes), tuple(keys)

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2))
        for key, meaning in COMMANDS:
            table.add_row(Text(key, style="bold"), meaning)
        names = "   ".join(
            key if key == name else f"{key} {name}" for key, name in zip(self._keys, self._class_names, strict=True)
        )
        with VerticalScroll(id="help"):
            yield Static("One key labels the marked image and moves on.\n", markup=False)
            yield Static(names, markup=False, id="help-classes")
            yield Static(table)
            yield Static(
                "\nUnder each image stands what the model believes. A tenth of each batch is drawn at random and "
                "judged before the model learns from it: that is the audit, an honest accuracy.",
                markup=False,
            )

    def on_key(self, event: events.Key) -> None:
        if event.key in ("up", "down", "pageup", "pagedown", "ctrl+q"):
            return
        event.stop()
        event.prevent_default()
        self.dismiss()

    def on_click(self) -> None:
        self.dismiss()

"""The dialog that adds, renames and merges classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tuilabel.errors import UsageError
from tuilabel.tui.screens.dialogs import AskText, Dialog, PickClass
from tuilabel.tui.state import AppState


class ClassesScreen(Dialog):
    """Lists the classes with their keys and counts. Renaming or merging a class keeps its labels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus", "add", show=False),
        Binding("minus", "merge", show=False),
    ]

    def __init__(self, state: AppState) -> None:
        super().__init__("Classes", "Enter rename · + add · - merge into another · Esc close")
        self._state, self._session = state, state.session

    def compose_box(self) -> ComposeResult:
        yield OptionList()
        yield Static("Renaming and merging keep all labels.", markup=False, classes="dialog-message")

    def on_mount(self) -> None:
        self._fill()

    @property
    def _chosen(self) -> int:
        return self.query_one(OptionList).highlighted or 0

    @on(OptionList.OptionSelected)
    def _rename(self, event: OptionList.OptionSelected) -> None:
        class_pos = event.option_index
        name = self._session.classes[class_pos]
        self.app.push_screen(
            AskText(f"New name for {name}", name),
            lambda text: self._change(
                text, lambda: self._session.rename_class(class_pos, str(text)), f"Renamed {name} to {text}"
            ),
        )

    def action_add(self) -> None:
        """Add a class."""
        self.app.push_screen(
            AskText("Name of the new class"),
            lambda text: self._change(text, lambda: self._session.add_class(str(text)), f"Added {text}"),
        )

    def action_merge(self) -> None:
        """Merge the highlighted class into another."""
        class_pos = self._chosen
        name = self._session.classes[class_pos]

        def merge(into: object) -> None:
            if isinstance(into, int):
                target = self._session.classes[into]
                self._change(
                    target, lambda: self._session.merge_classes(class_pos, into), f"Merged {name} into {target}"
                )

        self.app.push_screen(PickClass(f"Merge {name} into", self._state, without=class_pos), merge)

    def _change(self, value: object, change: Callable[[], object], done: str) -> None:
        if not value:
            return
        try:
            change()
        except UsageError as error:
            done = str(error)
        self.query_one(".dialog-message", Static).update(Text(done))
        self._fill()

    def _fill(self) -> None:
        options, chosen = self.query_one(OptionList), self._chosen
        counts = self._session.statistics().class_counts
        options.clear_options()
        width = max(map(len, self._session.classes))
        rows = zip(self._state.keys, self._session.classes, counts, strict=True)
        options.add_options([Option(Text(f"{key or ' '}  {name:<{width}}  {n:>7,}")) for key, name, n in rows])
        options.highlighted = min(chosen, len(counts) - 1)

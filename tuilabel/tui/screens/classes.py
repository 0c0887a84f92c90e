"""The dialog that adds, renames and merges classes."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import set_cell_size
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tuilabel.errors import UsageError
from tuilabel.tui.keys import is_key, shown_keys
from tuilabel.tui.names import longest, short_names
from tuilabel.tui.screens.dialogs import AskText, Dialog
from tuilabel.tui.screens.pick_class import PickClass
from tuilabel.tui.state import AppState


class ClassesScreen(Dialog):
    """Lists the classes with their keys and counts. Renaming or merging a class keeps its labels and its keys."""

    def __init__(self, state: AppState) -> None:
        super().__init__("Classes", "Enter rename · + add · - merge · letter or digit: its key · Esc close")
        self._state, self._session = state, state.session

    def compose_box(self) -> ComposeResult:
        yield OptionList()
        hint = "Renaming and merging keep all labels." if self._session.classes else "No classes yet: + adds one."
        yield Static(hint, markup=False, classes="dialog-message")

    def on_mount(self) -> None:
        self._fill()

    @property
    def _chosen(self) -> int:
        return self.query_one(OptionList).highlighted or 0

    @on(OptionList.OptionSelected)
    def action_rename(self) -> None:
        """Rename the highlighted class."""
        class_pos = self._chosen
        if not self._session.classes:
            return
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
        if len(self._session.classes) < 2:
            self._say("There is no other class to merge into")
            return
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
        else:
            self._state.remember_class_keys()
        self._say(done)
        self._fill()

    async def on_key(self, event: events.Key) -> None:
        """Make a letter or digit the key of the highlighted class; other keys do what the hint says.

        All in the order in which they were typed: what follows + belongs to the name of the new class.
        """
        key = event.character or ""
        commands = {"enter": self.action_rename, "plus": self.action_add, "minus": self.action_merge}
        if self.app.screen is self and event.key not in commands and not is_key(key):
            return
        event.stop()
        event.prevent_default()
        if self.app.screen is not self:
            if isinstance(self.app.screen, Dialog):
                self.app.screen.type_early(event)
        elif event.key in commands:
            commands[event.key]()
        elif self._session.classes:
            self._choose_key(key)

    def _choose_key(self, key: str) -> None:
        classes = self._session.classes
        class_pos, holder = self._chosen, self._state.class_of_key(key)
        if holder == class_pos and key in self._state.keys[class_pos]:
            self._say(f"{key} is the key of {classes[class_pos]} already")
            return
        self._state.class_keys.choose(self._session.class_ids[class_pos], key)
        self._state.remember_class_keys()
        lost = ""
        if holder is not None and key not in self._state.keys[holder]:
            others = " or ".join(self._state.keys[holder]) or "no key: / finds it"
            lost = f"; {classes[holder]} has {others} now"
        self._say(f"{key} labels with {classes[class_pos]}{lost}")
        self._fill()

    def _say(self, text: str) -> None:
        self.query_one(".dialog-message", Static).update(Text(text))

    def _fill(self) -> None:
        options, chosen = self.query_one(OptionList), self._chosen
        classes, counts = self._session.classes, self._session.statistics().class_counts
        options.clear_options()
        names = short_names(classes, max(8, min(longest(classes), self.app.size.width - 24)))
        width = longest(names)
        options.add_options(
            Option(Text(f"{keys}  {set_cell_size(name, width)}  {count:>7,}"))
            for keys, name, count in zip(shown_keys(self._state.keys), names, counts, strict=True)
        )
        options.highlighted = min(chosen, len(counts) - 1) if classes else None

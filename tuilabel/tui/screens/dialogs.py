"""Small dialogs at the bottom of the screen: enter a line of text, choose a class by name."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tuilabel.tui.screens.image_page import ImagePageScreen
from tuilabel.tui.state import AppState


class DialogBox(Vertical):
    """The box of a dialog. It has the last lines of the screen, and the focused image stays visible above it."""

    def on_resize(self, _: events.Resize) -> None:
        """Let the screen of images below make room."""
        for below in reversed(self.app.screen_stack):
            if isinstance(below, ImagePageScreen):
                below.make_room(self.outer_size.height)
                return


class Dialog(ModalScreen[object]):
    """A box at the bottom of the screen, as wide as that, with a title and what the keys do in its borders.

    It takes the place of the lines that tell the keys of the screen below, and no more of the images than it needs.
    Esc closes it without changes. Subclasses yield what is in the box from `compose_box`; the box should keep its
    height while it is open.

    Parameters
    ----------
    title : what the dialog asks for.
    hint : what its keys do.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title, self._hint = title, hint

    def compose(self) -> ComposeResult:
        with DialogBox(classes="dialog") as box:
            box.border_title, box.border_subtitle = Content(self._title), Content(self._hint)
            yield from self.compose_box()

    def compose_box(self) -> ComposeResult:
        """The widgets in the box."""
        raise NotImplementedError

    def action_cancel(self) -> None:
        """Close without a result."""
        if self.is_current:  # more key presses may be queued
            self.dismiss(None)


class AskText(Dialog):
    """Asks for a line of text. The result is the text, "" if it was cleared, None if Esc was pressed."""

    def __init__(self, question: str, text: str = "") -> None:
        super().__init__(question, "Enter saves · Esc cancels")
        self._text = text

    def compose_box(self) -> ComposeResult:
        yield Input(self._text, max_length=500)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


class PickClass(Dialog):
    """Asks for a class by part of its name. The result is its position in the classes, or None if Esc was pressed."""

    def __init__(self, question: str, state: AppState, without: int | None = None) -> None:
        super().__init__(question, "↑↓ choose · Enter selects · Esc cancels")
        self._state, self._without = state, without
        self._matches: list[int] = []

    def compose_box(self) -> ComposeResult:
        yield Input(placeholder="type part of the name")
        yield OptionList()

    def on_mount(self) -> None:
        self._search("")
        self.query_one(OptionList).styles.height = len(self._matches)  # also when fewer match

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

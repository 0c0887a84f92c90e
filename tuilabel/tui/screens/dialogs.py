"""Small dialogs at the bottom of the screen: their base, and one that asks for a line of text."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from tuilabel.tui.screens.image_page import ImagePageScreen


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

    def type_early(self, event: events.Key) -> None:
        """Take a key that was pressed after the one that opened the dialog, but arrived before it was open."""
        self.post_message(events.Key(event.key, event.character))

    async def on_key(self, event: events.Key) -> None:
        """Pass on what was typed before the field had the focus; the field itself stops its keys."""
        field = self.focused
        if isinstance(field, Input) and (event.is_printable or event.key == "enter"):
            event.stop()
            event.prevent_default()
            if event.key == "enter":
                await field.action_submit()
            elif event.character is not None:
                field.insert_text_at_cursor(event.character)


class AskText(Dialog):
    """Asks for a line of text. The result is the text, "" if it was cleared, None if Esc was pressed."""

    def __init__(self, question: str, text: str = "", hint: str = "Enter saves · Esc cancels") -> None:
        super().__init__(question, hint)
        self._text = text

    def compose_box(self) -> ComposeResult:
        yield Input(self._text, max_length=500)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

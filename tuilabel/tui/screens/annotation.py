"""Answering a page of images, one key per answer: what the label, by-class, review and history screens share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import ClassVar, Literal

from textual import events

from tuilabel.errors import UsageError, pluralize
from tuilabel.labels import Origin
from tuilabel.tui.screens.image_page import ImagePageScreen
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import NOT_SEEN

MAX_ANSWER_TIME = 3_600_000  # milliseconds counted as time spent on one answer: more means that the user took a break


class AnnotationScreen(ImagePageScreen):
    """Passes answers about the items of a page to the session.

    A key answers only what was on the screen when it was typed: each key carries the time it arrived, and one that
    arrived before its images were written to the terminal is ignored, with a message.
    """

    ORIGIN: ClassVar[Origin | None] = None
    """The origin stored with answers given on this screen; None for answers to the batch."""

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._answer_started = 0.0
        self._early_keys = 0
        self._key_time = 0.0

    def give_label(self, position: int, class_pos: int, milliseconds: int) -> None:
        """Label the item at `position` of the page."""
        self.session.answer(self.items[position], "label", class_pos, milliseconds, origin=self.ORIGIN)

    # -- keys ----------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A class key labels the focused item; other letters and digits show a message and do nothing else."""
        self._key_time = event.time
        character = event.character
        if character is None or not character.isalnum():
            return
        event.stop()
        event.prevent_default()
        class_pos = self.state.class_of_key(character)
        if class_pos is None:
            self.show_status(f"{character} is not the key of a class", "warn")
        else:
            self.label_focused(class_pos)

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text does not label: it was not typed while looking at the images."""
        event.stop()
        self.show_status(f"Ignored {pluralize(len(event.text), 'pasted character')}", "warn")

    def label_focused(self, class_pos: int) -> None:
        """Label the focused item."""
        if self.may_answer():
            self.answered(lambda spent: self.give_label(self.focused_item, class_pos, spent))

    def action_skip(self) -> None:
        """Skip the focused item."""
        self._set_aside("skip")

    def action_flag(self) -> None:
        """Flag the focused item for review."""
        self._set_aside("flag")

    def _set_aside(self, kind: Literal["skip", "flag"]) -> None:
        if self.may_answer():
            answer = partial(self.session.answer, self.items[self.focused_item], kind, origin=self.ORIGIN)
            self.answered(lambda spent: answer(milliseconds=spent))

    def action_undo(self) -> None:
        """Undo the last step and focus its item."""
        self._step(self.session.can_undo, self.session.undo, "Undone", "Nothing to undo")

    def action_redo(self) -> None:
        """Redo what was undone last."""
        self._step(self.session.can_redo, self.session.redo, "Redone", "Nothing to redo")

    def _step(self, can: bool, step: Callable[[], object], done: str, nothing: str) -> None:
        if self.refuse_while_unsaved():
            return
        if not can:
            self.show_status(nothing, "dim")
            return
        item = step()
        self.show_status(done, "dim")
        self.refresh_view(getattr(item, "index", None))

    def action_withdraw(self) -> None:
        """Remove the answer to the focused item."""
        if self.may_answer():
            index = self.items[self.focused_item]
            if self.session.answer_at(index) is None:
                self.show_status("This image has no answer to remove", "dim")
                return
            self.session.withdraw(index)
            self.show_status("Removed the answer", "dim")
            self.refresh_view()

    def action_note(self) -> None:
        """Ask for a note about the focused item."""
        if not self.may_answer():
            return
        from tuilabel.tui.screens.dialogs import AskText

        index = self.items[self.focused_item]

        def keep(text: object) -> None:
            if isinstance(text, str):
                self.session.note(index, text)
                self.show_status("Saved the note" if text else "Removed the note", "dim")
                self.refresh_view()

        self.app.push_screen(AskText("Note about this image", self.session.note_on(index) or ""), keep)

    def action_find_class(self) -> None:
        """Label with a class found by name."""
        if not self.may_answer():
            return
        from tuilabel.tui.screens.dialogs import PickClass

        index = self.items[self.focused_item]

        def answer(class_pos: object) -> None:
            if isinstance(class_pos, int) and index in self.items:
                self.focused_item = list(self.items).index(index)
                self.answered(lambda spent: self.give_label(self.focused_item, class_pos, spent))

        self.app.push_screen(PickClass("Label this image as", self.state), answer)

    def action_classes(self) -> None:
        """Add, rename, merge classes."""
        from tuilabel.tui.screens.classes import ClassesScreen

        self.app.push_screen(ClassesScreen(self.state), lambda _: self.refresh_view())

    async def run_from_palette(self, action: str) -> None:
        """Run a command chosen from the palette: by then the user has seen the images."""
        self._key_time = monotonic()
        await self.run_action(action)

    # -- answering -----------------------------------------------------------------------------------------------

    def may_answer(self) -> bool:
        """Whether the current key was typed when the images were on the screen, and answers can be saved."""
        if self.refuse_while_unsaved():
            return False
        if not self.items or self._key_time < self.seen_at:
            if self.items and not self._judged.has_room:
                self.show_status("The terminal is too small to show images: enlarge it", "warn")
                return False
            self._early_keys += 1
            keys = pluralize(self._early_keys, "key")
            self.show_status(f"Ignored {keys} pressed before the images were shown", "warn")
            return False
        return True

    def refuse_while_unsaved(self) -> bool:
        """Whether nothing can be saved at the moment; the reason is shown."""
        if self.state.save_failure is not None:
            self.show_status(self.state.save_failure, "error")
        return self.state.save_failure is not None

    def answered(self, answer: Callable[[int], object]) -> None:
        """Call `answer` with the milliseconds it took to answer, and move the focus on."""
        shown, index = self._shown_items, self.items[self.focused_item]
        spent = min(MAX_ANSWER_TIME, round(1000 * max(0.0, self._key_time - self._answer_started)))
        self._answer_started = self._key_time
        try:
            answer(spent)
        except UsageError as error:
            self.show_status(str(error), "warn")
            return
        event = self.session.answer_at(index)
        if event is not None:
            self.state.unsaved.add(event.key)
        if not self._early_keys:
            self.show_trouble()
        self._early_keys = 0 if tuple(self.items) == shown else self._early_keys
        self.advance()
        self.refresh_view()

    def advance(self) -> None:
        """Move the focus to the next item without an answer, wrapping around at the end."""
        order = self._next_positions()
        self.focused_item = order[0] if order else min(self.focused_item, max(0, len(self.items) - 1))

    def displayed(self, at: float) -> None:
        """Also start timing the answer when its image is first shown."""
        unseen = self.seen_at == NOT_SEEN
        super().displayed(at)
        if unseen and self.seen_at != NOT_SEEN:
            self._answer_started = at  # early keys may still be queued, so they are still counted

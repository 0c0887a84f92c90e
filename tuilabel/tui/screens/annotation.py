"""Answers to a page of images, one key an answer: what labelling, by-class, review and history share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import ClassVar, Literal

from textual import events

from tuilabel.errors import UsageError
from tuilabel.labels import Origin
from tuilabel.tui.screens.image_page import ImagePageScreen
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import NOT_SEEN

LONGEST = 3_600_000  # milliseconds an answer can have taken: whoever comes back after lunch has not looked for an hour


class AnnotationScreen(ImagePageScreen):
    """Passes answers to the items of a page on to the session.

    A key answers only what was on the screen when it was typed: each key carries the moment it arrived, and one
    that came before its images went to the terminal is dropped with a word.
    """

    ORIGIN: ClassVar[Origin | None] = None
    """What answers given on this screen carry; None for those to the batch."""

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self._asked_at = 0.0
        self._early_keys = 0
        self._key_time = 0.0

    def give_label(self, position: int, class_index: int, milliseconds: int) -> None:
        """Label item `position`."""
        self.session.answer(self.items[position], "label", class_index, milliseconds, origin=self.ORIGIN)

    # -- keys ----------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A class key labels the item in focus; other letters and digits get a word, never an action."""
        self._key_time = event.time
        character = event.character
        if character is None or not character.isalnum():
            return
        event.stop()
        event.prevent_default()
        class_index = self.state.class_of_key(character)
        if class_index is None:
            self.show_status(f"{character} is no class key", "warn")
        else:
            self.label_focused(class_index)

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text labels nothing: whoever pastes has not looked at the images."""
        event.stop()
        self.show_status(f"{len(event.text)} pasted characters were not taken as labels", "warn")

    def label_focused(self, class_index: int) -> None:
        """Answer the item in focus with a class."""
        if self.may_answer():
            self.answered(lambda spent: self.give_label(self.focused_item, class_index, spent))

    def action_skip(self) -> None:
        """Pass over the item in focus."""
        self._set_aside("skip")

    def action_flag(self) -> None:
        """Set the item in focus aside for a second look."""
        self._set_aside("flag")

    def _set_aside(self, kind: Literal["skip", "flag"]) -> None:
        if self.may_answer():
            answer = partial(self.session.answer, self.items[self.focused_item], kind, origin=self.ORIGIN)
            self.answered(lambda spent: answer(milliseconds=spent))

    def action_undo(self) -> None:
        """Take back the last answer and put the focus on its item."""
        self._step(self.session.can_undo, self.session.undo, "took back the last answer", "nothing to take back")

    def action_redo(self) -> None:
        """Give again what was taken back last."""
        self._step(self.session.can_redo, self.session.redo, "gave it again", "nothing was taken back")

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
        """Take back the answer to the item in focus."""
        if self.may_answer():
            index = self.items[self.focused_item]
            if self.session.answer_at(index) is None:
                self.show_status("nothing to take back here", "dim")
                return
            self.session.withdraw(index)
            self.show_status("took back the answer", "dim")
            self.refresh_view()

    def action_note(self) -> None:
        """Ask for a note on the item in focus."""
        if not self.may_answer():
            return
        from tuilabel.tui.screens.dialogs import AskText

        index = self.items[self.focused_item]

        def keep(text: object) -> None:
            if isinstance(text, str):
                self.session.note(index, text)
                self.show_status("noted" if text else "the note is gone", "dim")
                self.refresh_view()

        self.app.push_screen(AskText("Note on this image", self.session.note_on(index) or ""), keep)

    def action_find_class(self) -> None:
        """Answer with a class found by name."""
        if not self.may_answer():
            return
        from tuilabel.tui.screens.dialogs import PickClass

        index = self.items[self.focused_item]

        def answer(class_index: object) -> None:
            if isinstance(class_index, int) and index in self.items:
                self.focused_item = list(self.items).index(index)
                self.answered(lambda spent: self.give_label(self.focused_item, class_index, spent))

        self.app.push_screen(PickClass("Label this image as", self.state), answer)

    def action_classes(self) -> None:
        """Add, rename, merge classes."""
        from tuilabel.tui.screens.classes import ClassesScreen

        self.app.push_screen(ClassesScreen(self.state), lambda _: self.refresh_view())

    async def run_from_palette(self, action: str) -> None:
        """Run a command that was chosen by name: whoever chose it has seen the images."""
        self._key_time = monotonic()
        await self.run_action(action)

    # -- answering -----------------------------------------------------------------------------------------------

    def may_answer(self) -> bool:
        """Whether the key now handled was typed at the images on the screen, and answers can be saved."""
        if self.refuse_while_unsaved():
            return False
        if not self.items or self._key_time < self.seen_at:
            if self.items and not (self._large if self._large_on else self._grid).has_room:
                self.show_status("too small to show images: enlarge the terminal", "warn")
                return False
            self._early_keys += 1
            plural = "key" if self._early_keys == 1 else "keys"
            self.show_status(
                f"{self._early_keys} {plural} came too early, before the images: not taken as labels", "warn"
            )
            return False
        return True

    def refuse_while_unsaved(self) -> bool:
        """Say so where the disk takes nothing."""
        if self.state.save_failure is not None:
            self.show_status(self.state.save_failure, "error")
        return self.state.save_failure is not None

    def answered(self, answer: Callable[[int], object]) -> None:
        """Carry out `answer` with the milliseconds it took, and move on."""
        shown, index = self._shown_items, self.items[self.focused_item]
        spent = min(LONGEST, round(1000 * max(0.0, self._key_time - self._asked_at)))
        self._asked_at = self._key_time
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
        """To the next item without an answer, from here on and round to the start."""
        n = len(self.items)
        order = [*range(self.focused_item + 1, n), *range(min(n, self.focused_item))]
        self.focused_item = next((p for p in order if not self.is_done(p)), min(self.focused_item, max(0, n - 1)))

    def displayed(self, at: float) -> None:
        """As `ImagePageScreen.displayed`; an answer's time begins when its image is there."""
        unseen = self.seen_at == NOT_SEEN
        super().displayed(at)
        if unseen and self.seen_at != NOT_SEEN:
            self._asked_at = at  # keys that came too early may still be waiting: their count goes on

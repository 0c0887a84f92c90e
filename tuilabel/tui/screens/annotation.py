"""Answering a page of images, one key per answer: what the label, by-class, review and history screens share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import ClassVar

from textual import events, on
from textual.screen import Screen

from tuilabel.errors import UsageError, pluralize
from tuilabel.labels import Origin
from tuilabel.tui._textual_internals import paint_now
from tuilabel.tui.actions import actions_of, does_nothing
from tuilabel.tui.screens.dialogs import Dialog
from tuilabel.tui.screens.image_page import ImagePageScreen
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import NOT_SEEN
from tuilabel.tui.widgets.probabilities import ClassClicked

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
        self._answered_together: frozenset[int] = frozenset()
        """The items that the last key answered, if they were selected."""
        self._offered = ""
        """The last key, if it was that of no class: pressed again, it begins the name of a new one."""
        self._told: set[str] = set()
        """Keys of which the user knows that they do nothing here."""
        self._commands = {
            key: action.textual_action for action in actions_of(self.NAME, state.actions) for key in action.keys
        }

    def give_label(self, indices: Sequence[int], class_pos: int | Sequence[int], milliseconds: int) -> None:
        """Label items, by pool index, with one class or with one each, as one step."""
        self.session.answer_many(indices, "label", class_pos, milliseconds, origin=self.ORIGIN)

    def may_select(self, at: float | None = None) -> bool:
        return super().may_select(self._key_time if at is None else at)

    # -- keys ----------------------------------------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        """A class key labels the focused item; other keys run their commands, in the order in which they were typed.

        The answer is on its way to the terminal before anything else is done.
        """
        with self.state.images.held():
            await self._handle_key(event)
            paint_now(self)

    async def _handle_key(self, event: events.Key) -> None:
        if self.app.screen is not self:
            event.stop()
            event.prevent_default()
            if isinstance(self.app.screen, Dialog):  # an earlier key has opened it
                self.app.screen.type_early(event)
            return
        self._key_time = event.time
        offered, self._offered = self._offered, ""
        command, character = self._commands.get(event.key), event.character
        if command is not None:
            event.stop()
            event.prevent_default()
            await self.run_action(command)
        elif character is not None and character.isalnum():
            event.stop()
            event.prevent_default()
            self._class_key(character, offered)
        elif event.key not in self._told and not self._is_bound(event.key):
            self._told.add(event.key)
            self.show_status(does_nothing(event.key, self.NAME, self.state.actions), "dim")

    def _is_bound(self, key: str) -> bool:
        """Whether Textual does something about a key; moving its own focus does not count, as nothing can have it."""
        bound = self.active_bindings.get(key)
        return bound is not None and not bound.binding.action.startswith("app.focus_")

    def _class_key(self, character: str, offered: str) -> None:
        """Label with the class of a key. One of no class may begin the name of a new one.

        While there are classes that takes the key twice: a mistyped one must cost nothing.
        """
        class_pos = self.state.class_of_key(character)
        if class_pos is not None:
            self.label_focused(class_pos)
        elif not self.session.classes or character == offered:
            self.find_class(character)
        else:
            self._offered = character
            self.show_status(
                f"{character} is not the key of a class: press it again to make a class that begins with it", "warn"
            )

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text does not label: it was not typed while looking at the images."""
        event.stop()
        self.show_status(f"Ignored {pluralize(len(event.text), 'pasted character')}", "warn")

    def label_focused(self, class_pos: int) -> None:
        """Label the focused item, or those that are selected."""
        if self.may_answer():
            self.answered(lambda indices, spent: self.give_label(indices, class_pos, spent))

    def action_skip(self) -> None:
        """Skip the selected items, or else the focused one."""
        if self.may_answer():
            answer = self.session.answer_many
            self.answered(lambda indices, spent: answer(indices, "skip", None, spent, origin=self.ORIGIN))

    def action_flag(self) -> None:
        """Flag the selected items, or else the focused one, beside their answers, or take the flags off.

        The focus moves on from what had no answer; what has one is still there for another look.
        """
        if not self.may_answer():
            return
        toggle, answers = self.session.toggle_flag, [self.session.answer_at(index) for index in self.targets]
        if not any(answers):
            self.answered(lambda indices, spent: toggle(indices, spent, origin=self.ORIGIN))
            return
        labels = [answer.class_name for answer in answers if answer is not None and answer.kind == "label"]
        many = f" {len(answers)} images" if len(answers) > 1 else ""
        stays = "; the labels stay" if many else f": {labels[0]} stays its label" if labels else ""
        flagged = toggle(self.targets, origin=self.ORIGIN)
        self.show_status(f"Flagged{many}{stays}" if flagged else f"Took the flag off{many}", "dim")
        self.refresh_view()

    def action_undo(self) -> None:
        """Undo the last step and focus its item."""
        self._step(self.session.can_undo, self.session.undo, "Nothing to undo")

    def action_redo(self) -> None:
        """Redo what was undone last."""
        self._step(self.session.can_redo, self.session.redo, "Nothing to redo")

    def _step(self, can: bool, step: Callable[[], object], nothing: str) -> None:
        if self.refuse_while_unsaved():
            return
        if not can:
            self.show_status(nothing, "dim")
            return
        item = step()
        done = self.session.last_change
        self.show_status(done[:1].upper() + done[1:], "dim")
        index = getattr(item, "index", None)
        self.refresh_view(index)
        again = self._answered_together.intersection(self.items)
        if index in again:
            self.selection.clear()
            self.selection.add(again)  # the next key is about them once more
            self.show_selection()

    def action_withdraw(self) -> None:
        """Remove the answers to the selected items, or else to the focused one."""
        if self.may_answer():
            targets = self.targets
            try:
                withdrawn = self.session.withdraw_many(targets)
            except UsageError as error:
                self.show_status(str(error), "warn")
                return
            if not withdrawn:
                these = "This image has" if len(targets) == 1 else "These images have"
                self.show_status(f"{these} no answer to remove", "dim")
                return
            flags = "; the flag stays" if any(map(self.session.flag_on, withdrawn)) else ""
            self.show_status(f"Removed {pluralize(len(withdrawn), 'answer')}{flags}", "dim")
            self._forget_selection(targets)
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
        """Label with a class found by name, or with a new one."""
        self.find_class()

    def find_class(self, typed: str = "") -> None:
        """Label with a class found by name, or with a new one.

        Parameters
        ----------
        typed : the beginning of the name of a new class.
        """
        if not self.may_answer():
            return
        from tuilabel.tui.screens.pick_class import PickClass

        index, targets = self.items[self.focused_item], self.targets

        def answer(chosen: object) -> None:
            made = self._made_class(chosen) if isinstance(chosen, str) else None
            class_pos = chosen if made is None else made
            if isinstance(class_pos, int) and index in self.items:
                self.focused_item = list(self.items).index(index)
                self.answered(lambda _, spent: self.give_label(targets, class_pos, spent), targets)
            if made is not None:
                self._tell_key(made)

        one = len(targets) == 1
        belief = self.belief(self.focused_item) if one and not self.session.hides(index) else None
        question = f"Label {'this image' if one else f'these {len(targets)} images'} as"
        self.app.push_screen(PickClass(question, self.state, belief=belief, typed=typed, may_add=True), answer)

    def _made_class(self, name: str) -> int | None:
        """Make a class, and return its position; None if that is not possible."""
        try:
            class_pos = self.session.add_class(name)
        except UsageError as error:
            self.show_status(str(error), "warn")
            return None
        self.state.remember_class_keys()
        return class_pos

    def _tell_key(self, class_pos: int) -> None:
        keys = " or ".join(self.state.keys[class_pos])
        how = f"{keys} labels with it" if keys else "/ finds it by its name"
        self.show_status(f"Made the class {self.session.classes[class_pos]}: {how}; Backspace undoes this", "text")

    def action_similar(self) -> None:
        """Show the unlabelled images nearest to the selected ones, or else to the focused one."""
        if self.may_answer():
            from tuilabel.tui.screens.similar import SimilarScreen

            self._go_to_chosen(SimilarScreen(self.state, like=self.targets))

    def action_search(self) -> None:
        """Ask for a text, and show the unlabelled images nearest to it; the trainer says if it knows no texts.

        The question comes in any case: letters typed without it would label.
        """
        from tuilabel.tui.screens.dialogs import AskText
        from tuilabel.tui.screens.similar import SimilarScreen

        def search(text: object) -> None:
            if isinstance(text, str) and text.strip():
                self._go_to_chosen(SimilarScreen(self.state, text=text.strip()))

        self.app.push_screen(AskText("Search images that show", hint="Enter searches · Esc cancels"), search)

    def _go_to_chosen(self, screen: Screen[bool]) -> None:
        """Show another screen of images, and return to where the focus was, or to the next image without an answer."""
        index, was_done = self.items[self.focused_item] if self.items else None, self._focus_is_done()

        def returned(_: object) -> None:
            self.refresh_view(index)
            if self._focus_is_done() and not was_done:
                self.advance()
                self.refresh_view()

        self.app.push_screen(screen, returned)

    def _focus_is_done(self) -> bool:
        return bool(self.items) and self.session.answer_at(self.items[self.focused_item]) is not None

    def action_team(self) -> None:
        """Show who labels this project now."""
        from tuilabel.tui.screens.team import TeamDialog

        self.app.push_screen(TeamDialog(self.session))

    def action_reference(self) -> None:
        """Show the guideline and examples of each class."""
        from tuilabel.tui.screens.reference import ReferenceScreen

        self.app.push_screen(ReferenceScreen(self.state))

    def action_restart_trainer(self) -> None:
        """Start the trainer again; labelling goes on meanwhile."""
        self.session.restart_trainer()
        self.show_status("The trainer starts again; labels are not touched", "dim")
        self.refresh_view()

    def action_classes(self) -> None:
        """Add, rename, merge classes."""
        from tuilabel.tui.screens.classes import ClassesScreen

        self.app.push_screen(ClassesScreen(self.state), lambda _: self.refresh_view())

    async def run_from_palette(self, action: str) -> None:
        """Run a command chosen from the palette: by then the user has seen the images."""
        self._key_time = monotonic()
        await self.run_action(action)

    @on(ClassClicked)
    def _label_clicked(self, message: ClassClicked) -> None:
        self._key_time = message.clicked_at
        self.label_focused(message.class_pos)

    async def run_clicked(self, action: str, at: float) -> None:
        self._key_time = at
        await super().run_clicked(action, at)

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
        return not self.refuse_unreadable()

    def refuse_while_unsaved(self) -> bool:
        """Whether nothing can be saved at the moment; the reason is shown."""
        if self.state.save_failure is not None:
            self.show_status(self.state.save_failure, "error")
        return self.state.save_failure is not None

    def answered(self, answer: Callable[[list[int], int], object], targets: list[int] | None = None) -> None:
        """Call `answer` with the items and the milliseconds it took to answer them, and move the focus on.

        Parameters
        ----------
        targets : pool indices; by default those of the selected items, or else of the focused one.
        """
        shown, targets = self._shown_items, self.targets if targets is None else targets
        spent = min(MAX_ANSWER_TIME, round(1000 * max(0.0, self._key_time - self._answer_started)))
        self._answer_started = self._key_time
        try:
            answer(targets, spent)
        except UsageError as error:
            self.show_status(str(error), "warn")
            return
        events = [event for index in targets if (event := self.session.answer_at(index)) is not None]
        self.state.unsaved.update(event.key for event in events)
        self._forget_selection(targets)
        if not self._early_keys:
            self.show_trouble()
        self._early_keys = 0 if tuple(self.items) == shown else self._early_keys
        self.advance()
        self.refresh_view()

    def _forget_selection(self, targets: Sequence[int]) -> None:
        """Select nothing after a key about some items, but remember them should that key be undone."""
        together = self.acts_on_selection
        self._answered_together = frozenset(targets) if together else frozenset()
        self.selection.remove(self.selection.items if together else targets)
        self._show_keys()

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

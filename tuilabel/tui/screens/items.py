"""A page of images, one in focus, one key an answer: what labelling, by-class, review and history share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Literal

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen

from tuilabel.errors import UsageError, printable
from tuilabel.learner.messages import Failure, Inspection
from tuilabel.learner.messages import Message as TrainerMessage
from tuilabel.tui.actions import bindings_of, footer_of
from tuilabel.tui.shared import Shared
from tuilabel.tui.widgets.grid import NOT_SEEN, GridCell, ImageGrid
from tuilabel.tui.widgets.large import LargeView
from tuilabel.tui.widgets.lines import TextLine

LONGEST = 3_600_000  # milliseconds an answer can have taken: whoever comes back after lunch has not looked for an hour


class ItemScreen(Screen[bool]):
    """Shows items of the pool as a grid or one of them large, and passes answers to the session.

    A key answers only what was on the screen when it was typed: each key carries the moment it arrived, and one
    that came before its images went to the terminal is dropped with a word.

    Subclasses say which items there are (`items`), what stands under each (`caption`), and what is special about their
    commands.
    """

    NAME = ""
    """Of the screen in the registry of actions."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self.shared = shared
        self.session = shared.session
        self.focused_item = 0
        self._shown_items: tuple[int, ...] = ()
        self._asked_at = 0.0
        self._early_keys = 0
        self._key_time = 0.0
        self._large_on = False
        self._head = TextLine(id="head")
        self._grid = ImageGrid(shared.image_of, shared.shape, shared.pictures, id="grid")
        self._large = LargeView(shared, id="large")
        self._status = TextLine(id="status")
        self._key_line = TextLine(id="keys")
        for binding in bindings_of(self.NAME, shared.actions):
            self._bindings.key_to_bindings[binding.key] = [binding]

    def compose(self) -> ComposeResult:
        yield self._head
        with Horizontal(id="middle"):
            yield self._grid
            yield self._large
        yield self._status
        yield self._key_line

    def on_mount(self) -> None:
        self._large.display = False
        self._show_keys()
        self.refresh_view()

    def on_resize(self, _: events.Resize) -> None:
        self._show_keys()

    def on_screen_resume(self) -> None:
        if self.is_mounted:
            self._show_keys()  # a dialog may have changed the classes
            self.refresh_view()

    # -- for subclasses ------------------------------------------------------------------------------------------

    @property
    def items(self) -> Sequence[int]:
        """Pool indices of the items that are shown."""
        raise NotImplementedError

    def caption(self, position: int) -> tuple[str, str]:
        """What stands under item `position`, and how it is meant (a look of the grid)."""
        index = self.items[position]
        event = self.session.answer_at(index)
        if event is None:
            return "·", "prediction"
        look = "saving" if event.key in self.shared.unsaved else "saved"
        note = " …" if self.session.note_on(index) else ""
        match event.kind:
            case "label":
                return f"✓ {event.class_name}{note}", look
            case "skip":
                return f"skipped{note}", "aside"
            case _:
                return f"⚑ flagged{note}", "aside"

    def heading(self) -> list[tuple[str, str]]:
        """The first line, after the program's name."""
        raise NotImplementedError

    def empty_text(self) -> str:
        """What stands in place of images where there are none."""
        raise NotImplementedError

    def give_label(self, position: int, class_index: int, milliseconds: int) -> None:
        """Label item `position`."""
        self.session.answer_item(
            self.items[position], "label", class_index, milliseconds=milliseconds, strategy=self.NAME
        )

    def is_done(self, position: int) -> bool:
        """Whether the focus passes over item `position` when it moves on."""
        return self.session.answer_at(self.items[position]) is not None

    # -- keys ----------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A class key labels the item in focus; other letters and digits get a word, never an action."""
        self._key_time = event.time
        character = event.character
        if character is None or not character.isalnum():
            return
        event.stop()
        event.prevent_default()
        class_index = self.shared.class_of_key(character)
        if class_index is None:
            self.tell(f"{character} is no class key", "warn")
        else:
            self.label_focused(class_index)

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text labels nothing: whoever pastes has not looked at the images."""
        event.stop()
        self.tell(f"{len(event.text)} pasted characters were not taken as labels", "warn")

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
            answer = partial(self.session.answer_item, self.items[self.focused_item], kind, strategy=self.NAME)
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
            self.tell(nothing, "dim")
            return
        item = step()
        self.tell(done, "dim")
        self.refresh_view(getattr(item, "index", None))

    def action_withdraw(self) -> None:
        """Take back the answer to the item in focus."""
        if self.may_answer():
            index = self.items[self.focused_item]
            if self.session.answer_at(index) is None:
                self.tell("nothing to take back here", "dim")
                return
            self.session.withdraw(index)
            self.tell("took back the answer", "dim")
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
                self.tell("noted" if text else "the note is gone", "dim")
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

        self.app.push_screen(PickClass("Label this image as", self.shared), answer)

    def action_classes(self) -> None:
        """Add, rename, merge classes."""
        from tuilabel.tui.screens.classes import ClassesScreen

        self.app.push_screen(ClassesScreen(self.shared), lambda _: self.refresh_view())

    def action_help(self) -> None:
        """Show what the keys do."""
        from tuilabel.tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.shared, self.NAME))

    async def run_from_palette(self, action: str) -> None:
        """Run a command that was chosen by name: whoever chose it has seen the images."""
        self._key_time = monotonic()
        await self.run_action(action)

    # -- moving and looking --------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """Move the focus along the items."""
        self._focus(max(0, min(len(self.items) - 1, self.focused_item + step)))

    def action_move_row(self, step: int) -> None:
        """Move the focus up or down a row."""
        layout = self._grid.layout_now
        if self._large_on:
            self.action_move(step)
        elif layout is not None:
            self._focus(self.focused_item + step * layout.columns)

    def action_move_page(self, step: int) -> None:
        """Move the focus a page."""
        layout = self._grid.layout_now
        if layout is not None and self.items:
            self._focus(max(0, min(len(self.items) - 1, self.focused_item + step * layout.per_page)))

    def _focus(self, position: int) -> None:
        if 0 <= position < len(self.items):
            self.focused_item = position
            self._show_items()
            if self._large_on:
                self._show_head()

    def action_large(self) -> None:
        """One image large, or the grid again."""
        self.show_large(not self._large_on)

    def show_large(self, on: bool) -> None:
        """Show the item in focus large, or all as a grid."""
        self._large_on = on
        self._large.display = on
        self._grid.display = not on
        self._large.reset_zoom()
        self.refresh_view()

    def action_back(self) -> None:
        """Back to the grid, or to the screen before."""
        if self._large_on:
            self.show_large(False)
        elif len(self.app.screen_stack) > 1 and self.app.screen is self:
            self.dismiss(False)

    def action_zoom(self, step: int) -> None:
        """Enlarge the large image, or show more of it."""
        if not self._large_on:
            self.show_large(True)
        self._large.zoom(step)

    def action_pan(self, x: int, y: int) -> None:
        """Move the enlarged part."""
        self._large.pan(x, y)

    @on(ImageGrid.Clicked)
    def _focus_clicked(self, message: ImageGrid.Clicked) -> None:
        if message.control is self._grid:
            self._focus(message.position)

    # -- answering -----------------------------------------------------------------------------------------------

    @property
    def seen_at(self) -> float:
        """The moment at which what is shown now went to the terminal."""
        return self._large.seen_at if self._large_on else self._grid.seen_at

    def may_answer(self) -> bool:
        """Whether the key now handled was typed at the images on the screen, and answers can be saved."""
        if self.refuse_while_unsaved():
            return False
        if not self.items or self._key_time < self.seen_at:
            if self.items and not (self._large if self._large_on else self._grid).has_room:
                self.tell("too small to show images: enlarge the terminal", "warn")
                return False
            self._early_keys += 1
            plural = "key" if self._early_keys == 1 else "keys"
            self.tell(f"{self._early_keys} {plural} came too early, before the images: not taken as labels", "warn")
            return False
        return True

    def refuse_while_unsaved(self) -> bool:
        """Say so where the disk takes nothing."""
        if self.shared.save_failure is not None:
            self.tell(self.shared.save_failure, "error")
        return self.shared.save_failure is not None

    def answered(self, answer: Callable[[int], object]) -> None:
        """Carry out `answer` with the milliseconds it took, and move on."""
        shown, index = self._shown_items, self.items[self.focused_item]
        spent = min(LONGEST, round(1000 * max(0.0, self._key_time - self._asked_at)))
        self._asked_at = self._key_time
        try:
            answer(spent)
        except UsageError as error:
            self.tell(str(error), "warn")
            return
        event = self.session.answer_at(index)
        if event is not None:
            self.shared.unsaved.add(event.key)
        if not self._early_keys:
            self.tell_trouble()
        self._early_keys = 0 if tuple(self.items) == shown else self._early_keys
        self.advance()
        self.refresh_view()

    def advance(self) -> None:
        """To the next item without an answer, from here on and round to the start."""
        n = len(self.items)
        order = [*range(self.focused_item + 1, n), *range(min(n, self.focused_item))]
        self.focused_item = next((p for p in order if not self.is_done(p)), min(self.focused_item, max(0, n - 1)))

    # -- what others say -----------------------------------------------------------------------------------------

    def take_in(self, message: TrainerMessage) -> None:
        """The session has heard a message of the trainer."""
        if isinstance(message, Failure):
            self.tell_trouble()
        if isinstance(message, Inspection):
            self._show_large()
            return
        self.refresh_view()

    def mark_saved(self) -> None:
        """Some answers have reached the disk."""
        self._show_items()

    def tell(self, text: str, look: str = "text") -> None:
        """Show a word in the status line, until the next answer."""
        self._status.say((text, look))

    def tell_trouble(self) -> None:
        """Say what is wrong with the trainer; nothing where it is well."""
        if self.session.trouble is not None:
            self.tell(f"{self.session.trouble}; labels are safe", "warn")
        elif self._status.text:
            self.tell("", "dim")

    def displayed(self, at: float) -> None:
        """The screen has been written to the terminal at `at`, a monotonic time in seconds."""
        unseen = self.seen_at == NOT_SEEN
        self._grid.displayed(at)
        self._large.displayed(at)
        if unseen and self.seen_at != NOT_SEEN:
            self._asked_at = at  # keys that came too early may still be waiting: their count goes on

    # -- showing -------------------------------------------------------------------------------------------------

    def refresh_view(self, index: int | None = None) -> None:
        """Bring everything on the screen up to the session's state, with the focus on item `index` if it is shown."""
        items = tuple(self.items)
        if items != self._shown_items:
            before = self._shown_items[self.focused_item] if self.focused_item < len(self._shown_items) else None
            self._shown_items = items
            if before in items:
                self.focused_item = items.index(before)
            else:
                self.focused_item = next((p for p in range(len(items)) if not self.is_done(p)), 0)
        if index is not None and index in items:
            self.focused_item = items.index(index)
        self._show_items()
        self._show_head()

    def _show_items(self) -> None:
        if not self._shown_items:
            self._grid.say(self.empty_text())
        else:
            cells = [GridCell(index, *self.caption(position)) for position, index in enumerate(self._shown_items)]
            self._grid.show(cells, self.focused_item)
        self._show_large()

    def _show_large(self) -> None:
        if not self._large_on:
            return
        if not self._shown_items:
            self.show_large(False)
            return
        self._large.show(self._shown_items[self.focused_item], *self.caption(self.focused_item))

    @on(ImageGrid.Arranged)
    def _show_head(self) -> None:
        page, pages = self._grid.page
        paged = [(f"  ·  page {page} of {pages}", "text")] if pages > 1 and not self._large_on else []
        heading, place = self.heading(), []
        if self._large_on and self._shown_items:
            file = self._file_of(self._shown_items[self.focused_item])
            heading = heading[:1] if file else heading  # the file's name needs the room
            place = [(f"  ·  image {self.focused_item + 1} of {len(self._shown_items)}", "text")]
            place += [(f"  ·  {text}", "dim") for text in file]
        self._head.say(("tuilabel", "strong"), *heading, *paged, *place)

    def _file_of(self, index: int) -> list[str]:
        """What is known of an item's file: its name, its size, its copies."""
        pool = self.session.pool
        if not pool.grows:
            return []
        names = pool.files.names(index)
        width, height = pool.size_of(index)
        copies = [f"{len(names)} files with this content"] if len(names) > 1 else []
        return [printable(names[0] if names else f"{pool.files.last_name(index)} (gone)"), f"{width}×{height}", *copies]

    def _show_keys(self) -> None:
        keys = [key for key in self.shared.keys if key]
        label = f"{keys[0]}–{keys[-1]}" if len(keys) > 2 else " ".join(keys)
        footer = [(label, "label"), *footer_of(self.NAME, self.shared.actions)]
        while len(footer) > 3 and sum(cell_len(f"{key} {word}  ") for key, word in footer) > self.app.size.width + 1:
            del footer[-3]  # help and quit stay
        pieces = []
        for key, word in footer:
            pieces += [(key, "key"), (f" {word}  ", "dim")]
        self._key_line.say(*pieces)

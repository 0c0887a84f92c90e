"""The parts of a page of images, and what is said about them: captions, the first line, messages, keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.geometry import Size
from textual.screen import Screen

from tuilabel.errors import printable
from tuilabel.session import Belief
from tuilabel.tui._textual_internals import set_bindings
from tuilabel.tui.actions import bindings_of, footer_of
from tuilabel.tui.chips import Chip, session_chips
from tuilabel.tui.keys import best_key
from tuilabel.tui.layout import GLYPH_SIZE, Arrangement
from tuilabel.tui.names import MIN_WIDTH, cut, short_names
from tuilabel.tui.selection import Selection
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import SELECTED, ImageGrid
from tuilabel.tui.widgets.large import LargeView
from tuilabel.tui.widgets.lines import TextLine
from tuilabel.tui.widgets.picture import Picture

FEW_CLASSES = 2  # whose keys are listed one by one
NAME_ROOM = 20  # columns for the name of a class in a caption, before there is a layout
BESIDE_NAME = 8  # columns of a caption that are not the name


class PageBase(Screen[bool]):
    """The widgets of a page, and hooks for the screens that show one."""

    NAME = ""
    """Name of the screen in the registry of commands."""
    ONE_AT_A_TIME: ClassVar[bool] = True
    """Whether the focused image may be shown alone, above a film strip of the others."""
    ESCAPE: ClassVar[str] = "unselect"
    """What Esc does while items are selected."""

    TITLE_OF_PAGE: ClassVar[str] = "Images"
    """What the help calls the page."""
    HELP: ClassVar[str] = "A class key labels the highlighted image and goes on to the next one."
    """What the help says of it."""

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self.state = state
        self.session = state.session
        self.focused_item = 0
        self.selection = Selection()
        """The items that a key is about, by pool index; none for the focused one alone."""
        self._range_start = 0
        self._shown_items: tuple[int, ...] = ()
        self._large_on, self._alone_over_page = False, False
        self._arrangement = Arrangement(GLYPH_SIZE)
        self._wheel_turned = 0.0
        self._room_in_cell = self._name_room = NAME_ROOM
        """Columns that captions of cells, and the caption that is being made, have for the name of a class."""
        self._lifted = 0
        """Lines by which the grid is scrolled up, above a dialog."""
        self._head = TextLine(id="head")
        self._page = Container(id="page")
        self._picture = Picture(state.pictures, id="picture")
        self._grid = ImageGrid(state.images.image, state.shape, state.pictures, id="grid")
        self._large = LargeView(state, id="large")
        self._status = TextLine(id="status")
        self._key_line = TextLine(id="keys")
        set_bindings(self, bindings_of(self.NAME, state.actions))

    def compose(self) -> ComposeResult:
        yield self._head
        with Horizontal(id="middle"):
            yield from self.compose_images()
        yield self._status
        yield self._key_line

    def compose_images(self) -> ComposeResult:
        """The page, with the focused image and the grid, and in its place the large view."""
        self._large.display = self._picture.display = False
        with self._page:
            yield self._picture
            yield self._grid
        yield self._large

    # -- for subclasses ----------------------------------------------------------------------------------------------

    @property
    def items(self) -> Sequence[int]:
        """Pool indices of the items shown."""
        raise NotImplementedError

    def caption(self, position: int) -> tuple[str, str]:
        """The caption of the item at `position`, and its style (a component class of the grid)."""
        index = self.items[position]
        event = self.session.answer_at(index)
        if event is None:
            return "·", "prediction"
        style = "saving" if event.key in self.state.unsaved else "saved"
        note = " …" if self.session.note_on(index) else ""
        flag = " ⚑" if self.session.flag_on(index) else ""
        match event.kind:
            case "label":
                return f"{self.state.tick(event.key)} {self.named(event.class_name or '')}{flag}{note}", style
            case "skip":
                return f"skipped{flag}{note}", "aside"
            case _:
                return f"⚑ flagged{note}", "aside"

    def belief(self, position: int) -> Belief | None:
        """What the model behind the caption at `position` believes; None to show what the newest model does."""
        del position
        return None

    def enter_class(self, position: int) -> int | None:
        """The position of the class that Enter writes for the item at `position`; None if it writes none."""
        del position
        return None

    def enter_hint(self, position: int) -> str:
        """What Enter writes for the item at `position`, in a few words; empty if there is nothing to say."""
        del position
        return ""

    def heading(self) -> list[tuple[str, str]]:
        """The first line, after the name of the program: (text, style) pairs."""
        raise NotImplementedError

    def chips(self) -> list[Chip]:
        """The states that stand at the right end of the first line."""
        if not self.state.pictures.drawn_by_terminal:
            return []
        key = next(action.shown_keys for action in self.state.actions if action.name == "graphics")
        return [Chip(f"{key} blocks", weight=3)]  # at hand where a terminal shows nonsense in place of images

    def empty_text(self) -> str:
        """What is shown in place of images when there are none."""
        raise NotImplementedError

    def is_done(self, position: int) -> bool:
        """Whether the focus passes over the item at `position` when it moves on."""
        return self.session.answer_at(self.items[position]) is not None

    @property
    def acts_on_selection(self) -> bool:
        """Whether a key is about the selected items, and not about the focused one alone."""
        return bool(self.selection)

    @property
    def targets(self) -> list[int]:
        """Pool indices of the items that a key is about: the selected ones, or else the focused one."""
        items = self._shown_items
        if not self.acts_on_selection:
            return [items[self.focused_item]]
        return [*(i for i in items if i in self.selection), *sorted(self.selection.items.difference(items))]

    @property
    def room(self) -> tuple[int, int]:
        """Columns and rows for images."""
        width, height = self.screen_size
        return width, height - 3  # without the lines above and below

    @property
    def screen_size(self) -> Size:
        """The size of the screen, also before it is shown."""
        return self.size or self.app.size

    @property
    def _one_at_a_time(self) -> bool:
        """Whether only the focused image can be judged: large, or above a film strip."""
        return self._large_on or self._arrangement.strip is not None

    @property
    def seen_at(self) -> float:
        """The time at which the images now shown were written to the terminal."""
        return self._judged.seen_at

    @property
    def _judged(self) -> LargeView | Picture | ImageGrid:
        """The widget that shows the images which keys are about."""
        if self._large_on:
            return self._large
        return self._grid if self._arrangement.strip is None else self._picture

    def items_after(self) -> Sequence[int]:
        """Pool indices of items that may be shown next, when all of these are done."""
        return ()

    def next_page(self) -> Sequence[int]:
        """Pool indices of all items that may then be in the grid, whose pictures are to be ready."""
        return ()

    # -- words -------------------------------------------------------------------------------------------------------

    def show_status(self, text: str, style: str = "text") -> None:
        """Show a message in the status line, until the next answer."""
        self._status.set_text((text, style))

    def show_trouble(self) -> None:
        """Show what is wrong with the trainer, or clear the status line."""
        failure, doing = self.session.trainer_failure, self.session.trainer_state.doing
        if failure is not None and doing in ("stopped", "overdue"):
            key = next(action.shown_keys for action in self.state.actions if action.name == "restart-trainer")
            until = "from now on" if doing == "stopped" else "meanwhile"
            self.show_status(f"Random batches {until}, {key} restarts the trainer: {failure}", "warn")
        elif failure is not None:
            self.show_status(f"{failure}; your labels are safe", "warn")
        elif self._status.text:
            self.show_status("", "dim")

    def refuse_unreadable(self) -> bool:
        """Whether a key is about an image that cannot be shown; the reason is."""
        unreadable = self.state.unreadable
        reasons = [unreadable[index] for index in self.targets if index in unreadable] if unreadable else []
        if reasons:
            self.show_status(f"Cannot show this image: {reasons[0]}", "error")
        return bool(reasons)

    def _fit_names_to_cells(self) -> bool:
        """Shorten names of classes in captions to the width of a cell; returns whether that has changed."""
        layout, before = self._grid.current_layout, self._room_in_cell
        self._room_in_cell = before if layout is None else max(MIN_WIDTH, layout.cell_width - BESIDE_NAME)
        self._name_room = self._room_in_cell
        return self._room_in_cell != before

    def named(self, name: str) -> str:
        """A class in a caption: its name, or if that is too long, what tells it from other classes."""
        if cell_len(name) <= self._name_room:
            return printable(name)
        classes = self.session.classes
        names = short_names(classes, self._name_room)
        return names[classes.index(name)] if name in classes else cut(name, self._name_room)

    def _focused_caption(self) -> str:
        judged = self._large.picture if self._large_on else self._picture
        width = judged.size.width or self.screen_size.width // 2  # before it is shown
        self._name_room = max(MIN_WIDTH, (width - 2 * BESIDE_NAME) // 2)
        caption = self.caption(self.focused_item)[0]
        return f"{SELECTED} {caption}" if self._shown_items[self.focused_item] in self.selection else caption

    @on(ImageGrid.LayoutChanged)
    def _show_head(self) -> None:
        page, pages = self._grid.page
        heading, chips = self.heading(), self.chips()
        if self.acts_on_selection:
            chips.append(Chip(f"{len(self.selection)} selected", "chip-on", 9))
        if self._one_at_a_time and self._shown_items:
            chips.append(Chip(f"image {self.focused_item + 1} of {len(self._shown_items)}", weight=7))
        elif pages > 1:
            chips.append(Chip(f"page {page} of {pages}", weight=7))
        if self._large_on and self._shown_items:
            file = self._file_of(self._shown_items[self.focused_item])
            heading = heading[:1] if file else heading  # the file name needs the space
            heading = [*heading, *((f"  ·  {text}", "dim") for text in file)]
        chips += session_chips(
            self.session, unsaved=len(self.state.unsaved), failed=self.state.save_failure is not None
        )
        self._head.set_text(("tuilabel", "strong"), *heading, chips=chips)

    def _file_of(self, index: int) -> list[str]:
        """An item's file: its name, its size and its number of copies; empty for built-in datasets."""
        pool = self.session.pool
        if not pool.can_grow:
            return []
        names = pool.files.names(index)
        width, height = pool.size_of(index)
        copies = [f"{len(names)} files with this content"] if len(names) > 1 else []
        return [printable(names[0] if names else f"{pool.files.last_name(index)} (gone)"), f"{width}×{height}", *copies]

    def _class_key_hint(self) -> tuple[str, str]:
        keys = self.state.keys
        if not keys:
            return "a–z", "new class"
        best = [key[0] if len(keys) > FEW_CLASSES else best_key(key) for key in keys if key]
        return f"{best[0]}–{best[-1]}" if len(keys) > FEW_CLASSES else " ".join(best), "label"

    def _show_keys(self) -> None:
        label = self._class_key_hint()
        if self.acts_on_selection and self.state.keys:
            label = (label[0], f"label {len(self.selection)} selected")
        selected = [("Esc", self.ESCAPE)] if self.acts_on_selection else []
        footer = [label, *selected, *footer_of(self.NAME, self.state.actions)]
        while len(footer) > 3 and sum(cell_len(f"{key} {word}  ") for key, word in footer) > self.app.size.width + 1:
            del footer[-3]  # but keep help and quit
        pieces = []
        for key, word in footer:
            pieces += [(key, "key"), (f" {word}  ", "dim")]
        self._key_line.set_text(*pieces)

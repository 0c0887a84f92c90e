"""A page of images, one of them focused, and moving around in it: the base of the screens that show images."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.geometry import Size
from textual.screen import Screen

from tuilabel.encoders.titles import title_of
from tuilabel.errors import printable
from tuilabel.learner.trainer.messages import Failure, Inspection, Notice, PoolChanged
from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.session import Belief
from tuilabel.terminal import GRAPHICS
from tuilabel.tui._textual_internals import set_bindings
from tuilabel.tui.actions import action_of, bindings_of, footer_of
from tuilabel.tui.chips import Chip, session_chips
from tuilabel.tui.image_loader import Wanted
from tuilabel.tui.keys import best_key
from tuilabel.tui.layout import GLYPH_SIZE, ONE, SIZES, WIDE, Arrangement, arrange, grid_layout
from tuilabel.tui.names import MIN_WIDTH, cut, short_names
from tuilabel.tui.screens.help import HelpScreen, ViewHelp
from tuilabel.tui.selection import Selection
from tuilabel.tui.state import AUTO, AppState
from tuilabel.tui.widgets.grid import SELECTED, GridCell, ImageGrid
from tuilabel.tui.widgets.large import LargeView
from tuilabel.tui.widgets.lines import TextLine
from tuilabel.tui.widgets.picture import Picture, PoolItem

MIN_PAGE = 3  # images on a page of a grid; fewer look better one at a time
FEW_CLASSES = 2  # whose keys are listed one by one
NAME_ROOM = 20  # columns for the name of a class in a caption, before there is a layout
BESIDE_NAME = 8  # columns of a caption that are not the name
AHEAD = 4  # images drawn before they are in focus
WHEEL_PAUSE = 0.08  # seconds between two turns of the mouse wheel that count: touchpads send many at once


class ImagePageScreen(Screen[bool]):
    """Shows items of the pool as a grid, or the focused one large.

    Subclasses define the items (`items`), the caption of each (`caption`) and the first line (`heading`).
    """

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

    def on_mount(self) -> None:
        self._divide_room()
        self._show_keys()
        self.refresh_view()

    def on_resize(self, _: events.Resize) -> None:
        self._show_keys()
        self._divide_room()
        self.call_after_refresh(self._load_ahead)

    def on_screen_resume(self) -> None:
        if self.is_mounted:
            self.make_room(0)
            self._show_keys()  # a dialog may have changed the classes
            self.refresh_view()

    # -- for subclasses ------------------------------------------------------------------------------------------

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

    def may_select(self, at: float | None = None) -> bool:
        """Whether the images were on the screen when the current key was typed, or the mouse was used at a time."""
        return bool(self._shown_items) and (at is None or at >= self.seen_at)

    def to_select(self, positions: Sequence[int]) -> list[int]:
        """Pool indices of what is selected of whole rows or pages: items without an answer, or else all of them."""
        left = [p for p in positions if not self.is_done(p)]
        return [self._shown_items[p] for p in left or positions]

    # -- sizes -------------------------------------------------------------------------------------------------

    @property
    def room(self) -> tuple[int, int]:
        """Columns and rows for images."""
        width, height = self.screen_size
        return width, height - 3  # without the lines above and below

    @property
    def screen_size(self) -> Size:
        """The size of the screen, also before it is shown."""
        return self.size or self.app.size

    def _arranged(self, size: int) -> Arrangement:
        width, height = self.room
        wide = self.screen_size.width >= WIDE
        return arrange(width, height, len(self._shown_items), *self.state.shape, size, self.state.detail, wide=wide)

    def _divide_room(self) -> None:
        """Divide the room between the grid and the focused image."""
        now = self._arranged(self.state.size_on(self.NAME))
        if now == self._arrangement:
            return
        self._arrangement = now
        self._page.set_class(now.strip is not None, "strip")
        self._picture.display = now.strip is not None or now.preview > 0
        self._grid.display = now.strip != 0
        self._grid.styles.height = now.strip or "1fr"
        self._picture.styles.width = now.preview or "1fr"
        self._grid.set_size(now.size, strip=now.strip is not None)
        self.call_after_refresh(self._load_ahead)  # then the widgets have their sizes

    def make_room(self, rows: int) -> None:
        """Keep the focused image visible above a dialog that covers the last `rows` lines of the screen; 0 without.

        A page of a grid scrolls up as far as it must, an image shown large becomes smaller, a film strip is covered.
        """
        top = self.screen_size.height - rows
        for picture in (self._picture, self._large.picture):
            shortened = picture.styles.margin.bottom
            if rows and (shortened or picture.region.y + picture.end > top):
                picture.styles.margin = (0, 0, max(0, picture.region.bottom + shortened - top), 0)
            elif not rows:
                picture.styles.margin = 0
        scrolls = rows and self._arrangement.strip is None
        self._lifted = max(0, self._grid.region.y + self._lifted + self._grid.focus_end - top) if scrolls else 0
        self._grid.styles.offset = (0, -self._lifted)

    @property
    def _one_at_a_time(self) -> bool:
        """Whether only the focused image can be judged: large, or above a film strip."""
        return self._large_on or self._arrangement.strip is not None

    def action_size(self, step: int) -> None:
        """Make the images larger or smaller, on this screen from now on."""
        if self._large_on:
            self._large.zoom(step)
            return
        size = self.state.size_on(self.NAME)
        before = self._looks(size)
        sizes = [*SIZES, ONE] if self.ONE_AT_A_TIME else [*SIZES]
        at = sizes.index(size) if size in sizes else bisect(SIZES, size) - (step > 0)
        for other in sizes[at + 1 :] if step > 0 else sizes[:at][::-1]:
            after = self._looks(other)
            if after != before and (other == ONE or not self.ONE_AT_A_TIME or after[1] >= MIN_PAGE):
                self.state.choose_size(self.NAME, other)
                self.refresh_view()
                return
        self.show_status(f"The images cannot be {'larger' if step > 0 else 'smaller'} here", "dim")

    def _looks(self, size: int) -> tuple[int | None, int]:
        """What a size changes: the film strip, and the number of cells on a page."""
        width, height = self.room
        to_be = self._arranged(size)
        cells = grid_layout(
            width - to_be.preview, height, max(1, len(self._shown_items)), *self.state.shape, to_be.size
        )
        return to_be.strip, 0 if size == ONE else cells.per_page

    # -- navigation -------------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """Move the focus along the items."""
        self._focus(max(0, min(len(self.items) - 1, self.focused_item + step)))

    def action_move_row(self, step: int) -> None:
        """Move the focus up or down a row."""
        layout = self._grid.current_layout
        if self._one_at_a_time:
            self.action_move(step)
        elif layout is not None:
            self._focus(self.focused_item + step * layout.columns)

    def action_move_page(self, step: int) -> None:
        """Move the focus by a page."""
        layout = self._grid.current_layout
        if layout is not None and self.items:
            self._focus(max(0, min(len(self.items) - 1, self.focused_item + step * layout.per_page)))

    def _focus(self, position: int) -> None:
        self.selection.end()
        self._go_to(position)

    def _go_to(self, position: int) -> None:
        if 0 <= position < len(self.items):
            self.focused_item = position
            if self._large_on:
                self.selection.keep(self._shown_items)  # the neighbours of another image are shown
            self._show_items()
            self._show_head()

    def action_large(self) -> None:
        """Show the focused image large, or go back to the grid."""
        self.show_large(not self._large_on)

    def show_large(self, on: bool) -> None:
        """Show the focused item large, or all items as a grid."""
        self._large_on = on
        if not on:
            self.remove_class("alone")
        self._large.display = on
        self._page.display = not on
        self._large.reset_zoom()
        self.refresh_view()

    def action_alone(self) -> None:
        """Show the focused image alone on the whole screen, or go back."""
        alone = not self.has_class("alone")
        if alone:
            self._alone_over_page = not self._large_on
        self.set_class(alone, "alone")
        self.show_large(alone or not self._alone_over_page)

    def action_graphics(self) -> None:
        """Draw images as block characters, or let the terminal draw them again; the project remembers it."""
        if self.state.detected not in GRAPHICS:
            self.show_status("This terminal draws no images itself: they are characters already", "dim")
            return
        self.state.choose_images("blocks" if self.state.pictures.drawn_by_terminal else AUTO)
        for screen in self.app.screen_stack:
            if isinstance(screen, ImagePageScreen):
                screen.refresh_view()

    def action_back(self) -> None:
        """Go back to the grid, or to the previous screen."""
        if self.acts_on_selection:
            self.selection.clear()
            self.show_selection()
        elif self.has_class("alone"):
            self.action_alone()
        elif self._large_on:
            self.show_large(False)
        elif len(self.app.screen_stack) > 1 and self.app.screen is self:
            self.dismiss(False)
        else:
            self.show_status("There is nothing to go back from; Ctrl+Q quits", "dim")

    # -- selection --------------------------------------------------------------------------------------------

    def action_select(self, x: int, y: int) -> None:
        """Select the items from here on in a direction; in the large view neighbours, or pan the zoomed image."""
        if self._large_on and self._large.is_zoomed:
            self._large.pan(x, y)
        elif not self.may_select():
            return
        elif self._large_on and y:
            self._select_neighbours(y)
        else:
            layout = self._grid.current_layout
            row = 1 if self._one_at_a_time or layout is None else layout.columns
            self._select_to(self.focused_item + x + y * row)

    def action_select_page(self) -> None:
        """Select the items of the page that have no answer, or take them out if all of them are selected."""
        if self._large_on:
            self.show_status("Press Esc to show the page first: only images on the screen are selected", "warn")
        elif self.may_select():
            self.selection.toggle(self.to_select(self._grid.on_page))
            self.show_selection()

    def show_selection(self) -> None:
        """Show what is selected."""
        self._show_keys()
        self._show_head()
        self._show_items()

    def _select_to(self, position: int) -> None:
        """Select the items from the start of the range to a position, and move the focus there."""
        position = max(0, min(len(self._shown_items) - 1, position))
        if not self.selection.has_range:
            self._begin_range(self.focused_item)
        low, high = sorted((self._range_start, position))
        self._cover_range(range(low, high + 1))
        self._go_to(position)
        self._show_keys()

    def _begin_range(self, position: int) -> None:
        self._range_start = position
        self.selection.begin(self._shown_items[position])

    def _cover_range(self, positions: Sequence[int]) -> None:
        """Make the range consist of items; one that begins on an item without an answer leaves out those with one."""
        items = [self._shown_items[position] for position in positions]
        if self.session.answer_at(self._shown_items[self._range_start]) is None:
            items = [index for index in items if self.session.answer_at(index) is None]
        self.selection.cover(items)

    def _select_neighbours(self, step: int) -> None:
        """Select the focused image and one more, or one fewer, of the nearest images without an answer."""
        near = [index for index in self._large.neighbours if self.session.answer_at(index) is None]
        if not near:
            self.show_status("No unlabelled neighbours are shown", "dim")
            return
        count = sum(index in self.selection for index in near) + step
        focused = self._shown_items[self.focused_item]
        self.selection.remove([focused, *near])
        if count > 0:
            self.selection.add([focused, *near[:count]])
        self.show_selection()

    @on(ImageGrid.Clicked)
    def _on_clicked(self, message: ImageGrid.Clicked) -> None:
        may_select = self.may_select(message.time)
        if message.control is self._grid:
            if message.extends and may_select:
                self._select_to(message.position)
                return
            self._focus(message.position)
            if message.adds and may_select:
                self.selection.toggle([self._shown_items[message.position]])
                self.show_selection()
        elif self._large_on and may_select and message.position < len(self._large.neighbours):
            index = self._large.neighbours[message.position]
            if self.session.answer_at(index) is None:
                self.selection.toggle([index])
                if index in self.selection:
                    self.selection.add([self._shown_items[self.focused_item]])
                self.show_selection()

    @on(ImageGrid.Dragged)
    def _on_dragged(self, message: ImageGrid.Dragged) -> None:
        if message.control is self._grid and self.may_select(message.time):
            if not self.selection.has_range or self._range_start != message.start:
                self._begin_range(message.start)
            self._cover_range(message.positions)
            self._go_to(message.end)
            self._show_keys()

    def view_help(self) -> ViewHelp:
        """What the help says of the view in front."""
        zoom = {"larger", "smaller", "select-left", "select-right", "select-up", "select-down", "alone", "grid"}
        if self.has_class("alone"):
            return ViewHelp(
                "One image on the whole screen",
                "A class key labels it. Zoomed in, Shift and the arrow keys pan.",
                frozenset(zoom),
            )
        if self._large_on:
            return ViewHelp(
                "One image large",
                "A class key labels it. Next to it stand what the model believes, and the nearest images with their "
                "labels; Shift and the arrow keys select them, or pan the image when it is zoomed.",
                frozenset({*zoom, "view", "view-back", "large"}),
            )
        if self._arrangement.strip is not None:
            return ViewHelp(
                f"{self.TITLE_OF_PAGE}, one image at a time",
                f"{self.HELP} The others stand below as a film strip.",
            )
        return ViewHelp(self.TITLE_OF_PAGE, self.HELP)

    def action_help(self) -> None:
        """Show what this view is for and what the keys do."""
        self.app.push_screen(HelpScreen(self.state, self.NAME, self.view_help()))

    def action_settings(self) -> None:
        """Show the settings of the screen."""
        from tuilabel.tui.screens.settings import SettingsScreen

        self.app.push_screen(SettingsScreen(self.state, self))

    @on(TextLine.KeyClicked)
    async def _run_clicked(self, message: TextLine.KeyClicked) -> None:
        action = action_of(message.key, self.NAME, self.state.actions)
        if action is not None:
            await self.run_clicked(action.textual_action, message.clicked_at)

    async def run_clicked(self, action: str, at: float) -> None:
        """Run a command that was clicked at a monotonic time in seconds."""
        del at
        await self.run_action(action)

    def on_click(self, event: events.Click) -> None:
        """A double click on an image shows it large; on the large one it goes back."""
        plain = not (event.shift or event.ctrl or event.meta)
        if event.chain == 2 and plain and event.widget in (self._grid, self._picture, self._large.picture):
            self.show_large(event.widget is not self._large.picture)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go on by a page."""
        self._turn_wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go back by a page."""
        self._turn_wheel(event, -1)

    def _turn_wheel(self, event: events.MouseEvent, step: int) -> None:
        """Zoom the large image under the mouse, or else go to another page or image."""
        event.stop()
        if event.time - self._wheel_turned < WHEEL_PAUSE:
            return
        self._wheel_turned = event.time
        if self._large_on and self._large.picture.region.contains(event.screen_x, event.screen_y):
            self._large.zoom(-step)
        elif self._one_at_a_time:
            self.action_move(step)
        else:
            self.action_move_page(step)

    # -- updates ------------------------------------------------------------------------------------------------

    def handle(self, message: TrainerMessage) -> None:
        """Update the screen after the session has handled a message of the trainer."""
        match message:
            case Failure():
                self.show_trouble()
            case PoolChanged(encoder=encoder, reason=str(reason)):
                self.show_status(f"Now {title_of(encoder)}: {reason}")
            case Notice(text):
                self.show_status(text)
        if isinstance(message, Inspection):
            self._show_large()
            return
        self.refresh_view()

    def image_loaded(self, index: int) -> None:
        """Update the screen after a better version of an image has been loaded."""
        if index in self._shown_items:
            self._grid.sharpen()
            if index == self._shown_items[self.focused_item]:
                self._show_focused()
                self._show_large()

    def mark_saved(self) -> None:
        """Update the screen after answers have been saved."""
        self._show_items()
        self._show_head()

    def show_status(self, text: str, style: str = "text") -> None:
        """Show a message in the status line, until the next answer."""
        self._status.set_text((text, style))

    def show_trouble(self) -> None:
        """Show what is wrong with the trainer, or clear the status line."""
        failure = self.session.trainer_failure
        if failure is not None and self.session.trainer_state.doing == "stopped":
            key = next(action.shown_keys for action in self.state.actions if action.name == "restart-trainer")
            self.show_status(f"Random batches from now on, {key} restarts the trainer: {failure}", "warn")
        elif failure is not None:
            self.show_status(f"{failure}; your labels are safe", "warn")
        elif self._status.text:
            self.show_status("", "dim")

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

    def displayed(self, at: float) -> None:
        """The screen was written to the terminal at `at`, a monotonic time in seconds."""
        self._grid.displayed(at)
        self._picture.displayed(at)
        self._large.displayed(at)

    # -- display -------------------------------------------------------------------------------------------------

    def refresh_view(self, index: int | None = None) -> None:
        """Update the screen to the state of the session, with the focus on item `index` if it is shown."""
        items = tuple(self.items)
        if items != self._shown_items:
            before = self._shown_items[self.focused_item] if self.focused_item < len(self._shown_items) else None
            self._shown_items = items
            self.selection.keep(items)
            if before in items:
                self.focused_item = items.index(before)
            else:
                self.focused_item = next((p for p in range(len(items)) if not self.is_done(p)), 0)
        if index is not None and index in items:
            self.focused_item = items.index(index)
        if not self._large_on:
            self.selection.keep(items)
        self._divide_room()
        self._show_items()
        self._show_head()

    def _show_items(self) -> None:
        if not self._shown_items:
            self._grid.show_text(self.empty_text())
        else:
            self._fit_names_to_cells()
            cells = [
                GridCell(index, *self.caption(position), index in self.selection)
                for position, index in enumerate(self._shown_items)
            ]
            self._grid.show(cells, self.focused_item)
        self._show_focused()
        self._show_large()
        self._load_ahead()
        if self._shown_items:
            self.refuse_unreadable()

    def refuse_unreadable(self) -> bool:
        """Whether a key is about an image that cannot be shown; the reason is."""
        unreadable = self.state.unreadable
        reasons = [unreadable[index] for index in self.targets if index in unreadable] if unreadable else []
        if reasons:
            self.show_status(f"Cannot show this image: {reasons[0]}", "error")
        return bool(reasons)

    def _show_focused(self) -> None:
        if self._picture.display and self._shown_items:
            index = self._shown_items[self.focused_item]
            self._picture.show(self.state.images.image(index), self._focused_caption(), self._item(index))
        elif self._picture.display:
            self._picture.show(None, "")

    def _fit_names_to_cells(self) -> bool:
        """Shorten names of classes in captions to the width of a cell; returns whether that has changed."""
        layout, before = self._grid.current_layout, self._room_in_cell
        self._room_in_cell = before if layout is None else max(MIN_WIDTH, layout.cell_width - BESIDE_NAME)
        self._name_room = self._room_in_cell
        return self._room_in_cell != before

    @on(ImageGrid.LayoutChanged)
    def _fit_captions(self) -> None:
        if self._fit_names_to_cells() and self._shown_items:
            self._show_items()

    def named(self, name: str) -> str:
        """A class in a caption: its name, or if that is too long, what tells it from other classes."""
        if cell_len(name) <= self._name_room:
            return name
        classes = self.session.classes
        names = short_names(classes, self._name_room)
        return names[classes.index(name)] if name in classes else cut(name, self._name_room)

    def _focused_caption(self) -> str:
        judged = self._large.picture if self._large_on else self._picture
        width = judged.size.width or self.screen_size.width // 2  # before it is shown
        self._name_room = max(MIN_WIDTH, (width - 2 * BESIDE_NAME) // 2)
        caption = self.caption(self.focused_item)[0]
        return f"{SELECTED} {caption}" if self._shown_items[self.focused_item] in self.selection else caption

    def _item(self, index: int) -> PoolItem:
        return PoolItem(index, *self.state.file_size(index))

    def _load_ahead(self) -> None:
        """Load and draw what is shown and what comes next."""
        if not self._shown_items:
            return
        after = [p for p in self._next_positions() if p != self.focused_item]
        wanted = []
        focused = self._large if self._large_on else self._picture
        if focused.display and focused.has_room:
            indices = [self._shown_items[p] for p in (self.focused_item, *after[:AHEAD])]
            indices += self.items_after() if len(after) < AHEAD else []
            wanted += [Wanted(index, *focused.cells_of(self._item(index))) for index in indices]
        layout = self._grid.current_layout
        if layout is not None and self._grid.display and not self._large_on:
            page = self._grid.on_page
            cells = [*page, *range(page.stop, min(len(self._shown_items), page.stop + len(page)))]
            wanted += [Wanted(self._shown_items[p], layout.picture_columns, layout.picture_rows) for p in cells]
        self.state.images.want(wanted)

    def _next_positions(self) -> list[int]:
        """Positions in the order in which the focus comes to them."""
        n = len(self._shown_items)
        order = [*range(self.focused_item + 1, n), *range(self.focused_item)]
        return [p for p in order if not self.is_done(p)]

    def items_after(self) -> Sequence[int]:
        """Pool indices of items that may be shown next, when all of these are done."""
        return ()

    def _show_large(self) -> None:
        if not self._large_on:
            return
        if not self._shown_items:
            self.show_large(False)
            return
        caption, hint = self._focused_caption(), self.enter_hint(self.focused_item)
        self._large.show(
            self._shown_items[self.focused_item],
            f"{caption}  ·  {hint}" if hint else caption,
            self.belief(self.focused_item),
            self.selection.items,
            self.enter_class(self.focused_item),
        )

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

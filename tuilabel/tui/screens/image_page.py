"""A page of images, one of them focused, and moving around in it: the base of the screens that show images."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on

from tuilabel.terminal import GRAPHICS
from tuilabel.tui.actions import action_of
from tuilabel.tui.screens.help import HelpScreen, ViewHelp
from tuilabel.tui.screens.page_display import PageDisplay
from tuilabel.tui.state import AUTO
from tuilabel.tui.widgets.grid import ImageGrid
from tuilabel.tui.widgets.lines import TextLine

WHEEL_PAUSE = 0.08  # seconds between two turns of the mouse wheel that count: touchpads send many at once


class ImagePageScreen(PageDisplay):
    """Shows items of the pool as a grid, or the focused one large; keys and the mouse move the focus and select.

    Subclasses define the items (`items`), the caption of each (`caption`) and the first line (`heading`).
    """

    # -- navigation --------------------------------------------------------------------------------------------------

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

    # -- selection ---------------------------------------------------------------------------------------------------

    def may_select(self, at: float | None = None) -> bool:
        """Whether the images were on the screen when the current key was typed, or the mouse was used at a time."""
        return bool(self._shown_items) and (at is None or at >= self.seen_at)

    def to_select(self, positions: Sequence[int]) -> list[int]:
        """Pool indices of what is selected of whole rows or pages: items without an answer, or else all of them."""
        left = [p for p in positions if not self.is_done(p)]
        return [self._shown_items[p] for p in left or positions]

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

    # -- help and mouse ----------------------------------------------------------------------------------------------

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

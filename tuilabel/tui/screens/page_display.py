"""A page of images as it is laid out, drawn ahead and kept up to date."""

from __future__ import annotations

from bisect import bisect

from textual import events, on

from tuilabel.encoders.titles import title_of
from tuilabel.learner.trainer.messages import Failure, Inspection, Notice, PoolChanged
from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.tui.image_loader import Wanted
from tuilabel.tui.layout import ONE, SIZES, WIDE, Arrangement, arrange, grid_layout
from tuilabel.tui.screens.page_base import PageBase
from tuilabel.tui.widgets.grid import GridCell, ImageGrid
from tuilabel.tui.widgets.picture import PoolItem

MIN_PAGE = 3  # images on a page of a grid; fewer look better one at a time
AHEAD = 4  # images drawn before they are in focus


class PageDisplay(PageBase):
    """Divides the room between the grid, the focused image and the large view, and shows what the session knows."""

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

    # -- sizes -------------------------------------------------------------------------------------------------------

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

    def show_large(self, on: bool) -> None:
        """Show the focused item large, or all items as a grid."""
        self._large_on = on
        if not on:
            self.remove_class("alone")
        self._large.display = on
        self._page.display = not on
        self._large.reset_zoom()
        self.refresh_view()

    # -- updates -----------------------------------------------------------------------------------------------------

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
        """Update the screen after an image was loaded, or drawn ahead, for which others may have been dropped."""
        if not self._shown_items:
            return
        is_renewed = self._grid.renew()
        if index == self._shown_items[self.focused_item] or (is_renewed and index not in self._shown_items):
            self._show_focused()
            self._show_large()

    def mark_saved(self) -> None:
        """Update the screen after answers have been saved."""
        self._show_items()
        self._show_head()

    def displayed(self, at: float) -> None:
        """The screen was written to the terminal at `at`, a monotonic time in seconds."""
        self._grid.displayed(at)
        self._picture.displayed(at)
        self._large.displayed(at)

    # -- display -----------------------------------------------------------------------------------------------------

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

    def _show_focused(self) -> None:
        if self._picture.display and self._shown_items:
            index = self._shown_items[self.focused_item]
            self._picture.show(self.state.images.image(index), self._focused_caption(), self._item(index))
        elif self._picture.display:
            self._picture.show(None, "")

    @on(ImageGrid.LayoutChanged)
    def _fit_captions(self) -> None:
        if self._fit_names_to_cells() and self._shown_items:
            self._show_items()

    def _item(self, index: int) -> PoolItem:
        return PoolItem(index, *self.state.file_size(index))

    def _load_ahead(self) -> None:
        """Load and draw what is shown and what comes next."""
        if not self._shown_items:
            return
        after = [p for p in self._next_positions() if p != self.focused_item]
        wanted, later = [], []
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
            later = [Wanted(index, layout.picture_columns, layout.picture_rows) for index in self.next_page()]
        self.state.images.want(wanted, later)

    def _next_positions(self) -> list[int]:
        """Positions in the order in which the focus comes to them."""
        n = len(self._shown_items)
        order = [*range(self.focused_item + 1, n), *range(self.focused_item)]
        return [p for p in order if not self.is_done(p)]

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

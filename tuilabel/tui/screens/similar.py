"""More like this: the unlabelled images nearest to some images or to a text, labelled as a set."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from textual import on

from tuilabel.learner.trainer.messages import FoundItems
from tuilabel.learner.trainer.messages import Message as TrainerMessage
from tuilabel.tui.actions import SIMILAR
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import ImageGrid

LINE = 70  # characters of the lines that say why there are no images
N_IMAGES = 100  # requested at once, shown on as many pages as needed


class SimilarScreen(AnnotationScreen):
    """Unlabelled items, nearest first; those of a page are selected when it comes onto the screen.

    Predictions are not shown: the items are there because they look alike, and may be like an audit item.

    Parameters
    ----------
    like : pool indices of the items that they are to be like; those without an answer come first.
    text : what they are to show instead.
    """

    NAME = SIMILAR
    TITLE_OF_PAGE = "More like this"
    HELP = (
        "The unlabelled images most like one, all selected. Take out what differs, then one class key labels the rest."
    )
    ORIGIN = "similar"
    ESCAPE = "back"
    ONE_AT_A_TIME = False  # a key labels what is selected on the page

    def __init__(self, state: AppState, like: Sequence[int] = (), text: str = "") -> None:
        super().__init__(state)
        self._like, self._text = list(like), text
        self._first = [index for index in like if self.session.answer_at(index) is None]
        """Items that come before those found."""
        self._seen: set[int] = set()
        """What has been listed before."""
        self._found: FoundItems | None = None
        self._page_items: list[int] = []

    def on_mount(self) -> None:
        super().on_mount()
        self._request()
        self.show_status(
            "The key of a class labels all that are selected (◆); Space takes one out, & shows the next ones"
        )

    @property
    def items(self) -> Sequence[int]:
        """The items found, the nearest first."""
        return [] if self._found is None else [*self._first, *self._found.indices.tolist()]

    @property
    def acts_on_selection(self) -> bool:
        """Not while one image is shown large: the others were selected by the program, and are not on the screen."""
        return super().acts_on_selection and not self._large_on

    def show_large(self, on: bool) -> None:
        super().show_large(on)
        self._show_keys()

    def heading(self) -> list[tuple[str, str]]:
        if self._text:
            return [("  search", "dim"), (f"  “{self._text}”", "strong"), ("  ·  nearest first", "dim")]
        return [("  more like this", "dim"), (f"  {self._names()}", "strong"), ("  ·  nearest first", "dim")]

    def _names(self) -> str:
        if len(self._like) > 1:
            return f"{len(self._like)} images"
        name = self._file_of(self._like[0])[:1]
        return name[0] if name else ""

    def empty_text(self) -> str:
        if self._found is None:
            return "Finding images…"
        reason = self._found.error or "no other unlabelled images"
        return f"{fill(reason[:1].upper() + reason[1:], LINE)}\n\nPress Esc to go back."

    def action_take_out(self) -> None:
        """Take the focused item out of the selection, or put it back, and move on."""
        if self.may_answer():
            self.selection.toggle([self.items[self.focused_item]])
            self._go_to(min(len(self.items) - 1, self.focused_item + 1))
            self.show_selection()

    def action_similar(self) -> None:
        """Show the next page of items, whether or not those of this one are answered."""
        if not self.items:
            return
        if self._grid.on_page.stop < len(self.items):
            self._go_to(self._grid.on_page.stop)
        else:
            self._request()

    def action_back(self) -> None:
        if self._large_on:
            super().action_back()
        else:
            self.dismiss(False)

    def handle(self, message: TrainerMessage) -> None:
        if isinstance(message, FoundItems):
            self._found = self.session.model_queries.found
            self.refresh_view()
            return
        super().handle(message)

    def _next_positions(self) -> list[int]:
        """First what is left of the page: the others are less alike."""
        page = self._grid.on_page
        return sorted(super()._next_positions(), key=lambda position: position not in page)

    def advance(self) -> None:
        if all(self.is_done(position) for position in range(len(self.items))):
            self._request()
        else:
            super().advance()

    def _request(self) -> None:
        """Ask for the next images."""
        self._seen.update(self.items)
        queries = self.session.model_queries
        if self._seen:
            self._first = []
        if self._text:
            queries.ask_text(self._text, N_IMAGES, self._seen)
        else:
            queries.ask_similar(self._like, N_IMAGES, self._seen)
        self._found = queries.found  # a trainer in the same thread has replied already
        self.focused_item, self._page_items = 0, []
        self.refresh_view()

    @on(ImageGrid.LayoutChanged)
    def _show_items(self) -> None:
        """Select the items of a page that has just come onto the screen; what was taken out before stays out."""
        super()._show_items()
        page = [self.items[position] for position in self._grid.on_page if position < len(self.items)]
        if page == self._page_items:
            return
        kept = {index for index in self._page_items if index not in self.selection}
        self._page_items = page
        self.selection.clear()
        self.selection.add(i for i in page if i not in kept and self.session.answer_at(i) is None)
        self.show_selection()

"""The reference sheet: the guideline, and the clearest examples of each class."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Markdown, Static

from tuilabel.errors import TuilabelError
from tuilabel.estimate import confidence_text
from tuilabel.project.guideline import read_guideline
from tuilabel.session.examples import Example
from tuilabel.tui.keys import shown_keys
from tuilabel.tui.layout import FRAME_COLUMNS, FRAME_ROWS
from tuilabel.tui.state import AppState
from tuilabel.tui.widgets.grid import GridCell, ImageGrid
from tuilabel.tui.widgets.lines import TextLine

LEAST_ROWS, MOST_ROWS = 9, 16  # of an example, with its frame and its caption; else a third of the screen
REFRESH_INTERVAL = 1.0  # seconds
BESIDE = 4  # columns of the scroll bar and the margins
GROWTH = 1.2  # by which the labels must have grown for another judgement
WAYS = "A class key goes to its class · ↑↓ PgUp PgDn scroll · Esc goes back"


class ReferenceScreen(Screen[None]):
    """Shows what belongs to which class, from the guideline and from the user's own labels. It labels nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, "app.pop_screen", show=False) for key in ("escape", "number_sign")),
        *(
            Binding(key, f"scroll('{how}')", show=False)
            for key, how in (
                ("up", "up"), ("down", "down"), ("pageup", "page_up"), ("pagedown", "page_down"),
                ("space", "page_down"), ("home", "home"), ("end", "end"),
            )
        ),
    ]  # fmt: skip

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state, self._session = state, state.session
        self._head, self._hint = TextLine(id="head"), TextLine(id="keys")
        self._sheet = VerticalScroll(id="sheet", can_focus=False)
        self._sections = [ClassSection(state, class_pos) for class_pos in range(len(self._session.classes))]
        self._shown: list[list[Example]] | None = None

    def compose(self) -> ComposeResult:
        yield self._head
        with self._sheet:
            yield Markdown(self._guideline(), id="guideline", open_links=False)
            yield from self._sections
        yield self._hint

    def on_mount(self) -> None:
        self._hint.set_text((WAYS, "dim"))
        self._show_examples()
        self._judge()
        self.set_interval(REFRESH_INTERVAL, self._show_examples)

    def _judge(self) -> None:
        """Have models that did not learn the labels say which of them are clear, unless they have of late."""
        result, queries = self._session.result, self._session.model_queries
        judged = 0 if queries.out_of_fold is None else len(queries.out_of_fold.indices)
        if result is not None and result.n_labels > GROWTH * judged:
            queries.ask_review()

    def on_resize(self, _: events.Resize) -> None:
        self._shown = None
        self._show_examples()

    def on_key(self, event: events.Key) -> None:
        """A class key goes to its class."""
        if event.character is None or not event.character.isalnum():
            return
        event.stop()
        event.prevent_default()
        class_pos = self._state.class_of_key(event.character)
        if class_pos is not None and class_pos < len(self._sections):
            self._sheet.scroll_to_widget(self._sections[class_pos], top=True, animate=False)

    def action_scroll(self, how: str) -> None:
        """Scroll the sheet."""
        scroll = getattr(self._sheet, f"scroll_{how}")
        scroll(animate=False)

    def _guideline(self) -> str:
        path = self._state.guideline
        if path is None:
            return "*No guideline yet: `tuilabel label … --guideline FILE.md` shows one here.*"
        try:
            return read_guideline(path)
        except TuilabelError as error:
            return f"**{str(error).translate(_ESCAPED)}**"

    def _show_examples(self) -> None:
        rows = max(LEAST_ROWS, min(MOST_ROWS, self.app.size.height // 3))
        columns = 2 * (rows - FRAME_ROWS) + FRAME_COLUMNS
        per_class = max(1, (self.app.size.width - BESIDE) // columns)
        examples = self._session.model_queries.examples(per_class)
        if len(examples) != len(self._sections) or examples == self._shown:
            return
        self._shown = examples
        n = sum(map(bool, examples))
        self._head.set_text(
            ("tuilabel", "strong"),
            ("  reference sheet", "dim"),
            (f"  ·  classes: {len(examples)}, with examples: {n}", "text"),
        )
        for section, of_class in zip(self._sections, examples, strict=True):
            section.show(of_class, columns, rows)


class ClassSection(Vertical):
    """One class: its keys, its name, and a row of examples."""

    def __init__(self, state: AppState, class_pos: int) -> None:
        super().__init__(classes="reference-class")
        self._state, self._class_pos = state, class_pos
        self._title = Static(markup=False, classes="reference-title")
        self._grid = ImageGrid(state.images.image, state.shape, state.pictures)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._grid

    def show(self, examples: list[Example], columns: int, rows: int) -> None:
        """Show these examples, each in `columns` × `rows` characters."""
        name = self._state.session.classes[self._class_pos]
        keys = shown_keys([self._state.keys[self._class_pos]])[0]
        title = Text(f"{keys}  " if keys and keys != name else "", style="bold").append(name, style="bold")
        if not examples:
            title.append("  no example yet", style="dim")
        self._title.update(title)
        self._grid.display = bool(examples)
        self._grid.styles.width = columns * len(examples)
        self._grid.styles.height = rows
        cells = [
            GridCell(each.index, "" if each.confidence is None else confidence_text(each.confidence), "prediction")
            for each in examples
        ]
        if cells:
            self._grid.show(cells, -1)


_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>#"})

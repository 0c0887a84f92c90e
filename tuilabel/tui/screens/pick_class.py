"""The dialog that finds a class by part of its name, or makes a new one."""

from __future__ import annotations

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tuilabel.errors import UsageError
from tuilabel.labels.classes import clean_class_name
from tuilabel.session import Belief
from tuilabel.tui.keys import shown_keys
from tuilabel.tui.names import cut, longest, short_names
from tuilabel.tui.screens.dialogs import Dialog
from tuilabel.tui.state import AppState

MOST = 100  # classes listed at once; typing narrows
NEW = -1  # among the matches: the class that is not there yet


class PickClass(Dialog):
    """Asks for a class by part of its name; the most believed ones come first.

    The result is its position in the classes, the name of a new class, or None if Esc was pressed.

    Parameters
    ----------
    question : the title.
    belief : what the model believes of the image in question; None if that is unknown or hidden.
    typed : what has been typed of the name so far.
    without : position of a class that is left out.
    may_add : whether a name that no class has makes a new class. It comes after the classes that match, or before them
        if its beginning was `typed`.
    """

    def __init__(
        self,
        question: str,
        state: AppState,
        *,
        belief: Belief | None = None,
        typed: str = "",
        without: int | None = None,
        may_add: bool = False,
    ) -> None:
        super().__init__(question, "↑↓ choose · Enter selects · Esc cancels")
        self._names, self._keys = state.session.classes, shown_keys(state.keys)
        self._chances = () if belief is None else belief.chances(len(self._names))
        self._predicted = None if belief is None else belief.predicted
        self._typed, self._without, self._may_add = typed, without, may_add
        self._matches: list[int] = []

    def compose_box(self) -> ComposeResult:
        hint = "type part of the name" if self._names else "type the name of the first class"
        yield Input(self._typed, placeholder=hint, select_on_focus=False)
        yield OptionList()
        yield Static("", markup=False, classes="dialog-message")

    def on_mount(self) -> None:
        self.query_one(Static).display = False
        self._search(self._typed)
        rows = len(self._names) + self._may_add - (self._without is not None)
        self.query_one(OptionList).styles.height = min(rows, self.app.size.height // 4)  # also when fewer match

    async def on_key(self, event: events.Key) -> None:
        options = self.query_one(OptionList)
        if event.key in ("up", "down"):
            event.stop()
            event.prevent_default()
            (options.action_cursor_up if event.key == "up" else options.action_cursor_down)()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self.query_one(Static).display = False
        self._search(event.value)

    @on(Input.Submitted)
    def _select(self) -> None:
        chosen = self.query_one(OptionList).highlighted
        if chosen is not None:
            self._choose(chosen)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self._choose(event.option_index)

    def _choose(self, row: int) -> None:
        if not self.is_current:
            return
        if self._matches[row] != NEW:
            self.dismiss(self._matches[row])
            return
        try:
            self.dismiss(clean_class_name(self.query_one(Input).value, self._names))
        except UsageError as error:
            message = self.query_one(Static)
            message.update(Text(str(error)))
            message.display = True

    def _search(self, text: str) -> None:
        """List the names that contain the text, first those that begin with it."""
        name, wanted = text.strip(), text.strip().casefold()
        folded = [each.casefold() for each in self._names]
        matches = [c for c in range(len(folded)) if wanted in folded[c] and c != self._without]
        matches.sort(key=lambda c: (folded[c] != wanted, not folded[c].startswith(wanted), *self._belief_order(c), c))
        self._matches = matches[:MOST]
        if self._may_add and name and name not in self._names:
            first = bool(self._typed) and wanted not in folded
            self._matches.insert(0 if first else len(self._matches), NEW)
        options = self.query_one(OptionList)
        options.clear_options()
        room = max(8, self.app.size.width - 24)
        shown = short_names(self._names, min(room, longest(self._names)))
        width = longest(shown)
        options.add_options([Option(self._row(c, name, shown, width, room)) for c in self._matches])
        options.highlighted = 0 if self._matches else None

    def _belief_order(self, class_pos: int) -> tuple[float, ...]:
        return (-self._chances[class_pos],) if self._chances else (class_pos != self._predicted,)

    def _row(self, class_pos: int, name: str, shown: tuple[str, ...], width: int, room: int) -> Text:
        if class_pos == NEW:
            return Text(f"+ new class {cut(name, room)}")
        share = f"{100 * self._chances[class_pos]:3.0f} %" if self._chances else ""
        return Text(f"{self._keys[class_pos]}  {shown[class_pos]}").append(
            " " * (width - longest([shown[class_pos]])) + f"  {share}", style="dim"
        )

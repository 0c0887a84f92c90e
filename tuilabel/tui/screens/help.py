"""The help: the view in front first, then what all keys do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Final

from rich.columns import Columns
from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tuilabel.tui.actions import LABEL, Action, actions_of
from tuilabel.tui.names import short_names
from tuilabel.tui.state import AppState

_SCROLL = ("up", "down", "pageup", "pagedown", "home", "end", "ctrl+q")
TWO_COLUMNS = 100  # columns of a screen with room for two columns of keys
MORE_CLASSES = 24  # of which more are not listed
LONG_NAME = 20  # columns

SHORT: Final = {
    "skip": "Skip it: not shown again, not learned.",
    "flag": "Flag it, beside its label, or unflag it.",
    "note": "Write a note about it.",
    "find-class": "Label with a class found by its name.",
    "undo": "Undo the last step.",
    "take-out": "Take it out of the selected, or put it back.",
    "withdraw": "Remove its answer, however old.",
    "filter": "Show only some answers, or all again.",
    **dict.fromkeys(("left", "right", "up", "down"), "Move the highlight."),
    **dict.fromkeys(("page-up", "page-down"), "Go to another page."),
    **dict.fromkeys(("select-left", "select-right", "select-up", "select-down"), "Select images; pan a zoomed one."),
    "select-page": "Select the page, or nothing.",
    "similar": "Label the images most like it, as a set.",
    "search": "Search images by a text.",
    **dict.fromkeys(("view", "view-back"), "Next or previous view."),
    "large": "Show it large, or go back to the page.",
    "grid": "Select nothing, or go back.",
    **dict.fromkeys(("larger", "smaller"), "Size of images, or zoom of a large one."),
    "alone": "One image on the whole screen.",
    **dict.fromkeys(("class-before", "class-after"), "Previous or next class."),
    **dict.fromkeys(("floor-down", "floor-up"), "List less sure ones too, or only surer ones."),
    "blind": "Hide or show the predictions.",
    "reference": "Guideline and examples of the classes.",
    "graphics": "Draw images as block characters, or not.",
    "figures": "Charts on the whole screen.",
    "history": "All answers, newest first.",
    "review": "Answers most likely to be wrong.",
    "restart-trainer": "Restart a trainer that stopped or hangs.",
    "team": "Who is here, and who is asked what.",
    "settings": "Settings: images, size, theme.",
    "palette": "All commands by name, and themes.",
    "theme": "Dark or light colours.",
}
"""What a command does in few words, by its name. Commands that follow each other with the same words share a line."""


@dataclass(frozen=True)
class ViewHelp:
    """What the help says of the view in front.

    Attributes
    ----------
    title, text : its name, and what it is for.
    commands : names of the commands that matter most there.
    """

    title: str
    text: str
    commands: frozenset[str] = frozenset()


class HelpScreen(ModalScreen[None]):
    """Lists the commands of one screen, from the registry, on top of it. Any key except those that scroll closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "app.quit", show=False)]

    def __init__(self, state: AppState, screen: str, view: ViewHelp) -> None:
        super().__init__()
        self._state, self._screen_name, self._view = state, screen, view

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title, box.border_subtitle = Content(self._view.title), "any key closes"
            yield Static(self._view.text, markup=False)
            yield Static(self._class_keys(), markup=False, id="help-classes")
            yield Static(self._commands())
            yield Static(
                "The caption of an image is the model's prediction. A tenth of each batch is drawn at random and "
                "checks the model before it learns from it: this audit is an unbiased estimate of its accuracy. The "
                "predictions of those images, and of as many others, are hidden (?) until you answer.",
                markup=False,
                id="help-audit",
            )

    def _class_keys(self) -> Columns:
        """Keys and names; long names by what differs, so that a key never parts from its name."""
        classes, keys = self._state.session.classes, self._state.keys
        names = short_names(tuple(classes), LONG_NAME)
        shown = [
            key if key == name else f"{' '.join(key) or '/'} {short}"
            for key, name, short in zip(keys, classes, names, strict=True)
        ]
        if len(shown) > MORE_CLASSES:
            shown = [*shown[:MORE_CLASSES], f"{len(shown) - MORE_CLASSES:,} more: / finds them"]
        return Columns([Text(text, no_wrap=True) for text in shown], padding=(0, 3), column_first=False)

    def _commands(self) -> Table:
        sections = [_section(title, actions) for title, actions in self._sections()]
        if self.app.size.width < TWO_COLUMNS:
            columns = [sections]
        else:
            heights = [len(section.rows) for section in sections]
            split = min(range(1, len(sections)), key=lambda n: abs(sum(heights[:n]) - sum(heights[n:])))
            columns = [sections[:split], sections[split:]]
        page = Table.grid(padding=(0, 2), expand=True)
        for _ in columns:
            page.add_column(ratio=1)
        page.add_row(*(Group(*column) for column in columns))
        return page

    def _sections(self) -> Iterator[tuple[str, list[Action]]]:
        """Headings with their commands: first those of this view alone."""
        actions = actions_of(self._screen_name, self._state.actions)
        own = [one for one in actions if one.name in self._view.commands or LABEL not in one.screens]
        if own:
            yield "this view", own
        for group, others in groupby((one for one in actions if one not in own), key=lambda one: one.group):
            yield group, list(others)

    def on_key(self, event: events.Key) -> None:
        if event.key in _SCROLL:
            return
        event.stop()
        event.prevent_default()
        self._close()

    def on_click(self) -> None:
        self._close()

    def _close(self) -> None:
        if self.is_current:  # more key presses may be queued
            self.dismiss()


def _section(title: str, actions: Sequence[Action]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=13, no_wrap=True)
    table.add_row(Text(title.upper(), style="bold"), "")
    for words, together in groupby(actions, key=lambda one: SHORT.get(one.name, one.help)):
        table.add_row(Text(_keys(list(together)), style="bold"), words)
    table.add_row()
    return table


def _keys(actions: Sequence[Action]) -> str:
    """The keys of commands as they are displayed, with what they have in common once."""
    shown = [action.shown_keys for action in actions]
    bare = [key.removeprefix("Shift+") for key in shown]
    if all(len(key) == 1 for key in bare) and bare != shown and len(shown) > 1:
        return f"Shift+{''.join(bare)}"
    return " ".join(shown)

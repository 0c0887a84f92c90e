"""The settings page: what is remembered about the screen, to see and change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tuilabel.render import CHARACTERS
from tuilabel.tui.layout import ONE, SIZES
from tuilabel.tui.screens.dialogs import Dialog
from tuilabel.tui.screens.image_page import ImagePageScreen
from tuilabel.tui.state import AUTO, AppState
from tuilabel.tui.themes import DARK, LIGHT
from tuilabel.tui.widgets.lines import TextLine

NAMES = 14  # columns for the names of settings


@dataclass(frozen=True)
class Setting:
    """A setting with a few values, each in a word.

    Attributes
    ----------
    help : one line.
    values : what `choose` takes, with the word for it.
    """

    name: str
    help: str
    values: Sequence[tuple[object, str]]
    current: Callable[[], object]
    choose: Callable[[object], object]


class SettingsScreen(Dialog):
    """Changes take effect at once, and the project remembers them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, "move(-1)", show=False) for key in ("up", "shift+tab")),
        *(Binding(key, "move(1)", show=False) for key in ("down", "tab")),
        *(Binding(key, "change(-1)", show=False) for key in ("left", "minus")),
        *(Binding(key, "change(1)", show=False) for key in ("right", "plus", "space", "enter")),
        Binding("ctrl+o", "cancel", show=False),
    ]

    def __init__(self, state: AppState, screen: ImagePageScreen) -> None:
        super().__init__("Settings", "↑↓ setting · ←→ value · Esc close")
        self._state, self._screen = state, screen
        self._focused = 0
        self._lines: list[TextLine] = []
        self._help = TextLine(id="settings-help")

    def compose_box(self) -> ComposeResult:
        self._settings = self._offered()
        self._lines = [TextLine(id=f"setting-{n}") for n in range(len(self._settings))]
        yield from self._lines
        yield self._help

    def on_mount(self) -> None:
        self._show()

    def _offered(self) -> list[Setting]:
        state, screen, app = self._state, self._screen, self.app
        sizes = [*SIZES, ONE] if screen.ONE_AT_A_TIME else [*SIZES]
        own = [(DARK.name, "dark"), (LIGHT.name, "light")]
        others = [(name, name) for name in sorted(app.available_themes) if name not in (DARK.name, LIGHT.name)]
        return [
            Setting(
                "images",
                f"How images are drawn. auto: {state.detected}, as this terminal can.",
                [(name, name) for name in (AUTO, *CHARACTERS)],
                lambda: state.images_mode,
                self._choose_images,
            ),
            Setting(
                "size",
                "Characters along the shorter side of an image in this view; one: one at a time.",
                [(size, "one" if size == ONE else str(size)) for size in sizes],
                lambda: state.size_on(screen.NAME),
                lambda size: state.choose_size(screen.NAME, size if isinstance(size, int) else ONE),
            ),
            Setting(
                "predictions",
                "Whether the model's predictions are shown before you answer.",
                [(False, "shown"), (True, "hidden")],
                lambda: state.session.blind,
                lambda blind: state.hide_predictions(bool(blind)),
            ),
            Setting(
                "theme",
                "Colours: the program's own, or a theme of Textual's.",
                [*own, *others],
                lambda: app.theme,
                lambda name: setattr(app, "theme", name),
            ),
        ]

    def _choose_images(self, mode: object) -> None:
        self._state.choose_images(str(mode))
        for screen in self.app.screen_stack:
            if isinstance(screen, ImagePageScreen):
                screen.refresh_view()

    # -- keys and mouse -----------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """Go to another setting."""
        self._focused = (self._focused + step) % len(self._settings)
        self._show()

    def action_change(self, step: int) -> None:
        """Choose the next value, or the one before."""
        setting = self._settings[self._focused]
        self._choose((self._position(setting) + step) % len(setting.values))

    def on_click(self, event: events.Click) -> None:
        """Choose the value that was clicked."""
        for n, line in enumerate(self._lines):
            if line.region.contains(event.screen_x, event.screen_y):
                self._focused = n
                first, words = self._shown(self._settings[n])
                at = line.piece_at(int(event.x))
                if at is not None and 1 <= at <= len(words):
                    self._choose(first + at - 1)
                self._show()

    def _choose(self, position: int) -> None:
        setting = self._settings[self._focused]
        setting.choose(setting.values[position][0])
        self._screen.refresh_view()
        self._show()

    @staticmethod
    def _position(setting: Setting) -> int:
        """Position of the value that stands."""
        return next((n for n, (value, _) in enumerate(setting.values) if value == setting.current()), 0)

    # -- display ------------------------------------------------------------------------------------------------

    def on_resize(self, _: events.Resize) -> None:
        self._show()

    def _shown(self, setting: Setting) -> tuple[int, list[str]]:
        """The position of the first value that is shown, and the words: as many as there is room for."""
        words = [f" {word} " for _, word in setting.values]
        room = self.app.size.width - NAMES - 8  # borders, and an ellipsis
        first = 0
        while first < self._position(setting) and sum(map(cell_len, words[first : self._position(setting) + 1])) > room:
            first += 1
        end = first
        while end < len(words) and sum(map(cell_len, words[first : end + 1])) <= room:
            end += 1
        return first, words[first:end]

    def _show(self) -> None:
        if not self._lines:
            return
        for n, (setting, line) in enumerate(zip(self._settings, self._lines, strict=True)):
            focused, chosen = n == self._focused, self._position(setting)
            first, words = self._shown(setting)
            pieces = [
                (word, "choice" if k == chosen and focused else "chip-on" if k == chosen else "text")
                for k, word in enumerate(words, first)
            ]
            more = "" if first + len(words) == len(setting.values) else "…"
            name = f"{'▸' if focused else ' '} {setting.name}".ljust(NAMES)
            line.set_text((name, "strong" if focused else "text"), *pieces, (more, "dim"))
        self._help.set_text((f"  {self._settings[self._focused].help}", "dim"))

"""Every command of the screens, once: bindings, footer, help, palette and the documents' key table come from here."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from textual.binding import Binding

from tuilabel.errors import UsageError, unknown_name
from tuilabel.tui._textual_internals import key_name

LABEL, BY_CLASS, REVIEW, HISTORY = "label", "by-class", "review", "history"
EVERYWHERE: Final = (LABEL, BY_CLASS, REVIEW, HISTORY)

_SHOWN = {
    **{key_name(character): character for character in string.punctuation},
    "delete": "Del",
    "enter": "Enter",
    "space": "Space",
    "backspace": "Backspace",
    "escape": "Esc",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "shift+left": "Shift+←",
    "shift+right": "Shift+→",
    "shift+up": "Shift+↑",
    "shift+down": "Shift+↓",
}


_COMPACT = {"enter": "⏎", "backspace": "⌫", "ctrl+q": "^Q"}
"""For the footer, where every column counts."""


@dataclass(frozen=True)
class Action:
    """One command: what it does, on which screens, by which key."""

    name: str
    keys: tuple[str, ...]
    """Textual's names of keys; never a letter or digit, which belong to classes."""
    run: str
    """Textual's action string."""
    word: str
    """For the footer: one word or two."""
    help: str
    """One sentence for help, palette and documents."""
    group: str
    screens: tuple[str, ...] = EVERYWHERE
    footer: int = 0
    """Place in the footer from the left; 0: not there."""

    @property
    def shown_keys(self) -> str:
        """The keys as a person reads them."""
        return " ".join(shown_key(key) for key in self.keys)


ACTIONS: Final = (
    Action("accept", ("enter",), "accept", "accept", "Accept the model's prediction.", "Answer", (LABEL,), 3),
    Action(
        "confirm",
        ("enter",),
        "confirm",
        "confirm all",
        "Label all images that are not marked as this class.",
        "Answer",
        (BY_CLASS,),
        1,
    ),
    Action("keep", ("enter",), "keep", "keep", "Keep the label as it is.", "Answer", (REVIEW,), 1),
    Action("skip", ("space",), "skip", "skip", "Skip: not asked again, not learnt from.", "Answer", (LABEL, REVIEW), 1),
    Action("mark", ("space",), "mark", "wrong", "Mark as wrong, or take the mark away.", "Answer", (BY_CLASS,), 2),
    Action(
        "flag", ("exclamation_mark",), "flag", "flag", "Flag for a second look: not learnt from.", "Answer", footer=4
    ),
    Action("note", ("semicolon",), "note", "note", "Write a note on the image.", "Answer"),
    Action(
        "find-class",
        ("slash",),
        "find_class",
        "class by name",
        "Answer with a class found by typing part of its name.",
        "Answer",
    ),
    Action("undo", ("backspace",), "undo", "undo", "Take back the last answer, however far back.", "Answer", footer=2),
    Action("redo", ("ctrl+y",), "redo", "redo", "Give again what was taken back.", "Answer"),
    Action(
        "withdraw",
        ("delete",),
        "withdraw",
        "withdraw",
        "Take back the answer to this image, whenever it was given.",
        "Answer",
        (HISTORY, REVIEW),
    ),
    Action("left", ("left",), "move(-1)", "left", "To the image on the left.", "Move"),
    Action("right", ("right",), "move(1)", "right", "To the image on the right.", "Move"),
    Action("up", ("up",), "move_row(-1)", "up", "A row up.", "Move"),
    Action("down", ("down",), "move_row(1)", "down", "A row down.", "Move"),
    Action("page-up", ("pageup",), "move_page(-1)", "page up", "A page back.", "Move"),
    Action("page-down", ("pagedown",), "move_page(1)", "page down", "A page on.", "Move"),
    Action(
        "view", ("tab",), "view(1)", "view", "Next view: grid, one large image, by class.", "Look", (LABEL, BY_CLASS), 5
    ),
    Action("view-back", ("shift+tab",), "view(-1)", "view back", "The view before.", "Look", (LABEL, BY_CLASS)),
    Action("large", ("tab",), "large", "large", "One image large, or the grid again.", "Look", (REVIEW, HISTORY), 5),
    Action("grid", ("escape",), "back", "back", "Back to the grid of the batch.", "Look"),
    Action("zoom-in", ("plus",), "zoom(1)", "zoom in", "Enlarge a part of the large image.", "Look"),
    Action("zoom-out", ("minus",), "zoom(-1)", "zoom out", "Show more of the large image.", "Look"),
    Action("pan-left", ("shift+left",), "pan(-1, 0)", "pan left", "Move the enlarged part to the left.", "Look"),
    Action("pan-right", ("shift+right",), "pan(1, 0)", "pan right", "Move the enlarged part to the right.", "Look"),
    Action("pan-up", ("shift+up",), "pan(0, -1)", "pan up", "Move the enlarged part up.", "Look"),
    Action("pan-down", ("shift+down",), "pan(0, 1)", "pan down", "Move the enlarged part down.", "Look"),
    Action(
        "class-before",
        ("left_square_bracket",),
        "other_class(-1)",
        "class before",
        "The class before.",
        "Look",
        (BY_CLASS,),
        6,
    ),
    Action(
        "class-after",
        ("right_square_bracket",),
        "other_class(1)",
        "next class",
        "The next class.",
        "Look",
        (BY_CLASS,),
        2,
    ),
    Action("figures", ("equals_sign",), "figures", "figures", "Plots and figures, large.", "Look", (LABEL,), 6),
    Action(
        "history",
        ("comma",),
        "history",
        "history",
        "Every answer, newest first, to look at and change.",
        "Look",
        (LABEL,),
    ),
    Action("review", ("full_stop",), "review", "review", "Answers most likely wrong, first.", "Look", (LABEL,), 7),
    Action("classes", ("colon",), "classes", "classes", "Add, rename and merge classes.", "Program"),
    Action("help", ("question_mark",), "help", "help", "What the keys do.", "Program", footer=8),
    Action("palette", ("ctrl+p",), "app.command_palette", "palette", "Every command by name, and themes.", "Program"),
    Action("theme", ("ctrl+t",), "app.switch_theme", "theme", "Dark or light.", "Program"),
    Action("quit", ("ctrl+q",), "app.quit", "quit", "Quit; every answer is on disk already.", "Program", footer=9),
)


def shown_key(key: str) -> str:
    """A key of Textual's as a person reads it: "exclamation_mark" is "!"."""
    if key in _SHOWN:
        return _SHOWN[key]
    if key.startswith("ctrl+"):
        return f"Ctrl+{shown_key(key.removeprefix('ctrl+')).upper()}"
    return key.capitalize()


def actions_of(screen: str, actions: Sequence[Action] = ACTIONS) -> list[Action]:
    """The commands of one screen, in the order of the registry."""
    return [action for action in actions if screen in action.screens]


def bindings_of(screen: str, actions: Sequence[Action] = ACTIONS) -> list[Binding]:
    """Textual's bindings of one screen."""
    return [
        Binding(key, action.run, action.word, show=False, id=f"{action.name}.{place}")
        for action in actions_of(screen, actions)
        for place, key in enumerate(action.keys)
    ]


def footer_of(screen: str, actions: Sequence[Action] = ACTIONS) -> list[tuple[str, str]]:
    """(key, word) of the commands in the footer of one screen."""
    shown = sorted(
        (action for action in actions_of(screen, actions) if action.footer), key=lambda action: action.footer
    )
    return [(_COMPACT.get(action.keys[0], action.shown_keys), action.word) for action in shown]


def with_user_keys(own: Mapping[str, object]) -> tuple[Action, ...]:
    """The registry with a person's own keys: `own` maps names of commands to a key or a list of keys.

    A key is a character (";") or Textual's name for it ("ctrl+z").

    Raises
    ------
    UsageError : where a command is unknown, a key is a letter or digit (they belong to classes), or two commands of one
        screen would have the same key.
    """
    names = {action.name for action in ACTIONS}
    for name in own:
        if name not in names:
            raise unknown_name("command in [keys]", name, names)
    actions = tuple(
        replace(action, keys=_keys(action.name, own[action.name])) if action.name in own else action
        for action in ACTIONS
    )
    for screen in EVERYWHERE:
        taken: dict[str, str] = {}
        for action in actions_of(screen, actions):
            for key in action.keys:
                if key in taken:
                    raise UsageError(
                        f"[keys] gives {shown_key(key)} to both {taken[key]} and {action.name}: give one another key"
                    )
                taken[key] = action.name
    return actions


def key_table(actions: Sequence[Action] = ACTIONS) -> str:
    """The commands as a Markdown table, for the documents."""
    lines = ["| key | command | does | on |", "| --- | --- | --- | --- |"]
    for action in actions:
        where = "every screen" if action.screens == EVERYWHERE else ", ".join(action.screens)
        keys = " ".join(f"`{shown_key(key)}`" for key in action.keys)
        lines.append(f"| {keys} | {action.name} | {action.help} | {where} |")
    return "\n".join(lines)


def _keys(name: str, given: object) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed or not all(isinstance(key, str) and key for key in listed):
        raise UsageError(f'[keys] {name} = {given!r} is no key: give one like ";" or "ctrl+z", or a list of them')
    keys = tuple(key_name(key) if len(key) == 1 else key for key in listed)
    for key in keys:
        if len(key) == 1 and key.isalnum():
            raise UsageError(f"[keys] {name} = {key!r}: letters and digits belong to classes, give another key")
    return keys

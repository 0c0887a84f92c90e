"""The registry of commands: key bindings, footer, help, palette and the key table in the docs are generated from it."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from textual.binding import Binding

from tuilabel.errors import UsageError, unknown_name
from tuilabel.tui._textual_internals import key_name

LABEL, BY_CLASS, SIMILAR, REVIEW, HISTORY = "label", "by-class", "similar", "review", "history"
ALL_SCREENS: Final = (LABEL, BY_CLASS, SIMILAR, REVIEW, HISTORY)
ANSWERING: Final = ("accept", "confirm", "keep", "skip", "mark", "withdraw")
"""Commands that answer, one or two of which a screen has."""

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


_COMPACT = {"enter": "⏎", "backspace": "⌫", "ctrl+o": "^O", "ctrl+q": "^Q"}
"""Shorter forms for the footer."""


@dataclass(frozen=True)
class Action:
    """A command: what it does, on which screens, and its keys."""

    name: str
    keys: tuple[str, ...]
    """Textual's names of keys; never a letter or digit, which belong to classes."""
    textual_action: str
    """What Textual runs."""
    label: str
    """One or two words for the footer and the palette."""
    help: str
    """One sentence for help, palette and docs."""
    group: str
    """Heading in the help."""
    screens: tuple[str, ...] = ALL_SCREENS
    footer_order: int = 0
    """Position in the footer, from the left; 0: not in the footer."""

    @property
    def shown_keys(self) -> str:
        """The keys as they are displayed."""
        return " ".join(shown_key(key) for key in self.keys)


ACTIONS: Final = (
    Action("accept", ("enter",), "accept", "accept", "Accept the model's prediction.", "Answer", (LABEL,), 3),
    Action(
        "confirm",
        ("enter",),
        "confirm",
        "confirm all",
        "Label every unmarked image on the page as this class.",
        "Answer",
        (BY_CLASS,),
        1,
    ),
    Action("keep", ("enter",), "keep", "keep", "Keep the label as it is.", "Answer", (REVIEW,), 1),
    Action(
        "skip",
        ("space",),
        "skip",
        "skip",
        "Skip the image: not shown again, not used for training.",
        "Answer",
        (LABEL, REVIEW),
        1,
    ),
    Action(
        "mark", ("space",), "mark", "wrong", "Mark the image as not this class, or unmark it.", "Answer", (BY_CLASS,), 2
    ),
    Action(
        "take-out",
        ("space",),
        "take_out",
        "take out",
        "Take the image out of those that are selected, or put it back.",
        "Answer",
        (SIMILAR,),
        1,
    ),
    Action(
        "flag",
        ("exclamation_mark",),
        "flag",
        "flag",
        "Flag the image, beside its label, or take the flag off; without a label it is set aside.",
        "Answer",
        footer_order=4,
    ),
    Action("note", ("semicolon",), "note", "note", "Write a note about the image.", "Answer"),
    Action(
        "find-class",
        ("slash",),
        "find_class",
        "find class",
        "Label with a class found by typing part of its name, or with a new one.",
        "Answer",
    ),
    Action(
        "undo",
        ("backspace",),
        "undo",
        "undo",
        "Undo the last step, also one of an earlier session.",
        "Answer",
        footer_order=2,
    ),
    Action("redo", ("ctrl+y",), "redo", "redo", "Redo what was undone.", "Answer"),
    Action(
        "withdraw",
        ("delete",),
        "withdraw",
        "withdraw",
        "Remove the answer to this image, however old it is.",
        "Answer",
        (HISTORY, REVIEW),
    ),
    Action(
        "filter",
        ("vertical_line",),
        "filter",
        "filter",
        "Show only some answers, by class, annotator, flag, note or audit; again: show all.",
        "View",
        (REVIEW, HISTORY),
        6,
    ),
    Action("left", ("left",), "move(-1)", "left", "Move to the image on the left.", "Move"),
    Action("right", ("right",), "move(1)", "right", "Move to the image on the right.", "Move"),
    Action("up", ("up",), "move_row(-1)", "up", "Move up a row.", "Move"),
    Action("down", ("down",), "move_row(1)", "down", "Move down a row.", "Move"),
    Action("page-up", ("pageup",), "move_page(-1)", "page up", "Go to the previous page.", "Move"),
    Action("page-down", ("pagedown",), "move_page(1)", "page down", "Go to the next page.", "Move"),
    Action(
        "select-left",
        ("shift+left",),
        "select(-1, 0)",
        "select left",
        "Select images to the left: the next key is about all of them. Pans a zoomed image.",
        "Select",
    ),
    Action(
        "select-right",
        ("shift+right",),
        "select(1, 0)",
        "select right",
        "Select images to the right; pans a zoomed image.",
        "Select",
    ),
    Action(
        "select-up",
        ("shift+up",),
        "select(0, -1)",
        "select up",
        "Select up to a row higher; one neighbour fewer of a large image.",
        "Select",
    ),
    Action(
        "select-down",
        ("shift+down",),
        "select(0, 1)",
        "select down",
        "Select down to a row lower; one more neighbour of a large image.",
        "Select",
    ),
    Action(
        "select-page",
        ("ctrl+a",),
        "select_page",
        "select page",
        "Select the images of the page that have no answer, or none of them.",
        "Select",
    ),
    Action(
        "similar",
        ("ampersand",),
        "similar",
        "more like this",
        "Show the unlabelled images nearest to this one, to label them as a set; then the next ones.",
        "Select",
        footer_order=7,
    ),
    Action(
        "search",
        ("asterisk",),
        "search",
        "search",
        "Show the unlabelled images nearest to a text (with encoders of OpenCLIP).",
        "Select",
        (LABEL,),
    ),
    Action(
        "view", ("tab",), "view(1)", "view", "Next view: grid, one large image, by class.", "View", (LABEL, BY_CLASS), 5
    ),
    Action("view-back", ("shift+tab",), "view(-1)", "previous view", "Previous view.", "View", (LABEL, BY_CLASS)),
    Action(
        "large",
        ("tab",),
        "large",
        "large",
        "Show one image large, or go back to the grid.",
        "View",
        (SIMILAR, REVIEW, HISTORY),
        5,
    ),
    Action("grid", ("escape",), "back", "back", "Select nothing, or go back to the grid.", "View"),
    Action("larger", ("plus",), "size(1)", "larger", "Make the images larger; zoom into the large one.", "View"),
    Action("smaller", ("minus",), "size(-1)", "smaller", "Make the images smaller; zoom out of the large one.", "View"),
    Action("alone", ("ctrl+f",), "alone", "alone", "Show one image on the whole screen, or go back.", "View"),
    Action(
        "class-before",
        ("left_square_bracket",),
        "other_class(-1)",
        "previous class",
        "Show the previous class.",
        "View",
        (BY_CLASS,),
        6,
    ),
    Action(
        "class-after",
        ("right_square_bracket",),
        "other_class(1)",
        "next class",
        "Show the next class.",
        "View",
        (BY_CLASS,),
        2,
    ),
    Action(
        "floor-down",
        ("less_than_sign",),
        "floor(-1)",
        "less sure",
        "List images that the model is less sure of, too.",
        "View",
        (BY_CLASS,),
    ),
    Action(
        "floor-up",
        ("greater_than_sign",),
        "floor(1)",
        "surer",
        "List only images that the model is surer of.",
        "View",
        (BY_CLASS,),
        3,
    ),
    Action(
        "blind",
        ("percent_sign",),
        "blind",
        "hide",
        "Hide the predictions until images are answered, or show them.",
        "View",
        (LABEL,),
    ),
    Action(
        "reference",
        ("number_sign",),
        "reference",
        "reference",
        "What belongs to which class: the guideline and your clearest examples.",
        "View",
    ),
    Action(
        "graphics",
        ("ctrl+g",),
        "graphics",
        "blocks",
        "Draw images as block characters, or let the terminal draw them again.",
        "View",
    ),
    Action(
        "figures",
        ("equals_sign",),
        "figures",
        "charts",
        "Charts and statistics on the whole screen.",
        "View",
        (LABEL,),
        6,
    ),
    Action(
        "history",
        ("comma",),
        "history",
        "history",
        "All answers, newest first, to view and change.",
        "View",
        (LABEL,),
    ),
    Action(
        "review",
        ("full_stop",),
        "review",
        "review",
        "Review answers, those most likely to be wrong first.",
        "View",
        (LABEL,),
        7,
    ),
    Action(
        "restart-trainer",
        ("ctrl+r",),
        "restart_trainer",
        "restart trainer",
        "Start the trainer again, when it has given up or seems to hang; labels are not touched.",
        "Program",
    ),
    Action("team", ("at",), "team", "team", "Who is here, and how many images each is asked.", "Program"),
    Action("classes", ("colon",), "classes", "classes", "Add, rename and merge classes.", "Program"),
    Action(
        "settings",
        ("ctrl+o",),
        "settings",
        "settings",
        "Settings: how images are drawn and how large, predictions, theme.",
        "Program",
        footer_order=8,
    ),
    Action("help", ("question_mark",), "help", "help", "Show what the keys do.", "Program", footer_order=9),
    Action("palette", ("ctrl+p",), "app.command_palette", "palette", "All commands by name, and themes.", "Program"),
    Action("theme", ("ctrl+t",), "app.switch_theme", "theme", "Switch between dark and light colours.", "Program"),
    Action("quit", ("ctrl+q",), "app.quit", "quit", "Quit. All answers are already saved.", "Program", footer_order=10),
)


def shown_key(key: str) -> str:
    """Textual's name of a key as it is displayed: "exclamation_mark" is "!"."""
    if key in _SHOWN:
        return _SHOWN[key]
    if key.startswith("ctrl+"):
        return f"Ctrl+{shown_key(key.removeprefix('ctrl+')).upper()}"
    return key.capitalize()


def actions_of(screen: str, actions: Sequence[Action] = ACTIONS) -> list[Action]:
    """The commands of one screen, in the order of the registry."""
    return [action for action in actions if screen in action.screens]


def does_nothing(key: str, screen: str, actions: Sequence[Action] = ACTIONS) -> str:
    """What to say about a key that has no command on a screen: where it has one, and what answers here.

    Parameters
    ----------
    key : Textual's name of the key.
    """
    elsewhere = next((action for action in actions if key in action.keys), None)
    where = "" if elsewhere is None else f" ({elsewhere.label}: in {', '.join(elsewhere.screens)})"
    here = [action for action in actions_of(screen, actions) if action.name in (*ANSWERING, "help")]
    ways = ", ".join(f"{shown_key(action.keys[0])} {action.label}" for action in here if action.keys)
    return f"{shown_key(key)} does nothing here: a class key answers, {ways}{where}"


def bindings_of(screen: str, actions: Sequence[Action] = ACTIONS) -> list[Binding]:
    """Textual's bindings of one screen."""
    return [
        Binding(key, action.textual_action, action.label, show=False, id=f"{action.name}.{n}")
        for action in actions_of(screen, actions)
        for n, key in enumerate(action.keys)
    ]


def footer_of(screen: str, actions: Sequence[Action] = ACTIONS) -> list[tuple[str, str]]:
    """(key, label) of the commands in the footer of one screen."""
    shown = sorted(
        (action for action in actions_of(screen, actions) if action.footer_order and action.keys),
        key=lambda action: action.footer_order,
    )
    return [(_in_footer(action), action.label) for action in shown]


def action_of(key: str, screen: str, actions: Sequence[Action] = ACTIONS) -> Action | None:
    """The command of a key as it is displayed, in the footer or elsewhere."""
    return next((a for a in actions_of(screen, actions) if key in (_in_footer(a), *map(shown_key, a.keys))), None)


def _in_footer(action: Action) -> str:
    return _COMPACT.get(action.keys[0], action.shown_keys)


def with_user_keys(user_keys: Mapping[str, object]) -> tuple[Action, ...]:
    """The registry with the user's keys.

    Parameters
    ----------
    user_keys : the key, or list of keys, of each command by its name. A key is a character (";") or Textual's name for
        it ("ctrl+z").

    Raises
    ------
    UsageError : if a command is unknown, a key is a letter or digit (they belong to classes), or the user gives two
        commands of one screen the same key. Another command that had a chosen key loses it.
    """
    names = {action.name for action in ACTIONS}
    for name in user_keys:
        if name not in names:
            raise unknown_name("command in [keys]", name, names)
    chosen = {name: _keys(name, keys) for name, keys in user_keys.items()}
    taken: dict[tuple[str, str], str] = {}
    for action in ACTIONS:
        for place in ((screen, key) for screen in action.screens for key in chosen.get(action.name, ())):
            if place in taken:
                raise UsageError(
                    f"[keys] binds {shown_key(place[1])} to both {taken[place]} and {action.name}: choose another"
                )
            taken[place] = action.name

    def keys_of(action: Action) -> tuple[str, ...]:
        left = (key for key in action.keys if not any((screen, key) in taken for screen in action.screens))
        return chosen.get(action.name) or tuple(left)

    return tuple(replace(action, keys=keys_of(action)) for action in ACTIONS)


def key_table(actions: Sequence[Action] = ACTIONS) -> str:
    """The commands as a Markdown table, for docs/keys.md."""
    lines = ["| key | command | what it does | screens |", "| --- | --- | --- | --- |"]
    for action in actions:
        screens = "all" if action.screens == ALL_SCREENS else ", ".join(action.screens)
        keys = " ".join(f"`{shown_key(key)}`" for key in action.keys).replace("|", "\\|")
        lines.append(f"| {keys} | {action.name} | {action.help} | {screens} |")
    return "\n".join(lines)


def _keys(name: str, value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(key, str) and key for key in listed):
        raise UsageError(f'[keys] {name} must be a key such as ";" or "ctrl+z", or a list of keys, got {value!r}')
    keys = tuple(key_name(key) if len(key) == 1 else key for key in listed)
    for key in keys:
        if len(key) == 1 and key.isalnum():
            raise UsageError(f"[keys] {name} must not be {key!r}: letters and digits belong to classes")
    return keys

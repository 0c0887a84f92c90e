"""Errors with messages that a user can act on, and texts that are safe to print."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection

MANY = 50  # names that are too many for one line
JOINERS = "\u200c\u200d"
"""Letters of Persian, Hindi and others that have no width: they part or join the letters beside them."""


class TuilabelError(Exception):
    """An error that the user can fix: the message is one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(TuilabelError):
    """An argument that cannot be used (exit code 2).

    Messages name Python parameters; the command line replaces these with the names of its options.

    Parameters
    ----------
    message : begins with the parameter, as in "batch_size must be at least 1, got 0". Other parameters in it are in
        backquotes, as in "pass `force=True`".
    parameter : the name that the message begins with, if it does.
    """

    exit_code = 2

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


def unknown_name(kind: str, name: str, known: Collection[str]) -> UsageError:
    """The error for an unknown name of a `kind` of thing; suggests the most similar of the `known` names.

    It lists all of them, unless there are many.
    """
    many = len(known) > MANY
    by_spelling = {option.lower().replace("_", "-"): option for option in known}
    near = difflib.get_close_matches(name.lower().replace("_", "-"), by_spelling, n=3 if many else 1)
    hint = f"; did you mean {' or '.join(by_spelling[spelling] for spelling in near)}?" if near else "."
    if many:
        return UsageError(f"unknown {kind} {name!r}{hint}" + ("" if near else f" There are {len(known):,}"))
    return UsageError(f"unknown {kind} {name!r}{hint} There are {', '.join(known)}")


def printable(text: str) -> str:
    """The text with control characters escaped: ESC becomes a backslash and `x1b`.

    File and class names are not trusted: an escape sequence in one must not reach the terminal, and what reverses the
    direction of writing must not make one name look like another.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def is_printable(text: str) -> bool:
    """Whether `printable` leaves the text as it is: spaces of any kind and joiners of letters are not controls."""
    return text.isprintable() or all(map(_is_shown, text))


def is_control(c: str) -> bool:
    """Whether a character could do something to a terminal, or to the direction of writing, instead of being shown."""
    return unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in JOINERS


def _is_shown(c: str) -> bool:
    return c.isprintable() or c in JOINERS or unicodedata.category(c) == "Zs"


def pluralize(n: int, noun: str) -> str:
    """A count with its noun, in the plural unless it is 1: `1 label`, `2,000 labels`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"

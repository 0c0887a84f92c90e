"""The consoles that commands print on: text is shown as it is."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from tuilabel.cli.render.silence import Silence
from tuilabel.errors import printable

PIPE_WIDTH = 110  # columns, if stdout is not a terminal


class PlainConsole(Console):
    """A console on which a string is not markup: names of classes may hold `[/]` or `:smile:`.

    Control characters in it are escaped. What has a style is a `Text`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text itself; tables and `print` render their strings here."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)


def output_console(width: int = PIPE_WIDTH) -> Console:
    """A console on stdout, for the result of a command: as wide as the terminal, or `width` in a pipe."""
    terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    return PlainConsole(width=None if terminal else width)


def error_console(*, quiet: bool = False) -> Console:
    """A console on stderr, for everything that is not the result of a command; silent with `--quiet`."""
    return PlainConsole(stderr=True, quiet=quiet or Silence.on)


def two_lines(text: str, below: str) -> Text:
    """A line, and an explanation below it."""
    return Text(f"{text}\n").append(below, "dim")

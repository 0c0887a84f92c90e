"""What `doctor` prints."""

from __future__ import annotations

import os
import sys

from rich.table import Table
from rich.text import Text

from tuilabel.cli.render.console import PIPE_WIDTH, PlainConsole, two_lines
from tuilabel.cli.render.testcard import test_card
from tuilabel.project.diagnosis import Diagnosis

MARKS = {"ok": "green", "note": "yellow", "problem": "bold red"}


def show(diagnosis: Diagnosis) -> None:
    """Print the diagnosis and, on a terminal, the test card."""
    on_screen = sys.stdout.isatty()
    terminal = diagnosis.terminal
    system = {"truecolor": "truecolor", "256": "256", "16": "standard"}[terminal.colours]
    coloured = on_screen or terminal.colours_forced
    console = PlainConsole(
        color_system=system if coloured else None,
        force_terminal=coloured or None,
        no_color=False if terminal.colours_forced else None,
        width=None if on_screen or "COLUMNS" in os.environ else PIPE_WIDTH,
    )
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for one in diagnosis.findings:
        found = two_lines(one.found, one.advice) if one.advice else one.found
        table.add_row(one.name, Text(one.mark, MARKS[one.mark]), found)
    console.print(table)
    console.print()
    if coloured:
        test_card(console, terminal)
    else:
        console.print("The test card needs a terminal, or --color to print its colours into a pipe.")

"""What `doctor` prints."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table

from tuilabel.cli.render.testcard import test_card
from tuilabel.project.diagnosis import Diagnosis

MARKS = {"ok": "green", "note": "yellow", "problem": "bold red"}


def show(diagnosis: Diagnosis) -> None:
    """Print the diagnosis and, on a terminal, the test card."""
    on_screen = sys.stdout.isatty()
    terminal = diagnosis.terminal
    system = {"truecolor": "truecolor", "256": "256", "16": "standard"}[terminal.colours]
    coloured = on_screen or terminal.colours_forced
    console = Console(
        color_system=system if coloured else None,  # type: ignore[arg-type]
        force_terminal=coloured or None,
        no_color=False if terminal.colours_forced else None,
        width=None if on_screen or "COLUMNS" in os.environ else 110,
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for one in diagnosis.findings:
        advice = f"\n[dim]{one.advice}[/]" if one.advice else ""
        table.add_row(one.name, f"[{MARKS[one.mark]}]{one.mark}[/]", f"{one.found}{advice}")
    console.print(table)
    console.print()
    if coloured:
        test_card(console, terminal)
    else:
        console.print("The test card needs a terminal, or --color to print its colours into a pipe.")

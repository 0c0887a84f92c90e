"""The report of `tuilabel thesis`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuilabel.simulation.findings import Figure, Finding

MARKS = {"holds": "green", "does not hold": "red", "not clear": "yellow"}


def findings_report(findings: Sequence[Finding]) -> Group:
    """Each claim with its verdict, its rule and its measurements."""
    parts: list[RenderableType] = []
    for finding in findings:
        statement = Text(f"{finding.claim}. {finding.statement}: ", "bold")
        parts.append(statement.append(finding.verdict, f"bold {MARKS[finding.verdict]}"))
        parts.append(Padding(Text(f"rule: {finding.rule}", "dim"), (0, 0, 0, 3)))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for figure in finding.figures:
            mark = "" if figure.verdict is None else Text(figure.verdict, MARKS[figure.verdict])
            table.add_row(figure.what, _measured(figure), mark)
        parts.append(Padding(table, (0, 0, 1, 3)))
    return Group(*parts)


def _measured(figure: Figure) -> str:
    forms: dict[str, Callable[[float], str]] = {
        "share": lambda x: f"{x:.1%}",
        "points": lambda x: f"{100 * x:+.1f}",
        "deviation": lambda x: f"{100 * x:.2f} points",
        "ratio": lambda x: f"{x:.3g} ×",
        "labels": lambda x: f"{x:,.0f} labels",
        "rounds": lambda x: f"{x:,.0f} rounds",
        "seconds": lambda x: f"{x:.3g} s",
    }
    form = forms[figure.unit]
    text = "–" if figure.value is None else form(figure.value)
    if figure.unit == "points" and figure.value is not None:
        text += " points"
    if figure.low is not None and figure.high is not None:
        text += f" ({form(figure.low)} to {form(figure.high)})"
    return f"{text}; {figure.note}" if figure.note else text

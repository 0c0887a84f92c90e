"""The table of `tuilabel thesis`."""

from __future__ import annotations

from collections.abc import Callable

from rich.table import Table

from tuilabel.simulate.findings import Figure, Finding

MARKS = {"holds": "green", "does not hold": "red", "not clear": "yellow"}


def thesis_table(found: list[Finding]) -> Table:
    """Claim, what was measured, verdict; the rule under each claim."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("claim", "measured (95 % interval)", "verdict"):
        table.add_column(heading, justify="left", overflow="fold")
    for finding in found:
        verdict = f"[bold {MARKS[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(f"[bold]{finding.claim}. {finding.statement}[/]", f"[dim]rule: {finding.rule}[/]", verdict)
        for figure in finding.figures:
            mark = "" if figure.verdict is None else f"[{MARKS[figure.verdict]}]{figure.verdict}[/]"
            table.add_row(f"   {figure.what}", _measured(figure), mark)
        table.add_row()
    return table


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

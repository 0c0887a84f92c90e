"""What `predict` prints: predictions as CSV on stdout, a summary on stderr."""

from __future__ import annotations

import io
import sys
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from tuilabel.errors import printable

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from tuilabel.project.predict import PredictionSummary

TOP_CLASSES = 5


def stdout_table() -> SupportsWrite[str]:
    """Standard output for a table of file names: unchanged in a pipe, control characters escaped on a terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a file name may hold any bytes
    return _PrintableOnly(sys.stdout) if sys.stdout.isatty() else sys.stdout


def summary_lines(summary: PredictionSummary) -> list[str]:
    """The summary as lines of text."""
    counts = Counter(summary.classes).most_common(TOP_CLASSES)
    top = ", ".join(f"{name} {n:,}" for name, n in counts if n)
    where = f" in {summary.out}" if summary.out else ""
    lines = [f"{summary.selected:,} of {summary.items:,} predictions{where}"]
    if summary.expected_accuracy is not None:
        lines[0] += f", {summary.expected_accuracy:.1%} expected accuracy on unlabelled images"
    if top:
        lines.append(f"most frequent: {top}" if len(summary.classes) > TOP_CLASSES else top)
    if summary.html:
        lines.append(f"report in {summary.html}")
    return lines


class _PrintableOnly:
    """Writes to a terminal with control characters escaped, so that no file name can control it."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._terminal.write("".join(printable(line) + "\n" for line in text.split("\n")[:-1]))
        return len(text)

"""Progress callbacks of long-running work: a notebook and a terminal can each show progress in their own way."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str, int, int], None]
"""Called with (stage, steps done, steps in all); the last is 0 if the number of steps is unknown."""
Note = Callable[[str], None]
"""Called with one line that the user should see."""


def ignore(*_args: object) -> None:
    """Report nothing."""

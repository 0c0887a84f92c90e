"""How long-running work reports back: plain callbacks, so that a notebook and a terminal can each show it their way."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str, int, int], None]
"""Called with (stage, steps done, steps in all); 0 in all where the number of steps is unknown."""
Note = Callable[[str], None]
"""Called with one line that the user should see."""


def ignore(*_args: object) -> None:
    """Report nothing."""

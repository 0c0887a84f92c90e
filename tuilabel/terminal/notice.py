"""A notice about the terminal that is shown only once."""

from __future__ import annotations

import contextlib

from tuilabel.files import cache_dir
from tuilabel.terminal.detect import TerminalInfo


def colour_notice(info: TerminalInfo) -> str | None:
    """How to get the colours that SSH has dropped; None if none were dropped, or the notice was shown before."""
    if not info.colours_dropped:
        return None
    shown = cache_dir() / "told-of-colours"
    if shown.exists():
        return None
    with contextlib.suppress(OSError):
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.touch()
    return f"{info.colours} colours (SSH drops COLORTERM): set TUILABEL_COLOR=truecolor for 16 million"

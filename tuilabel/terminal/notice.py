"""What a person should hear once about their terminal."""

from __future__ import annotations

import contextlib

from tuilabel.files import cache_dir
from tuilabel.terminal.detect import TerminalInfo


def colour_notice(info: TerminalInfo) -> str | None:
    """A line on how to force colours that SSH has dropped; None where they are there, or it was said before."""
    if not info.colours_dropped:
        return None
    told = cache_dir() / "told-of-colours"
    if told.exists():
        return None
    with contextlib.suppress(OSError):
        told.parent.mkdir(parents=True, exist_ok=True)
        told.touch()
    return (
        f"{info.colours} colours, as SSH passes on no word of more: if your terminal has 16 million, "
        "--color truecolor shows them"
    )

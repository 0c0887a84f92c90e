"""A notice about the terminal that is shown until the user has acted on it or dismissed it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tuilabel.files import cache_dir
from tuilabel.terminal.detect import TerminalInfo


def colour_notice(info: TerminalInfo) -> str | None:
    """How to get the colours that SSH has dropped; None if none were dropped, or the notice was dismissed."""
    if not info.colours_dropped or _dismissed().exists():
        return None
    return (
        f"{info.colours} colours (SSH drops COLORTERM): set TUILABEL_COLOR=truecolor for 16 million, or hide this: Esc"
    )


def dismiss_colour_notice() -> None:
    """Never show the notice again."""
    with contextlib.suppress(OSError):
        _dismissed().parent.mkdir(parents=True, exist_ok=True)
        _dismissed().touch()


def _dismissed() -> Path:
    return cache_dir() / "colours-dismissed"

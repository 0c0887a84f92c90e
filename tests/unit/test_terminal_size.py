"""A terminal may claim any size: a client of SSH names one, and so does whoever types the sequence that reports it."""

from __future__ import annotations

import shutil

import pytest
from textual import events
from textual.app import App

from tuilabel.tui._textual_internals import MOST_COLUMNS, MOST_ROWS, LimitedDriver, WholeSequenceParser
from tuilabel.tui.driver import typed


@pytest.mark.parametrize(
    ("claimed", "believed"), [((65535, 65535), (MOST_COLUMNS, MOST_ROWS)), ((120, 9999), (120, MOST_ROWS))]
)
async def test_no_size_is_believed_that_would_fill_the_memory(
    claimed: tuple[int, int], believed: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: claimed)
    driver: LimitedDriver = LimitedDriver(App())
    assert driver._get_terminal_size() == believed
    reported = f"\x1b[48;{claimed[1]};{claimed[0]};{claimed[1]};{claimed[0]}t"
    (resize,) = (event for event in typed([reported], WholeSequenceParser()) if isinstance(event, events.Resize))
    assert resize.size == believed

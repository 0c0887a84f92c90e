"""`tuilabel label` on a slow connection: no reply of the terminal ever becomes a label."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.program import FIRST_START, IMAGES, tiny_command
from tests.helpers.terminal import Terminal
from tests.helpers.tiny import Tiny
from tuilabel.labels import LabelStore

# How a talkative terminal replies to `tuilabel`'s and to Textual's queries; digits in it are class keys.
TALKATIVE = {
    b"\x1b[>q": b"\x1bP>|chatty(1.2.3)\x1b\\",
    b"\x1bP$qm\x1b\\": b"\x1bP1$r0;48:2::1:2:3m\x1b\\",
    b"\x1bP+q524742\x1b\\": b"\x1bP1+r524742=382F382F38\x1b\\",
    b"a=q": b"\x1b_Gi=31;EINVAL:1234\x1b\\",
    b"\x1b[16t": b"\x1b[6;16;8t",
    b"\x1b[c": b"\x1b[?62;1;2;4;22c",
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",
    b"\x1b[?2048$p": b"\x1b[?2048;0$y",
    b"\x1b[?1004h": b"\x1b[I",
}


def answered(project: Path) -> list[str]:
    store = LabelStore.open(project / "labels.db")
    events = store.events()
    store.close()
    return [event.kind for event in events]


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.5, 3.0])
def test_a_late_reply_is_not_a_label(tiny: Tiny, tmp_path: Path, delay: float) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path, answers=TALKATIVE, delay=delay) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        while terminal.answers_due:
            terminal.read(0.1)
        terminal.settle(0.5)
        assert "pressed before the images" not in terminal.text
        assert "pasted" not in terminal.text
        assert "0 of 300 labelled" in terminal.text
        terminal.type("1")  # and the keyboard works
        terminal.wait_for(r"\b1 of 300 labelled")
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    assert answered(tmp_path / "fashion-mnist.tuilabel") == ["label"]


def test_a_terminal_that_never_replies_only_costs_the_time_limit(tiny: Tiny, tmp_path: Path) -> None:
    with Terminal(tiny_command(tiny), directory=tmp_path, answers={}) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")


def test_a_reply_in_pieces_is_not_a_label(tiny: Tiny, tmp_path: Path) -> None:
    """Textual's own parser gives up on a sequence after a tenth of a second."""
    with Terminal(tiny_command(tiny), directory=tmp_path) as terminal:
        terminal.wait_for(IMAGES, FIRST_START)
        for piece in (
            "\x1b[?20",
            "26;",
            "2$y",
            "\x1b[?6",
            "2;4c",
            "\x1bP>|kitty(0.3",
            "5.2)\x1b",
            "\\",
            "\x1b[",
            "<0;1",
            ";1M",
        ):
            terminal.type(piece)
            terminal.settle(0.3)
        terminal.type("\x1b[123~\x1b[1;2;3;4z\x1b[?1;2;3h")  # complete sequences that Textual does not know
        terminal.settle(0.5)
        assert "0 of 300 labelled" in terminal.text
        terminal.type("1")
        terminal.wait_for(r"\b1 of 300 labelled")

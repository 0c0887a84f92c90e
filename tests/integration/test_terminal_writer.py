"""Writing to a terminal that may stop reading, in a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tuilabel.tui.writer import MOST_WAITING, TerminalWriter

PATIENCE = 20.0


class Line:
    """A pseudo-terminal, and a writer to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.file = open(self.slave, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - closed by the fixture
        self.writer = TerminalWriter(self.file)
        self.writer.start()


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    line = Line(getattr(request, "param", "utf-8"))
    yield line
    line.writer.gone = True
    line.writer.stop()
    line.file.close()
    os.close(line.slave)
    if line.master >= 0:
        os.close(line.master)


def ends(line: Line) -> bool:
    stopping = Thread(target=line.writer.stop, daemon=True)
    stopping.start()
    stopping.join(PATIENCE)
    return not stopping.is_alive()


def test_everything_is_written_in_order_before_it_stops(line: Line) -> None:
    text = "".join(f"{number} " for number in range(20_000))
    line.writer.write(text)
    line.writer.write("é end")
    stopping = Thread(target=line.writer.stop, daemon=True)
    stopping.start()
    received = b""
    while not received.endswith(b"end"):
        received += os.read(line.master, 1 << 16)
    stopping.join(PATIENCE)
    assert received.decode() == text + "é end"
    assert not line.writer.gone


def test_an_answer_is_written_without_waiting_for_the_thread() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    with open(slave, "w", closefd=False) as file:
        writer = TerminalWriter(file)  # whose thread has not started
        writer.write("✓ label")
        assert os.read(master, 100).decode() == "✓ label"
        writer.start()
        writer.stop()
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("line", "written"), [("latin-1", b"caf\xe9 ?"), ("ascii", "café →".encode())], indirect=["line"]
)
def test_a_terminal_of_another_encoding_gets_its_own(line: Line, written: bytes) -> None:
    line.writer.write("café →")
    assert ends(line)
    assert os.read(line.master, 100) == written


def test_a_terminal_that_reads_nothing_does_not_keep_the_program(line: Line) -> None:
    line.writer.write("x" * 2_000_000)
    assert ends(line)
    assert line.writer.gone
    line.writer.write("dropped")


def test_a_screen_that_waits_for_the_terminal_is_freed_when_the_program_is_to_end(line: Line) -> None:
    def draw() -> None:
        for _ in range(3 * MOST_WAITING):
            line.writer.write("x" * 100_000)

    screen = Thread(target=draw, daemon=True)
    screen.start()
    screen.join(0.05)
    assert screen.is_alive(), "it waits"
    line.writer.ending = True  # as the handler of SIGTERM does
    screen.join(PATIENCE)
    assert not screen.is_alive()


def test_a_terminal_that_has_hung_up_is_noticed(line: Line) -> None:
    os.close(line.master)
    line.master = -1
    line.writer.write("x")
    assert ends(line)
    assert line.writer.gone


def test_what_is_no_terminal_can_be_written_to(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        writer = TerminalWriter(file)
        writer.start()
        writer.write("text")
        writer.stop()
    assert (tmp_path / "out").read_text() == "text"

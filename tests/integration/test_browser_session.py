"""The program of one browser, ended whatever it does."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("textual_serve")

from tuilabel.web import session as web_session
from tuilabel.web.session import BrowserSession, program_environment

BEGIN = "import os, signal, sys, time; os.write(1, b'noise\\n__GANGLION__\\nD\\0\\0\\0\\2ab'); "


class Page:
    """What a browser got."""

    def __init__(self) -> None:
        self.shown = b""
        self.closed = 0

    async def show(self, data: bytes) -> None:
        self.shown += data

    async def message(self, text: str) -> None:
        raise AssertionError(text)

    async def close(self) -> None:
        self.closed += 1


def session_of(program: str, page: Page) -> BrowserSession:
    return BrowserSession(
        [sys.executable, "-c", program], write_bytes=page.show, write_str=page.message, close=page.close
    )


@pytest.mark.parametrize(
    "program",
    [
        "sys.stdin.readline()",  # waits for more keys
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",  # hears nothing
        "os.write(1, b'D\\0\\1\\0\\0' + bytes(65536)); os.write(1, b'D\\0\\7\\0\\0' + bytes(458752)); time.sleep(600)",
    ],
)
async def test_a_program_ends_when_its_browser_is_gone(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_session, "GRACE", 0.5)
    page = Page()
    session = session_of(BEGIN + program, page)
    await session.start(80, 24)
    process = session._process
    assert process is not None
    await session.stop()
    assert process.returncode is not None
    await session.stop()  # again is harmless
    assert page.closed <= 1


async def test_why_a_program_did_not_start_is_kept_without_control_characters() -> None:
    page = Page()
    session = session_of("import sys; sys.exit('no \\x1b[2J terminal')", page)
    await session.start(80, 24)
    assert session._task is not None
    await session._task
    assert session.failure == "no \\x1b[2J terminal"
    assert page.closed == 1


def test_the_owners_terminal_and_token_are_not_in_the_environment() -> None:
    environ = {"TMUX": "x", "SSH_TTY": "x", "TUILABEL_SERVE_TOKEN": "secret", "HOME": "/home/ann", "NO_COLOR": "1"}
    environment = program_environment(environ, 100, 30)
    assert environment["HOME"] == "/home/ann"
    assert environment["COLUMNS"] == "100"
    assert not {"TMUX", "SSH_TTY", "TUILABEL_SERVE_TOKEN", "NO_COLOR"} & set(environment)
    assert program_environment({"TUILABEL_IMAGES": "sextant"}, 80, 24)["TUILABEL_IMAGES"] == "sextant"

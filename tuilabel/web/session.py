"""One browser's program: `tuilabel label` in a process of its own, with its screen over a WebSocket.

textual-serve has the packets and the way in. How a program is started and ended is our own: without a shell, and ended
for certain, also when the browser reads nothing any more. textual-serve waits for it without a limit.
"""

from __future__ import annotations

import asyncio
import logging
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from tuilabel.errors import printable
from tuilabel.web.access import TOKEN_VARIABLE

log = logging.getLogger(__name__)

GRACE = 20.0  # seconds for a program to save and end, and again before it is killed
READY = b"__GANGLION__\n"  # Textual's driver has begun; what comes before it is not for the browser
MOST_LINES = 1000  # before that
MOST_ERRORS = 1 << 14  # bytes of what the program says about itself that are kept
_OF_A_TERMINAL = ("TMUX", "STY", "ZELLIJ", "WT_SESSION", "VTE_VERSION", "NO_COLOR", "LINES", TOKEN_VARIABLE)


def program_environment(environ: Mapping[str, str], columns: int, rows: int) -> dict[str, str]:
    """The environment of a program whose screen is a browser's; the owner's terminal and token are not in it."""
    kept = {key: value for key, value in environ.items() if key not in _OF_A_TERMINAL and not key.startswith("SSH_")}
    return {
        "TUILABEL_IMAGES": "iterm2",  # the page draws such images itself; the owner may have chosen otherwise
        **kept,
        "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TERM_PROGRAM": "tuilabel-serve",
        "COLUMNS": str(columns),
        "ROWS": str(rows),
    }


class BrowserSession(AppService):
    """Runs a program for one WebSocket.

    Parameters
    ----------
    argv : the program with its arguments; no shell reads them.
    write_bytes, write_str : send what is for the terminal of the page, and messages to the page.
    close : closes the WebSocket.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            "", write_bytes=write_bytes, write_str=write_str, close=close, download_manager=DownloadManager()
        )
        self._argv = argv
        self._task: asyncio.Task[None] | None = None
        self._errors = b""
        self.failure: str | None = None
        """Why the program did not show its screen, in its own words."""

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=program_environment(os.environ, width, height),
            start_new_session=True,  # Ctrl+C is for the server, which ends its programs one by one
        )
        assert process.stdin is not None
        self._process, self._stdin = process, process.stdin
        return process

    async def run(self) -> None:
        """Pass on what the program writes until it ends; once the browser is gone, only read it."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        errors = asyncio.create_task(self._keep_errors(process))
        began = False
        try:
            began = await self._begins(process.stdout)
            while began:
                kind = await process.stdout.readexactly(1)
                payload = await process.stdout.readexactly(int.from_bytes(await process.stdout.readexactly(4), "big"))
                if kind == b"D":
                    await self._forward(payload)
                elif kind == b"M" and b'"exit"' in payload:  # no other message is for a page
                    break
        except asyncio.IncompleteReadError:
            pass
        while await process.stdout.read(1 << 16):
            pass  # what the command line prints after the screen
        await process.wait()
        await errors
        said = printable(" ".join(self._errors.decode(errors="replace").split()))
        if not began:
            self.failure = said or "the program ended before it showed anything"
        elif said and process.returncode:
            log.warning("%s", said)
        with suppress(Exception):  # the browser may be gone
            await self.remote_close()

    @staticmethod
    async def _begins(stdout: asyncio.StreamReader) -> bool:
        for _ in range(MOST_LINES):
            line = await stdout.readline()
            if line == READY or not line:
                return bool(line)
        return False

    async def _forward(self, payload: bytes) -> None:
        with suppress(Exception):  # gone: whatever the reason, the program must not wait for it
            await self.remote_write_bytes(payload)

    async def _keep_errors(self, process: Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(1 << 12):
            self._errors = (self._errors + data)[-MOST_ERRORS:]

    async def stop(self) -> None:
        """End the program as Ctrl+Q does, or by signals if it does not end."""
        if self._task is None or self._process is None:
            return
        task, process, self._task = self._task, self._process, None
        ways: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: self.send_meta({"type": "quit"}),
            lambda: _signal(process.terminate),
            lambda: _signal(process.kill),
        )
        for way in ways:
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await way()
                    await asyncio.shield(task)
                    return
        log.error("process %s of a browser does not end", process.pid)


async def _signal(send: Callable[[], None]) -> None:
    with suppress(ProcessLookupError):
        send()

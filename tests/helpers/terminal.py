"""Runs the program in a pseudo-terminal, with the screen as a user sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil
import pyte

from tests.helpers.preloaded import ADDRESS, Copy, start_copy

TUILABEL = (sys.executable, "-m", "tuilabel")
KEYS = {
    **{"enter": "\r", "space": " ", "backspace": "\x7f", "tab": "\t", "escape": "\x1b", "ctrl+q": "\x11"},
    **{"right": "\x1b[C", "left": "\x1b[D"},
}
PLAIN = {b"\x1b[c": b"\x1b[?62;22c"}
"""The one query that every terminal answers."""
# Sequences that pyte cannot parse and that do not affect the text: private modes, device strings.
_SKIPPED = re.compile(rb"\x1b\[[<>=?][0-9;:]*[a-zA-Z]|\x1b\[\?[0-9;]*\$[a-z]|\x1b_[^\x1b]*\x1b\\|\x1bP[^\x1b]*\x1b\\")
_CUT_SHORT = re.compile(rb"\x1b(\[[0-9;<>=?$]*|[_P][^\x1b]*\x1b?)?$")


class Started:
    """A program that was started from nothing."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if ended else None

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class Terminal:
    """Runs `argv` on a pty of `columns` × `rows`; use as a context manager, which ends the program.

    Queries among `answers` are answered after `delay` seconds, each as often as it was sent. `TUILABEL` with arguments
    runs in a copy of the process that has loaded it, where there is one, unless it is to start `cold`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        answers: Mapping[bytes, bytes] = PLAIN,
        delay: float = 0.0,
        cold: bool = False,
    ) -> None:
        self._answers, self._delay = answers, delay
        self._due: list[tuple[float, bytes]] = []
        self.output = b""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._rest = b""
        self.bytes_written = 0
        self.exit_code: int | None = None
        self.started = time.perf_counter()
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):  # readline sets the last two in workers of pytest-xdist
            environ.pop(name, None)
        size = struct.pack("HHHH", rows, columns, 0, 0)
        self._process: Started | Copy
        if not cold and tuple(argv[: len(TUILABEL)]) == TUILABEL and ADDRESS in environ:
            self._fd, theirs = pty.openpty()
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)
            self._process = start_copy(
                environ[ADDRESS], "tuilabel", argv[len(TUILABEL) :], directory=directory or Path.cwd(),
                environment=environ, files=dict.fromkeys(range(3), theirs), session="terminal",
            )  # fmt: skip
            os.close(theirs)
        else:
            pid, self._fd = pty.fork()
            if pid == 0:
                try:
                    os.chdir(directory or Path.cwd())
                    os.execvpe(argv[0], list(argv), environ)
                finally:
                    os._exit(127)
            self._process = Started(pid)
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)
        self.pid = self._process.pid

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.exit_code is None:
            self._process.kill()
            self.exit_code = self._process.wait()
        os.close(self._fd)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: str) -> None:
        """Send characters at once, as a held key or a paste without brackets would."""
        os.write(self._fd, keys.encode())

    def key(self, name: str) -> None:
        self.type(KEYS.get(name, name))

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as its window does."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float) -> int:
        """Wait up to `seconds` for output and read what is available; return the number of bytes."""
        self._send_due()
        if self._due:
            seconds = max(0.0, min(seconds, self._due[0][0] - time.perf_counter()))
        ready, _, _ = select.select([self._fd], [], [], seconds)
        self._send_due()
        if not ready:
            return 0
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            data = b""
        if not data:
            if self.exit_code is None:
                self.exit_code = self._process.wait()
            return 0
        self._feed(data)
        return len(data)

    def _feed(self, data: bytes) -> None:
        self.bytes_written += len(data)
        whole = self._rest + data
        cut = _CUT_SHORT.search(whole)
        self._rest = whole[cut.start() :] if cut else b""
        self.output += data
        self._answer(data)
        self._stream.feed(_SKIPPED.sub(b"", whole[: cut.start()] if cut else whole))

    @property
    def answers_due(self) -> bool:
        """Whether replies are still to be sent."""
        return bool(self._due)

    def _answer(self, data: bytes) -> None:
        """Answer the queries in `data` like a terminal over a slow connection, in the order of `answers`."""
        due = time.perf_counter() + self._delay
        for query, answer in self._answers.items():
            self._due += [(due, answer)] * data.count(query)
        self._send_due()

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= time.perf_counter():
            os.write(self._fd, self._due.pop(0)[1])

    def burst(self, keys: str, quiet: float, patience: float = 5.0) -> list[tuple[float, int]]:
        """Type `keys` and read the output until there is none for `quiet` seconds; only then update the screen.

        Nothing is expected after `patience` seconds without any output.

        Returns, for each piece of output, the seconds until it came and its number of bytes.
        """
        begin = time.perf_counter()
        pieces: list[bytes] = []
        times: list[float] = []
        self.type(keys)
        while select.select([self._fd], [], [], quiet if times else patience)[0]:
            pieces.append(os.read(self._fd, 1 << 16))
            times.append(time.perf_counter() - begin)
        data = b"".join(pieces)
        self._feed(data)
        return list(zip(times, map(len, pieces), strict=True))

    def wait_for(self, pattern: str, seconds: float = 60) -> float:
        """Read until the screen matches `pattern`; return the seconds it took, or fail with the screen."""
        begin = time.perf_counter()
        while not re.search(pattern, self.text):
            assert time.perf_counter() - begin < seconds, f"{pattern!r} never came; the screen:\n{self.text}"
            if self.exit_code is not None:
                raise AssertionError(f"ended with {self.exit_code} before {pattern!r}; the screen:\n{self.text}")
            self.read(0.05)
        return time.perf_counter() - begin

    def wait_for_gone(self, text: str, seconds: float = 60) -> None:
        """Read until `text` is no longer on the screen."""
        begin = time.perf_counter()
        while text in self.text:
            assert time.perf_counter() - begin < seconds, f"{text!r} never went; the screen:\n{self.text}"
            self.read(0.05)

    def wait_for_exit(self, seconds: float = 120) -> int:
        begin = time.perf_counter()
        while self.exit_code is None:
            assert time.perf_counter() - begin < seconds, f"does not end; the screen:\n{self.text}"
            self.read(0.05)
        return self.exit_code

    def wait_until_stuck(self) -> None:
        """Read nothing until the program gets on no more, as it waits for its output to be read."""
        process, used = psutil.Process(self.pid), -1.0
        while (now := sum(process.cpu_times()[:2])) != used:
            used = now
            time.sleep(0.5)

    def wait_for_exit_unread(self, seconds: float = 30) -> None:
        """Wait for the program to end without reading what it writes."""
        begin = time.perf_counter()
        while (code := self._process.poll()) is None:
            assert time.perf_counter() - begin < seconds, "does not end"
            time.sleep(0.05)
        self.exit_code = code

    def settle(self, still: float = 0.2) -> None:
        """Read until there was no output for `still` seconds."""
        while self.read(still):
            pass

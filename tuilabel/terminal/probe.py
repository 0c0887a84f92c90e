"""Queries to the terminal before the app starts: all in one write, ending with one that every terminal replies to."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
from codecs import getincrementaldecoder
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any

from tuilabel.terminal.sequences import SequenceReader, is_reply

TIMEOUT = 2.0  # seconds
QUIET = 0.03  # seconds without input after which the replies are complete
SILENT_TERMS = ("", "dumb", "linux", "unknown")  # they print the queries, or do not reply

QUERIES = (
    "\x1b[>q"  # name and version (XTVERSION)
    "\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[m"  # set a 24-bit background and read it back (DECRQSS)
    "\x1bP+q524742\x1b\\"  # the capability RGB (XTGETTCAP)
    "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # Kitty graphics
    "\x1b]1337;Capabilities\x1b\\"  # what iTerm2 and those like it can do
    "\x1b[?1;1;0S"  # the number of colour registers for Sixel (XTSMGRAPHICS)
    "\x1b[16t"  # the size of a cell in pixels
    "\x1b[c"  # primary device attributes; replies come in order, so all others come before this one
    "\r\x1b[K"  # erase what a terminal may have printed instead
)


@dataclass(frozen=True)
class Replies:
    """What the terminal replied."""

    asked: bool = False
    answered: bool = False
    round_trip: float | None = None
    """Seconds from the queries to the last reply."""
    name: str | None = None
    version: str | None = None
    truecolor: bool = False
    kitty_graphics: bool = False
    iterm2_images: bool = False
    sixel: bool = False
    registers: int | None = None
    """Colours that a Sixel image may have."""
    cell_pixels: tuple[int, int] | None = None
    """Width and height of a cell in pixels."""


class Probe:
    """A context manager that sends the queries on entry; `replies` waits for the rest of the timeout.

    Inside it, input is not echoed, so that a reply after the timeout leaves no trace on the screen. Its `reader` holds
    an incomplete sequence: the next code that reads the input must continue with it, or the rest of a late reply would
    be taken for keys.

    Parameters
    ----------
    ask : whether to send queries. They are never sent without a terminal, or to one that would print them.
    """

    def __init__(self, *, ask: bool = True) -> None:
        self.reader = SequenceReader()
        self._ask = ask and can_query()
        self._fd = -1
        self._before: list[Any] | None = None
        self._asked_at = 0.0
        self._replies: Replies | None = None

    def __enter__(self) -> Probe:
        if not self._ask:
            return self
        try:
            self._fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            self._before = termios.tcgetattr(self._fd)
            quiet = termios.tcgetattr(self._fd)
            quiet[3] &= ~(termios.ICANON | termios.ECHO)
            quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._fd, termios.TCSANOW, quiet)
            self._asked_at = monotonic()
            os.write(self._fd, QUERIES.encode())
        except (OSError, termios.error):
            self._ask = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            with contextlib.suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._before)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def replies(self) -> Replies:
        """The terminal's replies; waits for them the first time. Keys typed meanwhile are discarded."""
        if self._replies is None:
            self._replies = self._listen() if self._ask else Replies()
        return self._replies

    def _listen(self) -> Replies:
        tokens: list[str] = []
        decode = getincrementaldecoder("utf-8")("replace").decode
        answered_at = None
        while answered_at is None:
            left = self._asked_at + TIMEOUT - monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                break
            data = os.read(self._fd, 1 << 12)
            if not data:
                break
            tokens += self.reader.feed(decode(data), monotonic())
            if any(_ATTRIBUTES.fullmatch(token) for token in tokens):
                answered_at = monotonic()
        # Discards what was typed meanwhile, and collects replies that come out of order.
        while select.select([self._fd], [], [], QUIET)[0] and (data := os.read(self._fd, 1 << 12)):
            tokens += self.reader.feed(decode(data), monotonic())
        return parse(tokens, None if answered_at is None else answered_at - self._asked_at)


_ATTRIBUTES = re.compile(r"\x1b\[\?([\d;]*)c")
_VERSION = re.compile(r"\x1bP>\|([^\x1b(]*?)(?:\(([^)]*)\)| ([^\x1b]*))?\x1b\\")
_BACKGROUND = re.compile(r"\x1bP1\$r[^\x1b]*48[:;]2[:;][\d:;]*1[:;]2[:;]3[^\d][^\x1b]*\x1b\\")
_RGB = re.compile(r"\x1bP1\+r524742[^\x1b]*\x1b\\", re.IGNORECASE)
_CAPABILITIES = re.compile(r"\x1b\]1337;Capabilities=([A-Za-z0-9]*)(?:\x07|\x1b\\)")
_REGISTERS = re.compile(r"\x1b\[\?1;0;(\d+)S")
_CELL = re.compile(r"\x1b\[6;(\d+);(\d+)t")


def parse(tokens: list[str], round_trip: float | None) -> Replies:
    """Interpret the replies among `tokens`; `round_trip` is None if the last reply did not come."""
    replies = [token for token in tokens if is_reply(token)]

    def first(pattern: re.Pattern[str]) -> re.Match[str] | None:
        return next((match for token in replies if (match := pattern.fullmatch(token))), None)

    version, attributes, cell = first(_VERSION), first(_ATTRIBUTES), first(_CELL)
    capabilities, registers = first(_CAPABILITIES), first(_REGISTERS)
    name = version[1].strip() or None if version else None
    return Replies(
        asked=True,
        answered=round_trip is not None,
        round_trip=round_trip,
        name=name,
        version=(version[2] or version[3] or "").strip() or None if version else None,
        truecolor=first(_BACKGROUND) is not None or first(_RGB) is not None,
        kitty_graphics=any(token.startswith("\x1b_G") and ";OK" in token for token in replies),
        iterm2_images=capabilities is not None and "F" in re.findall("[A-Z][a-z]*", capabilities[1]),
        registers=int(registers[1]) if registers else None,
        sixel=attributes is not None and "4" in attributes[1].split(";"),
        cell_pixels=(int(cell[2]), int(cell[1])) if cell else None,
    )


def can_query() -> bool:
    """Whether input and output are a terminal that replies to queries."""
    term = os.environ.get("TERM", "")
    return sys.stdin.isatty() and sys.stdout.isatty() and term not in SILENT_TERMS

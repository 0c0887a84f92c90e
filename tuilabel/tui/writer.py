"""Writes to the terminal, and in a thread what it does not take at once.

A terminal that reads nothing any more keeps nobody from ending the program.
"""

from __future__ import annotations

import codecs
import os
import select
from threading import Condition
from time import monotonic
from typing import TextIO

from tuilabel.tui._textual_internals import WriterThread

MOST_WAITING = 30  # writes; then the screen waits, and what changes meanwhile is written at once
GRACE = 2.0  # seconds for which a program that is to end waits for a terminal that takes nothing
TICK = 0.1  # seconds


class TerminalWriter(WriterThread):
    """Takes the place of Textual's writer, which blocks for as long as the terminal does not read.

    It writes without blocking through a description of the terminal of its own: the program's is shared with the shell.

    Attributes
    ----------
    ending : whether the program is to end; may be set anywhere, also in a signal handler.
    gone : whether the terminal has hung up, or has read nothing for too long while the program was to end. What is
        written then is dropped.
    """

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self.ending = self.gone = False
        self._changed = Condition()
        self._waiting: list[memoryview] = []
        self._stopping = False
        self._terminal = _own_description(file.fileno())
        encoding = codecs.lookup(file.encoding or "utf-8").name
        self._may_block = os.get_blocking(self._terminal)
        self._encoding = "utf-8" if encoding == "ascii" else encoding  # the locale C says nothing about a terminal

    def write(self, text: str) -> None:
        """Write what the terminal takes of `text`, and queue the rest; waits while the terminal is far behind.

        The answer to a key need not wait until the thread has its turn.
        """
        data = memoryview(text.encode(self._encoding, errors="replace"))
        with self._changed:
            while len(self._waiting) >= MOST_WAITING and not self.gone:
                self._changed.wait(TICK)  # in pieces, so that signals are handled
            if not (self._waiting or self._stopping or self.gone or self._may_block):
                data = self._begin(data)
            if data:
                self._waiting.append(data)
                self._changed.notify_all()

    def _begin(self, data: memoryview) -> memoryview:
        """Write what the terminal takes now; returns the rest."""
        try:
            while data:
                data = data[os.write(self._terminal, data[: select.PIPE_BUF]) :]
        except OSError:  # it is full, or something is wrong, which the thread will find too
            pass
        return data

    def run(self) -> None:
        """Write what is queued, until `stop`."""
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._stopping)
                    pieces = list(self._waiting)
                if not pieces:
                    return
                for piece in pieces:
                    self._send(piece)
                with self._changed:
                    del self._waiting[: len(pieces)]
                    self._changed.notify_all()
        finally:
            os.close(self._terminal)

    def stop(self) -> None:
        """Write what is left, as far as the terminal takes it, and end the thread."""
        self.ending = True
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self.join()

    def _send(self, rest: memoryview) -> None:
        taken_at = monotonic()
        while rest and not self.gone:
            try:
                if select.select([], [self._terminal], [], TICK)[1]:
                    rest = rest[os.write(self._terminal, rest[: select.PIPE_BUF]) :]
                    taken_at = monotonic()
            except BlockingIOError:
                pass
            except OSError:
                self.gone = True  # it has hung up
            if self.ending and monotonic() - taken_at > GRACE:
                self.gone = True


def _own_description(fd: int) -> int:
    try:
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:  # it has no name here, as in some containers, or is no terminal
        return os.dup(fd)

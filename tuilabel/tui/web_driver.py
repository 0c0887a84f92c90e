"""Textual's driver for programs whose screen is a browser's, with input read by whole escape sequences."""

from __future__ import annotations

from codecs import getincrementaldecoder
from contextlib import suppress
from time import monotonic
from typing import ClassVar

from textual import messages
from textual.drivers.web_driver import WebDriver

from tuilabel.render import PictureSource
from tuilabel.terminal import SequenceReader
from tuilabel.tui._textual_internals import PacketStream, WholeSequenceParser
from tuilabel.tui.driver import typed
from tuilabel.tui.output import Shown


class QuietWebDriver(WebDriver):
    """As `QuietDriver` for a terminal: the terminal of a page replies to queries as well.

    The program ends when its server is gone.
    """

    reader: ClassVar[SequenceReader]
    pictures: ClassVar[PictureSource]
    shown: ClassVar[Shown]

    def start_application_mode(self) -> None:
        """Begin with an empty screen."""
        self.shown.forget()
        super().start_application_mode()

    def run_input_thread(self) -> None:
        """Pass on what is typed, and messages of the server, until the app ends."""
        parser, stream = WholeSequenceParser(), PacketStream()
        decode = getincrementaldecoder("utf-8")("replace").decode
        for data in self._input_reader:
            tokens: list[str] = []
            for kind, payload in stream.feed(data):
                if kind == "D":
                    tokens += self.reader.feed(decode(payload), monotonic())
                else:
                    self._on_meta(kind, payload)
            tokens += self.reader.tick(monotonic())
            for event in typed(tokens, parser):
                self.process_message(event)
        if not self.exit_event.is_set():
            self.send_message(messages.ExitApp())

    def write(self, data: str) -> None:
        """Write `data`, after the images that its cells refer to."""
        with suppress(BrokenPipeError):  # the server is gone
            super().write(self.pictures.pop_escapes() + data)

    def stop_application_mode(self) -> None:
        """Say that the screen has ended."""
        with suppress(BrokenPipeError):
            super().stop_application_mode()

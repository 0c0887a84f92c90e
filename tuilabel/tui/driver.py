"""Textual's driver, with input read by whole escape sequences and with images that the terminal draws itself."""

from __future__ import annotations

import os
import select
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import ClassVar

from textual import constants, events
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tuilabel.render import PictureSource
from tuilabel.terminal import SequenceReader, TerminalInfo, is_reply
from tuilabel.tui._textual_internals import LimitedDriver, WholeSequenceParser, limited, use_writer
from tuilabel.tui.output import Shown
from tuilabel.tui.writer import TerminalWriter

ESC = "\x1b"
TICK = 0.05  # seconds


class QuietDriver(LimitedDriver):
    """Reads whole sequences only, drops late replies of the terminal, and sends images before the cells that show them.

    Textual passes on what its parser does not know as keys, character by character. A late reply to a query, or a
    reply or mouse event that arrives in two pieces, would become labels.
    """

    reader: ClassVar[SequenceReader]
    pictures: ClassVar[PictureSource]
    shown: ClassVar[Shown]

    def start_application_mode(self) -> None:
        """Begin, or go on after the program was suspended, with an empty screen."""
        self.shown.forget()
        use_writer(TerminalWriter)
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def run_input_thread(self) -> None:
        """Pass on what is typed until the app ends."""
        parser = WholeSequenceParser()
        decode = getincrementaldecoder("utf-8")("replace").decode
        while not self.exit_event.is_set():
            tokens: list[str] = []
            if select.select([self.fileno], [], [], TICK)[0]:
                try:
                    data = os.read(self.fileno, 1 << 12)
                except OSError:
                    data = b""
                if not data:
                    return  # the terminal is gone; SIGHUP ends the app
                tokens += self.reader.feed(decode(data), monotonic())
            tokens += self.reader.tick(monotonic())
            for event in typed(tokens, parser):
                self.process_message(event)

    def write(self, data: str) -> None:
        """Write `data`, after the images that its cells refer to."""
        super().write(self.pictures.pop_escapes() + data)

    @property
    def writer(self) -> TerminalWriter | None:
        """What writes to the terminal."""
        return self._writer_thread if isinstance(self._writer_thread, TerminalWriter) else None

    def stop_application_mode(self) -> None:
        """Restore the terminal."""
        cleanup_sequence = self.pictures.cleanup_sequence()
        if cleanup_sequence:
            super().write(cleanup_sequence)
        super().stop_application_mode()


def typed(tokens: Iterable[str], parser: WholeSequenceParser) -> Iterator[Message]:
    """The events of single characters and whole sequences; replies of the terminal are left out."""
    for token in tokens:
        if token == ESC:
            yield events.Key("escape", ESC)
        elif not is_reply(token):
            yield from map(_believed, parser.feed(token))


def _believed(message: Message) -> Message:
    """A message of the terminal, whose size is limited: some report it in a sequence, which anybody can send."""
    if isinstance(message, events.Resize) and (size := limited(message.size)) != message.size:
        return events.Resize(size, size)
    return message


def use_colours(terminal: TerminalInfo) -> None:
    """Make apps that are created from now on use the colours chosen for `terminal`."""
    system = {"truecolor": "truecolor", "256": "256", "16": "standard"}[terminal.colours]
    constants.COLOR_SYSTEM = system  # type: ignore[misc]  # Textual reads it from the environment on import only
    if terminal.colours_forced:
        os.environ.pop("NO_COLOR", None)


def quiet_driver(chosen: type[Driver], reader: SequenceReader, pictures: PictureSource, shown: Shown) -> type[Driver]:
    """The driver class for one app.

    Parameters
    ----------
    chosen : the class that Textual would use, by the platform or by `TEXTUAL_DRIVER`; any but those for terminals and
        for browsers is used as it is.
    reader : may already hold part of a reply of the terminal.
    pictures : what the screens draw from.
    shown : what the terminal shows.
    """
    parts = {"reader": reader, "pictures": pictures, "shown": shown}
    if issubclass(chosen, LinuxDriver):
        return type("QuietDriver", (QuietDriver,), parts)
    from textual.drivers.web_driver import WebDriver

    if issubclass(chosen, WebDriver):
        from tuilabel.tui.web_driver import QuietWebDriver

        return type("QuietWebDriver", (QuietWebDriver,), parts)
    return chosen

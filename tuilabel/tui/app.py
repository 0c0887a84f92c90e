"""The Textual application around a labelling session."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from time import monotonic
from typing import ClassVar

from rich.console import RenderableType
from textual import on
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme

from tuilabel.learner.messages import Failure
from tuilabel.render import PictureSource
from tuilabel.session import LabellingSession
from tuilabel.tui.mailbox import Mail, Mailbox, Saved, SaveFailed
from tuilabel.tui.output import SparseUpdate
from tuilabel.tui.screens.label import LabelScreen

log = logging.getLogger(__name__)

DARK = Theme(
    name="tuilabel-dark",
    primary="#6cb6ff",
    secondary="#b083f0",
    accent="#ffb347",
    foreground="#d7dae0",
    background="#1b1e24",
    surface="#23272e",
    panel="#23272e",
    success="#7bd88f",
    warning="#ffb347",
    error="#ff6b6b",
    dark=True,
)


class Heard(Message):
    """Mail from another thread, now in the app's."""

    def __init__(self, mail: Mail) -> None:
        super().__init__()
        self.mail = mail


class LabelApp(App[None]):
    """Shows `session`; the trainer and the label writer speak to it through `mailbox`."""

    CSS_PATH = "style.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", "quit", show=False, priority=True)]

    def __init__(
        self,
        session: LabellingSession,
        mailbox: Mailbox,
        pictures: PictureSource | None = None,
        notice: str | None = None,
    ) -> None:
        super().__init__()
        self.session = session
        self.mailbox = mailbox
        self.failure: str | None = None
        """Why the app ended by itself, if it did."""
        self.label_screen = LabelScreen(session, pictures, notice)
        self.register_theme(DARK)
        self.theme = DARK.name

    def get_default_screen(self) -> LabelScreen:
        """The labelling screen, the only one under the help."""
        return self.label_screen

    def on_ready(self) -> None:
        """Hear what other threads say, and let a hang-up end the app as Ctrl+Q does."""
        self.mailbox.open(lambda mail: self.post_message(Heard(mail)))
        if not self.is_headless:
            gc.freeze()  # what the start has made stays: else a full collection holds up a key for 60 ms
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)

    def action_help_quit(self) -> None:
        """Ctrl+C: a word in the status line, where Textual's own would cover images."""
        self.label_screen.tell("Ctrl+Q quits; every answer is on disk already")

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate):
            renderable = SparseUpdate(renderable)
        at = monotonic()
        super()._display(screen, renderable)
        if renderable is not None:
            self.label_screen.displayed(at)

    def _fatal_error(self) -> None:
        """Instead of Textual's traceback over the terminal: a line for the person, the traceback for the log."""
        error = sys.exc_info()[1]
        log.error("the screen failed", exc_info=error)
        self.failure = f"the screen failed ({type(error).__name__}: {error}); every answer shown as saved is on disk"
        self._close_messages_no_wait()

    @on(Heard)
    def _take_in(self, message: Heard) -> None:
        match message.mail:
            case Saved(keys):
                self.label_screen.mark_saved(keys)
            case SaveFailed(reason, waiting):
                self.label_screen.warn_unsaved(reason, waiting)
            case Failure(message=reason, fatal=True) if self.session.result is None:
                self.failure = reason
                self.exit(return_code=1)
            case mail:
                self.label_screen.take_in(mail)

"""The Textual application around a labelling session."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import ClassVar

from rich.console import COLOR_SYSTEMS
from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme

from tuilabel.errors import TuilabelError, pluralize
from tuilabel.labels import Changes, Drawn, Team
from tuilabel.learner.trainer.messages import Failure
from tuilabel.session import LabellingSession
from tuilabel.tui._textual_internals import HookedApp
from tuilabel.tui.actions import actions_of
from tuilabel.tui.image_loader import Loaded
from tuilabel.tui.mailbox import Mail, Mailbox, Saved, SaveFailed
from tuilabel.tui.output import Shown, sparse_update
from tuilabel.tui.runtime import prepare_for_keys
from tuilabel.tui.screens.annotation import AnnotationScreen
from tuilabel.tui.screens.label import LabelScreen
from tuilabel.tui.state import AppState
from tuilabel.tui.themes import DARK, LIGHT
from tuilabel.tui.writer import TerminalWriter

log = logging.getLogger(__name__)


class MailReceived(Message):
    """Mail from another thread, now in the thread of the app."""

    def __init__(self, mail: Mail) -> None:
        super().__init__()
        self.mail = mail


class LabelApp(HookedApp):
    """Shows a session.

    Parameters
    ----------
    mailbox : brings the messages of the trainer and of the label writer.
    review : whether to start with the review screen.
    theme : name of a theme, one of the program's or one of Textual's; anything else means the program's dark theme.
    notice : a line to show until it is dismissed.
    on_notice_dismissed : called then.
    """

    CSS_PATH = "style.tcss"
    TITLE = "tuilabel"
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", "quit", show=False, priority=True)]

    def __init__(
        self,
        state: AppState,
        mailbox: Mailbox,
        *,
        review: bool = False,
        theme: object = None,
        notice: str | None = None,
        on_notice_dismissed: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self.state = state
        self.mailbox = mailbox
        self.shown = Shown()
        """What the terminal shows."""
        self.update_type = sparse_update(self.shown, state.pictures)
        self.failure: str | None = None
        """Why the app ended without the user quitting, if it did."""
        self.label_screen = LabelScreen(state, notice, on_notice_dismissed)
        self._review = review
        for own_theme in (DARK, LIGHT):
            self.register_theme(own_theme)
        self.theme = theme if isinstance(theme, str) and theme in self.available_themes else DARK.name

    @property
    def session(self) -> LabellingSession:
        """The labelling session."""
        return self.state.session

    def get_default_screen(self) -> LabelScreen:
        """The labelling screen, below all others."""
        return self.label_screen

    def on_ready(self) -> None:
        """Start handling the messages from other threads, and let SIGTERM and SIGHUP end the app as Ctrl+Q does."""
        system = self.console.color_system
        self.state.images.start(self.mailbox.put, None if system is None else COLOR_SYSTEMS[system])
        self.theme_changed_signal.subscribe(self, self._remember_theme)
        self.mailbox.open(lambda mail: self.post_message(MailReceived(mail)))
        if not self.is_headless:
            prepare_for_keys()
        gc.enable()  # `tuilabel label` starts without
        loop = asyncio.get_running_loop()

        def end(_number: int, _frame: FrameType | None) -> None:  # runs even while the terminal keeps the loop waiting
            if self.writer is not None:
                self.writer.ending = True
            loop.call_soon_threadsafe(self.exit)

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
        if self._review:
            self.label_screen.action_review()

    @property
    def writer(self) -> TerminalWriter | None:
        """What writes to the terminal, if there is one."""
        return getattr(self.driver, "writer", None)

    def _remember_theme(self, theme: Theme) -> None:
        self.state.settings["theme"] = theme.name

    def on_resize(self) -> None:
        """Terminals arrange what they show in their own ways when their size changes."""
        self.shown.forget()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: every command of the screen from the registry, and the themes."""
        if isinstance(screen, AnnotationScreen):
            for action in actions_of(screen.NAME, self.state.actions):
                if action.group != "Move" and action.name not in ("palette", "theme"):
                    run = action.textual_action
                    yield SystemCommand(
                        f"{action.label.capitalize()}  ({action.shown_keys})",
                        action.help,
                        lambda run=run: self.call_later(screen.run_from_palette, run),
                    )
        yield SystemCommand("Theme", "Choose a colour theme.", self.action_change_theme)
        yield SystemCommand(
            "Dark or light  (Ctrl+T)", "Switch between the dark and the light theme.", self.action_switch_theme
        )

    def action_switch_theme(self) -> None:
        """Switch between the dark and the light theme."""
        self.theme = DARK.name if self.theme == LIGHT.name else LIGHT.name

    def action_help_quit(self) -> None:
        """Ctrl+C: a hint in the status line, since Textual's own notification would cover images."""
        if isinstance(self.screen, AnnotationScreen):
            self.screen.show_status("Press Ctrl+Q to quit; all answers are already saved")

    @property
    def annotation_screen(self) -> AnnotationScreen:
        """The topmost screen of images."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, AnnotationScreen))

    def after_write(self, screen: Screen[object], at: float) -> None:
        if isinstance(screen, AnnotationScreen):
            screen.displayed(at)

    def before_failing(self, error: BaseException | None) -> None:
        """Keep one line for the user, and log the traceback."""
        log.error("the screen failed", exc_info=error)
        self.failure = f"the screen failed ({type(error).__name__}: {error}); all answers shown as saved are on disk"

    @on(MailReceived)
    def _handle_mail(self, message: MailReceived) -> None:
        match message.mail:
            case Saved(keys):
                self._saved(keys)
            case SaveFailed(reason, waiting):
                answers = f"{pluralize(waiting, 'answer')} not saved yet; " if waiting else ""
                self.state.save_failure = f"{reason} · {answers}retrying"
                self.annotation_screen.show_status(self.state.save_failure, "error")
                self.annotation_screen.mark_saved()
            case Loaded() as loaded:
                self.state.images.accept(loaded)
                self.annotation_screen.image_loaded(loaded.wanted.index)
            case Failure(message=reason, fatal=True, crashed=False) if self.session.result is None:
                self.failure = reason
                self.exit(return_code=1)
            case Changes() as changes:
                if self.session.follow(changes):
                    self.annotation_screen.refresh_view()
            case Team() | Drawn() as news:
                self.session.handle(news)
                self.annotation_screen.refresh_view()
            case mail:
                try:
                    self.session.handle(mail)
                except TuilabelError as error:  # the images cannot be read any more
                    self.annotation_screen.show_status(f"{error}; your labels are safe", "error")
                    return
                self.annotation_screen.handle(mail)

    def _saved(self, keys: tuple[str, ...]) -> None:
        self.state.unsaved.difference_update(keys)
        if self.state.save_failure is not None:
            self.state.save_failure = None
            self.annotation_screen.show_status("Saved; you can continue", "dim")
        self.annotation_screen.mark_saved()

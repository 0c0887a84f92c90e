"""Messages from other threads to the screen, kept until the screen is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from tuilabel.labels import Changes, Drawn, Team
from tuilabel.learner.trainer.messages import Message
from tuilabel.tui.image_loader import Loaded


@dataclass(frozen=True)
class Saved:
    """The answers with these event keys have been written to disk."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class SaveFailed:
    """The store cannot be written: `waiting` answers are kept in memory and retried."""

    reason: str
    waiting: int


Mail = Message | Saved | SaveFailed | Loaded | Changes | Team | Drawn


class Mailbox:
    """Delivers messages in order; until `open` it keeps them.

    This module does not import Textual, so that the trainer can start before Textual is loaded.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._handler: Callable[[Mail], object] | None = None
        self._waiting: list[Mail] = []

    def put(self, mail: Mail) -> None:
        """Deliver `mail`. May be called from any thread."""
        with self._lock:
            if self._handler is None:
                self._waiting.append(mail)
            else:
                self._handler(mail)

    def open(self, handler: Callable[[Mail], object]) -> None:
        """Call `handler` with the waiting messages, and from now on with each new one."""
        with self._lock:
            for mail in self._waiting:
                handler(mail)
            self._waiting.clear()
            self._handler = handler

"""What other threads say, kept until there is a screen to hear it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from tuilabel.learner.trainer.messages import Message


@dataclass(frozen=True)
class Saved:
    """The answers with these event keys are on disk."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class SaveFailed:
    """The store cannot be written: `waiting` answers are kept in memory and tried again."""

    reason: str
    waiting: int


Mail = Message | Saved | SaveFailed


class Mailbox:
    """Passes mail on in order; before `open` it waits here. Imports no Textual, so that the trainer starts first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hear: Callable[[Mail], object] | None = None
        self._kept: list[Mail] = []

    def put(self, mail: Mail) -> None:
        """Deliver `mail`; from any thread."""
        with self._lock:
            if self._hear is None:
                self._kept.append(mail)
            else:
                self._hear(mail)

    def open(self, hear: Callable[[Mail], object]) -> None:
        """From now on `hear` gets what comes, beginning with what has waited."""
        with self._lock:
            for mail in self._kept:
                hear(mail)
            self._kept.clear()
            self._hear = hear

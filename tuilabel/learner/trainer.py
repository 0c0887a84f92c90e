"""The trainer as the session knows it, and the one that works in the same thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tuilabel.learner.messages import Message, Ready, RoundResult, TrainRequest


class Trainer(Protocol):
    """Answers training requests with messages; a newer request makes the ones before it void."""

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Begin to work; `deliver` gets every message, from whatever thread."""

    def submit(self, request: TrainRequest) -> None:
        """Ask for a round. Returns at once where the trainer works elsewhere."""

    def close(self) -> None:
        """Stop working; nothing is delivered any more."""


class InlineTrainer:
    """Runs each round at once, in the caller's thread: for tests, notebooks and simulations.

    Parameters
    ----------
    run : answers one request; `RoundRunner.run`.
    """

    def __init__(self, run: Callable[[TrainRequest], RoundResult]) -> None:
        self._run = run
        self._deliver: Callable[[Message], object] | None = None

    def start(self, deliver: Callable[[Message], object]) -> None:
        """From now on answer requests through `deliver`."""
        self._deliver = deliver
        deliver(Ready())

    def submit(self, request: TrainRequest) -> None:
        """Run `request` and deliver its result before returning."""
        if self._deliver is not None:
            self._deliver(self._run(request))

    def close(self) -> None:
        """Answer no more."""
        self._deliver = None

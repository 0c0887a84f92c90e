"""The trainer as the session knows it, and the one that works in the same thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tuilabel.learner.trainer.messages import Message, Question, Ready, Reply, RoundResult, TrainRequest


class Trainer(Protocol):
    """Answers training requests with messages; a newer request makes the ones before it void."""

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Begin to work; `deliver` gets every message, from whatever thread."""

    def submit(self, request: TrainRequest) -> None:
        """Ask for a round. Returns at once where the trainer works elsewhere."""

    def ask(self, question: Question) -> None:
        """Ask something beside; it is answered by the newest model there is, before the next round begins.

        A newer question of the same kind makes one that has not been answered void. A `CrossValidate` takes as long as
        several rounds, and lets one begin after each fold.
        """

    def close(self) -> None:
        """Stop working; nothing is delivered any more."""


class InlineTrainer:
    """Runs each round at once, in the caller's thread: for tests, notebooks and simulations.

    Parameters
    ----------
    run : answers one request; `RoundRunner.run`.
    answer : answers one question; `QuestionHandler.answer`. Without it no question is ever answered.
    """

    def __init__(
        self, run: Callable[[TrainRequest], RoundResult], answer: Callable[[Question], Reply] | None = None
    ) -> None:
        self._run = run
        self._answer = answer
        self._deliver: Callable[[Message], object] | None = None

    def start(self, deliver: Callable[[Message], object]) -> None:
        """From now on answer requests through `deliver`."""
        self._deliver = deliver
        deliver(Ready())

    def submit(self, request: TrainRequest) -> None:
        """Run `request` and deliver its result before returning."""
        if self._deliver is not None:
            self._deliver(self._run(request))

    def ask(self, question: Question) -> None:
        """Answer `question` before returning."""
        if self._deliver is not None and self._answer is not None:
            self._deliver(self._answer(question))

    def close(self) -> None:
        """Answer no more."""
        self._deliver = None

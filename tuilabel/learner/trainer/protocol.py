"""The trainer as the session sees it, and a trainer that works in the same thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tuilabel.learner.trainer.messages import Message, Question, Ready, Reply, RoundResult, TrainRequest


class Trainer(Protocol):
    """Replies to training requests with messages; a newer request replaces earlier ones."""

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Start working; `deliver` is called with every message, from any thread."""

    def submit(self, request: TrainRequest) -> None:
        """Request a round. Returns at once where the trainer works in another process."""

    def ask(self, question: Question) -> None:
        """Ask a question, which the newest model answers before the next round begins.

        A newer question of the same kind replaces one without a reply. A `CrossValidate` takes as long as several
        rounds, and other rounds can run after each of its folds.
        """

    def close(self) -> None:
        """Stop working; no more messages are delivered."""


class InlineTrainer:
    """Runs each round immediately in the caller's thread, for notebooks, simulations and tests.

    Parameters
    ----------
    run : runs one request, as `RoundRunner.run` does.
    answer : answers one question, as `QuestionHandler.answer` does. Without it questions get no reply.
    """

    def __init__(
        self, run: Callable[[TrainRequest], RoundResult], answer: Callable[[Question], Reply] | None = None
    ) -> None:
        self._run = run
        self._answer = answer
        self._deliver: Callable[[Message], object] | None = None

    def start(self, deliver: Callable[[Message], object]) -> None:
        """From now on deliver results through `deliver`."""
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
        """Stop delivering."""
        self._deliver = None

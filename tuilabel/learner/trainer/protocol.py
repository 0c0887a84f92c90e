"""The interface of trainers, as the session uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tuilabel.learner.trainer.messages import Message, Question, TrainRequest


class Trainer(Protocol):
    """Replies to training requests and questions with messages; a newer request replaces earlier ones."""

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Start working; `deliver` is called with every message, from any thread."""

    def submit(self, request: TrainRequest) -> None:
        """Request a round. Returns at once if the trainer works in another process."""

    def ask(self, question: Question) -> None:
        """Ask a question, which the newest model answers before the next round begins.

        A newer question of the same kind replaces an unanswered one. A `CrossValidate` takes as long as several
        rounds, and other rounds can run after each of its folds.
        """

    def restart(self) -> None:
        """Start afresh: a trainer that hangs is ended, one that has given up begins again. Returns at once."""

    def close(self) -> None:
        """Stop working; no more messages are delivered."""

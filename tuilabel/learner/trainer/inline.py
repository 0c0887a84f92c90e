"""A trainer that works in the caller's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.latent import LatentLearner, MLPLearner
from tuilabel.learner.trainer.messages import Message, Question, Ready, Reply, RoundResult, TrainRequest
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner


class InlineTrainer:
    """Runs each round immediately in the caller's thread, for notebooks, simulations and tests.

    Parameters
    ----------
    run : runs one request, such as `RoundRunner.run`.
    answer : answers one question, such as `QuestionHandler.answer`. Without it questions get no reply.
    """

    def __init__(
        self, run: Callable[[TrainRequest], RoundResult], answer: Callable[[Question], Reply] | None = None
    ) -> None:
        self._run = run
        self._answer = answer
        self._deliver: Callable[[Message], object] | None = None

    @classmethod
    def on_latents(
        cls,
        latents: NDArray[np.float32],
        *,
        test: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None,
        learner: Literal["latent", "mlp"] = "latent",
    ) -> InlineTrainer:
        """A trainer for the items with these latents.

        Parameters
        ----------
        latents : float32 (N, D), in the pool's order.
        test : latents (M, D) and true classes (M,) of test items, to measure accuracy on.
        """
        opened = MLPLearner(latents) if learner == "mlp" else LatentLearner(latents)
        runner = RoundRunner(opened, None if test is None else TestSet(*test))
        return cls(runner.run, QuestionHandler(runner).answer)

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Start: `deliver` is called with every message."""
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

    def restart(self) -> None:
        """Do nothing: there is no process that could have failed."""

    def close(self) -> None:
        """Stop delivering."""
        self._deliver = None

"""What a project's store amounts to: the session that a screen would resume, and the model that it would ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuilabel.datasets import ImagePool
from tuilabel.labels import LabelStore, NullWriter
from tuilabel.learner.trainer.messages import Message, Question, TrainRequest
from tuilabel.session.session import LabellingSession


class _Listener:
    """A trainer that trains nothing and keeps what it was asked."""

    request: TrainRequest

    def start(self, deliver: Callable[[Message], object]) -> None:
        """There is nothing to deliver."""

    def submit(self, request: TrainRequest) -> None:
        """Keep the newest."""
        self.request = request

    def ask(self, question: Question) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """There is nothing to stop."""


def standing(
    pool: ImagePool, store: LabelStore, classes: Sequence[str], *, seed: int = 0
) -> tuple[LabellingSession, TrainRequest]:
    """Resume a project without a screen and without writing to it.

    Parameters
    ----------
    store : may be in use by a screen; what it holds now counts.
    classes : those of the project's settings.
    seed : that of `tuilabel label`.

    Returns
    -------
    The session, and the request for the model that the screen would show when it starts: the same labels and seed make
    the same model.

    Raises
    ------
    UsageError : where there are fewer than two classes.
    """
    listener = _Listener()
    session = LabellingSession(
        pool,
        events=store.events(),
        rounds=store.rounds(),
        class_changes=store.class_changes(),
        writer=NullWriter(),
        trainer=listener,
        classes=classes,
        seed=seed,
    )
    session.start()
    return session, listener.request

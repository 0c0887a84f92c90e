"""Resume a project without a screen: its session, and the model that the screen would train first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuilabel.datasets import ImagePool
from tuilabel.labels import LabelStore, NullWriter
from tuilabel.learner.trainer.messages import Message, Question, TrainRequest
from tuilabel.session.session import LabellingSession


class _RecordingTrainer:
    """Trains nothing and keeps the newest request."""

    request: TrainRequest

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Nothing is ever delivered."""

    def submit(self, request: TrainRequest) -> None:
        """Keep the request."""
        self.request = request

    def ask(self, question: Question) -> None:
        """Questions are not answered."""

    def restart(self) -> None:
        """Nothing is running."""

    def close(self) -> None:
        """Nothing is running."""


def resume_session(
    pool: ImagePool, store: LabelStore, classes: Sequence[str], *, seed: int = 0
) -> tuple[LabellingSession, TrainRequest]:
    """Resume a project without a screen and without writing to it.

    Parameters
    ----------
    store : its current contents are used; a screen may have it open.
    classes : those of the project's settings.
    seed : the one given to `tuilabel label`.

    Returns
    -------
    The session, as that of whoever was asked last, and the training request that the screen would send when it starts:
    the same labels and seed give the same model.
    """
    trainer, rounds = _RecordingTrainer(), store.rounds()
    session = LabellingSession(
        pool,
        log=store.events(),
        rounds=rounds,
        class_changes=store.class_changes(),
        writer=NullWriter(),
        trainer=trainer,
        classes=classes,
        annotator=(rounds[-1].annotator if rounds else None) or "anonymous",
        seed=seed,
    )
    session.start()
    return session, trainer.request

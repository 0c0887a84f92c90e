"""The trainer's pool and the best latents available, replaced by better ones once they are ready."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tuilabel.datasets import open_pool
from tuilabel.encoders import Encoder, Latents
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.learner.base import Learner, needs_encoder
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.open import learner_for, open_test_set
from tuilabel.learner.trainer.messages import Failure, Message, PoolChanged, TrainerProgress
from tuilabel.learner.trainer.prepare_messages import (
    ImagesRead,
    LatentsReady,
    PrepareFailed,
    PrepareMessage,
    PrepareSettings,
)
from tuilabel.learner.trainer.prepare_process import PrepareProcess
from tuilabel.learner.trainer.questions import Decode, QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.learner.trainer.settings import WorkerSettings

log = logging.getLogger("tuilabel.trainer")


class TrainerWorkspace:
    """Opens the pool and the latents that the settings name, and reports when they change.

    A built-in dataset is encoded before the first round. With user images the first round starts at once, on the
    principal components of their thumbnails, while a child process reads the remaining images, trains the VAE and
    encodes.
    """

    def __init__(self, settings: WorkerSettings, send: Callable[[Message], None]) -> None:
        self._settings, self._send = settings, send
        self._pool = open_pool(settings.dataset, settings.data_dir, reading="none")
        self._encoder: Encoder | None = None
        """The encoder of the current latents."""

    def start(self) -> tuple[Learner, TestSet | None]:
        """The first learner, and the test set if there is one."""
        if not needs_encoder(self._settings.learner):
            return self._open_learner(None)
        wanted = self._settings.encoder
        if self._pool.can_grow:
            latents = None if wanted is None else wanted.available(self._pool)
            self._encoder = PCAEncoder() if latents is None else wanted
            started = self._open_learner(latents or PCAEncoder().encode(self._pool))
            self._send(PoolChanged(len(self._pool), self._name))
            return started
        assert wanted is not None
        self._encoder = wanted
        progress = lambda done, total: self._send(TrainerProgress("encode", done, total))  # noqa: E731
        return self._open_learner(wanted.encode(self._pool, self._settings.device, progress))

    def prepare(self, on_message: Callable[[ImagesRead | LatentsReady], None]) -> None:
        """Prepare what is missing in a child process; `on_message` is called in a thread when something is ready."""
        pool, settings = self._pool, self._settings
        if not pool.can_grow:
            return
        encoder = settings.encoder if needs_encoder(settings.learner) else None
        if pool.is_complete and self._encoder == encoder:
            return

        def forward(message: PrepareMessage) -> None:
            match message:
                case TrainerProgress():
                    self._send(message)
                case PrepareFailed():
                    self._send(Failure(message.reason, fatal=False, background=True))
                case ImagesRead() | LatentsReady():
                    on_message(message)

        PrepareProcess(
            PrepareSettings(
                settings.dataset,
                settings.data_dir,
                encoder,
                settings.device,
                settings.seed,
            ),
            forward,
        )

    def update(self, message: ImagesRead | LatentsReady, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Switch `runner` and `questions` to what has been prepared; False if that changes nothing."""
        if isinstance(message, ImagesRead) and (self._encoder not in (None, PCAEncoder()) or not self._pool.refresh()):
            if message.complete:  # no new item has latents yet, but moved files of known items may have been found
                self._send(PoolChanged(len(self._pool), self._name))
            return False
        if isinstance(message, LatentsReady):
            self._pool.refresh()
            latents = message.encoder.available(self._pool)
            if latents is None:  # another session has read more images since: they are encoded next time
                return False
            self._encoder = message.encoder
            self._send(TrainerProgress("idle", background=True))
        else:
            latents = None if self._encoder is None else self._encoder.encode(self._pool)
        runner.replace_learner(*self._open_learner(latents))
        questions.decode = self.decode
        self._send(PoolChanged(len(self._pool), self._name))
        return True

    @property
    def decode(self) -> Decode | None:
        """A function that decodes latents to images; None unless the encoder is a VAE."""
        return None if self._encoder is None else self._encoder.decoder()

    @property
    def _name(self) -> str:
        return "pixels" if self._encoder is None else self._encoder.name

    def _open_learner(self, latents: Latents | None) -> tuple[Learner, TestSet | None]:
        learner, features = learner_for(self._settings.learner, self._pool, latents)
        return learner, open_test_set(self._pool, features)

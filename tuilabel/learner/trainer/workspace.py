"""The trainer's pool and the best latents available, replaced by better ones once they are ready."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tuilabel.datasets import open_pool
from tuilabel.encoders import Encoder, Latents
from tuilabel.encoders.base import TextSearch
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.encoders.titles import title_of
from tuilabel.errors import TuilabelError
from tuilabel.learner.base import LabelSet, Learner, needs_encoder
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.open import learner_for, open_test_set
from tuilabel.learner.spaces import Choice, SpaceChooser
from tuilabel.learner.trainer.messages import Failure, Message, Notice, PoolChanged, TrainerProgress
from tuilabel.learner.trainer.prepare_messages import (
    EncoderFailed,
    ImagesRead,
    LatentsReady,
    Prepared,
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

    A built-in dataset is encoded before the first round; if there are several encoders, by the last, which is the
    fastest. With user images the first round starts at once, on the principal components of their thumbnails. Then a
    child process reads the remaining images, trains encoders and encodes. Between several encoders the labels decide,
    see `SpaceChooser`.
    """

    def __init__(self, settings: WorkerSettings, send: Callable[[Message], None]) -> None:
        self._settings, self._send = settings, send
        self._pool = open_pool(settings.dataset, settings.data_dir, reading="none")
        self._encoders = settings.encoders if needs_encoder(settings.learner) else ()
        self._encoder: Encoder | None = None
        """The encoder of the current latents."""
        self._ready: list[Encoder] = []
        """The encoders whose latents can be used at once."""
        self._labelled: LabelSet | None = None
        """The labels of the newest request."""
        self._chooser: SpaceChooser | None = None

    def start(self) -> tuple[Learner, TestSet | None]:
        """The first learner, and the test set if there is one."""
        if not self._encoders:
            return self._open_learner(None)
        progress = lambda done, total: self._send(TrainerProgress("encode", done, total))  # noqa: E731
        begun: dict[Encoder, Latents] = {}
        if not self._pool.can_grow:
            begun[self._encoders[-1]] = self._encoders[-1].encode(self._pool, self._settings.device, progress)
        self._ready = [e for e in self._encoders if e in begun or e.available(self._pool) is not None]
        last = [encoder for encoder in self._ready if encoder.name == self._settings.space]
        self._encoder = next(iter(last or self._ready), PCAEncoder())
        self._chooser = SpaceChooser(
            [encoder.name for encoder in self._encoders], self._name, self._ready_names, self._learner_of
        )
        latents = begun.get(self._encoder)
        started = self._open_learner(self._encoder.encode(self._pool) if latents is None else latents)
        if self._pool.can_grow or len(self._encoders) > 1:
            self._send(PoolChanged(len(self._pool), self._name))
        return started

    def prepare(self, on_message: Callable[[Prepared], None]) -> None:
        """Prepare what is missing in a child process; `on_message` is called in a thread when something is ready."""
        pool, settings = self._pool, self._settings
        missing = tuple(e for e in reversed(self._encoders) if e != PCAEncoder() and e not in self._ready)
        if pool.is_complete and pool.is_checked and not missing:
            return

        def forward(message: PrepareMessage) -> None:
            match message:
                case TrainerProgress():
                    self._send(message)
                case EncoderFailed():
                    reason = f"no {title_of(message.encoder.name)}: {message.reason}"
                    self._send(Failure(reason, fatal=False, background=True))
                case PrepareFailed():
                    self._send(Failure(message.reason, fatal=False, background=True))
                case ImagesRead() | LatentsReady():
                    on_message(message)

        PrepareProcess(
            PrepareSettings(settings.dataset, settings.data_dir, missing, settings.device, settings.seed), forward
        )

    def update(self, message: Prepared, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Note what has been prepared, and switch `runner` and `questions` to it at once unless labels have to decide.

        Returns
        -------
        Whether they were switched.
        """
        if isinstance(message, ImagesRead):
            if self._encoder in (None, PCAEncoder()) and self._pool.refresh():
                latents = None if self._encoder is None else self._encoder.encode(self._pool)
                self._switch(self._encoder, latents, runner, questions)
                return True
            if message.complete:  # no new item has latents yet, but moved files of known items may have been found
                self._send(PoolChanged(len(self._pool), self._name))
            return False
        self._send(TrainerProgress("idle", background=True))
        self._pool.refresh()
        if message.encoder.available(self._pool) is None:
            return False  # another session has read more images since: they are encoded next time
        self._ready = [e for e in self._encoders if e == message.encoder or e in self._ready]
        return self._choose(runner, questions)

    def on_labels(self, labelled: LabelSet, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Note the labels of the newest request; returns as `update`."""
        self._labelled = labelled
        return self._choose(runner, questions)

    @property
    def is_comparing(self) -> bool:
        """Whether spaces are being compared."""
        return self._chooser is not None and self._chooser.is_comparing

    def compare(self, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Train one model of the comparison; returns as `update`."""
        choice = None if self._chooser is None else self._chooser.step()
        if choice is not None:
            self._send(TrainerProgress("idle", background=True))
        return self._follow(choice, runner, questions)

    @property
    def decode(self) -> Decode | None:
        """A function that decodes latents to images; None unless the encoder is a VAE."""
        return None if self._encoder is None else self._encoder.decoder()

    @property
    def text_search(self) -> TextSearch | None:
        """A function that compares texts with the images; None unless one of the encoders knows texts."""
        searches = (encoder.text_search(self._pool) for encoder in self._encoders)
        return next((search for search in searches if search is not None), None)

    def _choose(self, runner: RoundRunner, questions: QuestionHandler) -> bool:
        if self._chooser is None or not self._ready:
            return False
        was_comparing = self.is_comparing
        choice = self._chooser.choose(self._labelled, self._ready_names)
        if self.is_comparing and not was_comparing:
            self._send(TrainerProgress("compare", background=True))
        return self._follow(choice, runner, questions)

    def _follow(self, choice: Choice | None, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Switch to the space of a choice, unless it is in use."""
        if choice is None:
            return False
        if choice.space == self._name:
            if choice.by_labels:
                self._send(Notice(f"Still {title_of(choice.space)}: your labels fit them better"))
            return False
        ranked = "they suit such images best" if len(self._encoders) > 1 else "they are ready"
        why = "your labels fit them better" if choice.by_labels else ranked
        encoder = next(encoder for encoder in self._encoders if encoder.name == choice.space)
        latents = encoder.available(self._pool)
        if latents is None:
            return False
        self._switch(encoder, latents, runner, questions, why)
        return True

    def _switch(
        self,
        encoder: Encoder | None,
        latents: Latents | None,
        runner: RoundRunner,
        questions: QuestionHandler,
        reason: str | None = None,
    ) -> None:
        self._encoder = encoder
        runner.replace_learner(*self._open_learner(latents))
        questions.decode, questions.text_search = self.decode, self.text_search
        self._send(PoolChanged(len(self._pool), self._name, reason))

    @property
    def _ready_names(self) -> list[str]:
        return [encoder.name for encoder in self._ready]

    @property
    def _name(self) -> str:
        return "pixels" if self._encoder is None else self._encoder.name

    def _learner_of(self, space: str) -> Learner:
        (encoder,) = (encoder for encoder in self._ready if encoder.name == space)
        latents = encoder.available(self._pool)
        if latents is None:
            raise TuilabelError(f"{space} has no latents of images that have been read since")
        return learner_for(self._settings.learner, self._pool, latents)[0]

    def _open_learner(self, latents: Latents | None) -> tuple[Learner, TestSet | None]:
        learner, features = learner_for(self._settings.learner, self._pool, latents)
        return learner, open_test_set(self._pool, features)

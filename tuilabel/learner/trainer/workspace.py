"""What the trainer works on: a pool and its latents, the best there are now, and better ones when they are prepared."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tuilabel.datasets import LibraryPool, open_pool
from tuilabel.encoders.cache import Latents
from tuilabel.encoders.choose import PCA_ENCODER, Encoder
from tuilabel.encoders.encode import at_once, encode
from tuilabel.encoders.vae.decode import LatentDecoder
from tuilabel.learner.base import Learner, needs_encoder
from tuilabel.learner.open import learner_on, test_set
from tuilabel.learner.trainer.messages import Failure, Message, PoolChanged, Progress
from tuilabel.learner.trainer.prepare_messages import Encoded, Failed, Grown, News, PrepareSettings
from tuilabel.learner.trainer.prepare_process import Preparer
from tuilabel.learner.trainer.process import WorkerSettings
from tuilabel.learner.trainer.questions import Answerer, Decode
from tuilabel.learner.trainer.round import RoundRunner, TestSet

log = logging.getLogger("tuilabel.trainer")


class Stock:
    """Opens what the settings name, at once where that is possible, and says what it changes to later.

    A dataset known by name is encoded before anything is asked. A person's own images are asked at once, told apart by
    the principal components of their thumbnails, until a child process has read the rest, trained the VAE, and encoded.
    """

    def __init__(self, settings: WorkerSettings, send: Callable[[Message], None]) -> None:
        self._settings, self._send = settings, send
        self._pool = open_pool(settings.dataset, settings.data_dir, reading="none")
        self._encoder: Encoder | None = None
        """Of the latents that are used now."""

    def start(self) -> tuple[Learner, TestSet | None]:
        """The learner to begin with, and the test set."""
        if not needs_encoder(self._settings.learner):
            return self._on(None)
        wanted = self._settings.encoder
        if isinstance(self._pool, LibraryPool):
            latents = None if wanted is None else at_once(wanted, self._pool)
            self._encoder = PCA_ENCODER if latents is None else wanted
            started = self._on(latents or encode(PCA_ENCODER, self._pool))
            self._send(PoolChanged(len(self._pool), self._name))
            return started
        assert wanted is not None
        self._encoder = wanted
        progress = lambda done, total: self._send(Progress("encode", done, total))  # noqa: E731
        return self._on(encode(wanted, self._pool, self._settings.device, progress))

    def prepare(self, hear: Callable[[Grown | Encoded], None]) -> None:
        """Begin with what is not there yet, in a child process; `hear` is told in a thread when something is."""
        pool, settings = self._pool, self._settings
        if not isinstance(pool, LibraryPool):
            return
        encodes = needs_encoder(settings.learner)
        if pool.library.complete and (not encodes or self._encoder == settings.encoder):
            return
        assert settings.vae is not None

        def pass_on(news: News) -> None:
            match news:
                case Progress():
                    self._send(news)
                case Failed():
                    self._send(Failure(news.reason, fatal=False, behind=True))
                case Grown() | Encoded():
                    hear(news)

        Preparer(
            PrepareSettings(
                settings.dataset,
                settings.data_dir,
                settings.encoder,
                settings.vae,
                encodes,
                settings.device,
                settings.seed,
            ),
            pass_on,
        )

    def renew(self, news: Grown | Encoded, runner: RoundRunner, answerer: Answerer) -> bool:
        """Let `runner` and `answerer` work with what was prepared; False where that changes nothing."""
        if isinstance(news, Grown) and (self._encoder not in (None, PCA_ENCODER) or not self._pool.refresh()):
            if news.complete:  # nothing new has latents yet, but files of known items may have been found again
                self._send(PoolChanged(len(self._pool), self._name))
            return False
        if isinstance(news, Encoded):
            self._pool.refresh()
            latents = at_once(news.encoder, self._pool)
            if latents is None:  # more was read since, by another sitting: it is encoded the next time
                return False
            self._encoder = news.encoder
            self._send(Progress("idle", behind=True))
        else:
            latents = None if self._encoder is None else encode(self._encoder, self._pool)
        runner.renew(*self._on(latents))
        answerer.decode = self.decode
        self._send(PoolChanged(len(self._pool), self._name))
        return True

    @property
    def decode(self) -> Decode | None:
        """Draws latents, where they are a VAE's."""
        encoder = self._encoder
        if encoder is None or encoder.kind != "vae" or encoder.path is None:
            return None
        return LatentDecoder(encoder.path)

    @property
    def _name(self) -> str:
        return "pixels" if self._encoder is None else self._encoder.name

    def _on(self, latents: Latents | None) -> tuple[Learner, TestSet | None]:
        learner, features = learner_on(self._settings.learner, self._pool, latents)
        return learner, test_set(self._pool, features)

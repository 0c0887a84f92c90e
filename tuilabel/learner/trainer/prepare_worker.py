"""`python -m tuilabel.learner.trainer.prepare_worker`: reads, trains the VAE and encodes while a person labels already.

It is the trainer's child. Settings come as a pickle over the connection whose file descriptor is the first argument;
what happens is told there. When the other end closes, training stops with its state saved, and the process ends.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Event, Thread, Timer

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders.choose import Encoder
from tuilabel.encoders.encode import encode
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.errors import TuilabelError
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.learner.trainer.prepare_messages import (
    ImagesRead,
    LatentsReady,
    PrepareFailed,
    PrepareMessage,
    PrepareSettings,
)

log = logging.getLogger("tuilabel.preparing")

NICENESS = 9  # on top of the trainer's 10
GRACE = 20.0  # seconds to save what has been trained
GROWN_BY = 1.5  # times as many items as were told of last are worth telling


def prepare(settings: PrepareSettings, say: Callable[[PrepareMessage], None], should_stop: Callable[[], bool]) -> None:
    """Read the rest of the images, train a VAE where there is none, encode.

    Raises
    ------
    TuilabelError : where one of these is impossible.
    """
    pool = open_pool(settings.dataset, settings.data_dir, reading="none")
    if pool.can_grow:
        _read(pool, say, should_stop)
    if should_stop() or not settings.encodes:
        return
    encoder = settings.encoder or _train(settings, pool, say, should_stop)
    encode(
        encoder, pool, settings.device, lambda done, total: say(TrainerProgress("encode", done, total, background=True))
    )
    say(LatentsReady(encoder))


def _read(pool: ImagePool, say: Callable[[PrepareMessage], None], should_stop: Callable[[], bool]) -> None:
    told = len(pool)

    def on_progress(_stage: str, done: int, total: int) -> None:
        nonlocal told
        say(TrainerProgress("read", done, total, background=True))
        if pool.n_read > GROWN_BY * told:
            told = pool.n_read
            say(ImagesRead(complete=False))

    pool.read_rest(on_progress, should_stop)
    if not should_stop():
        say(ImagesRead(complete=True))


def _train(
    settings: PrepareSettings, pool: ImagePool, say: Callable[[PrepareMessage], None], should_stop: Callable[[], bool]
) -> Encoder:
    from tuilabel.encoders.vae.training import partial_path, train_vae

    recipe = TrainSettings.for_pool(len(pool.images), pool.augmentations, seed=settings.seed)

    def train(*, resume: bool) -> None:
        train_vae(
            pool.images,
            recipe,
            settings.vae,
            dataset=pool.name,
            fingerprint=pool.fingerprint,
            device=settings.device,
            resume=resume,
            on_progress=lambda now: say(
                TrainerProgress(
                    "vae",
                    (now.epoch - 1) * now.images_total + now.images_done,
                    now.epochs * now.images_total,
                    background=True,
                )
            ),
            should_stop=should_stop,
        )

    try:
        train(resume=partial_path(settings.vae).exists())
    except TuilabelError as error:
        if should_stop() or not partial_path(settings.vae).exists():
            raise
        log.info("the unfinished training is of no use (%s): starting anew", error)
        partial_path(settings.vae).unlink(missing_ok=True)
        train(resume=False)
    return Encoder.vae(settings.vae)


def main() -> None:
    """Prepare over the connection whose file descriptor is the first argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    os.nice(NICENESS)
    connection = Connection(int(sys.argv[1]))
    settings: PrepareSettings = connection.recv()
    closed = Event()

    def watch() -> None:
        try:
            connection.recv()
        except (EOFError, OSError):
            closed.set()
            timer = Timer(GRACE, os._exit, [1])
            timer.daemon = True
            timer.start()

    def say(news: PrepareMessage) -> None:
        if not closed.is_set():
            connection.send(news)

    Thread(target=watch, daemon=True).start()
    try:
        prepare(settings, say, closed.is_set)
    except (BrokenPipeError, ConnectionResetError):
        pass
    except TuilabelError as error:
        log.info("stopped: %s", error)
        say(PrepareFailed(str(error)))
    except Exception as error:
        traceback.print_exc()
        say(PrepareFailed(f"{type(error).__name__}: {' '.join(str(error).split())}"))


if __name__ == "__main__":
    main()

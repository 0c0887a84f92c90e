"""`python -m tuilabel.learner.trainer.prepare_worker FD`: read, train and encode while the user is labelling.

A child process of the trainer. It receives its settings over the connection and reports its progress there. When the
trainer ends, training stops with its state saved, and this process ends.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from threading import Event, Timer

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.errors import TuilabelError
from tuilabel.learner.trainer.child import connect_to_parent, listen
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.learner.trainer.prepare_messages import (
    ImagesRead,
    LatentsReady,
    PrepareFailed,
    PrepareMessage,
    PrepareSettings,
)

log = logging.getLogger("tuilabel.prepare")

NICENESS = 9  # on top of the trainer's 10
GRACE = 20.0  # seconds to save the state of the training once the parent has ended
GROWN_BY = 1.5  # report new images when there are this many times as many as in the last report


def prepare(settings: PrepareSettings, send: Callable[[PrepareMessage], None], should_stop: Callable[[], bool]) -> None:
    """Read the remaining images, train the encoder if it needs training, and encode all images.

    Raises
    ------
    TuilabelError : if one of these steps fails.
    """
    pool = open_pool(settings.dataset, settings.data_dir, reading="none")
    if pool.can_grow:
        _read(pool, send, should_stop)
    encoder = settings.encoder
    if should_stop() or encoder is None:
        return
    if encoder.needs_training(pool):
        encoder.train(
            pool,
            device=settings.device,
            seed=settings.seed,
            on_progress=lambda done, total: send(TrainerProgress("vae", done, total, background=True)),
            should_stop=should_stop,
        )
    encoder.encode(
        pool,
        settings.device,
        lambda done, total: send(TrainerProgress("encode", done, total, background=True)),
    )
    send(LatentsReady(encoder))


def _read(pool: ImagePool, send: Callable[[PrepareMessage], None], should_stop: Callable[[], bool]) -> None:
    reported = len(pool)

    def on_progress(_stage: str, done: int, total: int) -> None:
        nonlocal reported
        send(TrainerProgress("read", done, total, background=True))
        if pool.n_read > GROWN_BY * reported:
            reported = pool.n_read
            send(ImagesRead(complete=False))

    pool.read_rest(on_progress, should_stop)
    if not should_stop():
        send(ImagesRead(complete=True))


def main() -> None:
    """Prepare for the parent, over the socket whose file descriptor is the first argument."""
    connection = connect_to_parent(NICENESS)
    settings: PrepareSettings = connection.recv()
    parent_gone = Event()

    def stop() -> None:
        parent_gone.set()
        timer = Timer(GRACE, os._exit, [1])
        timer.daemon = True
        timer.start()

    def send(message: PrepareMessage) -> None:
        if not parent_gone.is_set():
            connection.send(message)

    listen(connection, on_parent_exit=stop)
    try:
        prepare(settings, send, parent_gone.is_set)
    except (BrokenPipeError, ConnectionResetError):
        pass
    except TuilabelError as error:
        log.info("stopped: %s", error)
        send(PrepareFailed(str(error)))
    except Exception as error:
        traceback.print_exc()
        send(PrepareFailed(f"{type(error).__name__}: {' '.join(str(error).split())}"))


if __name__ == "__main__":
    main()

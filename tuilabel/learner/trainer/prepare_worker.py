"""`python -m tuilabel.learner.trainer.prepare_worker FD`: read, train and encode while the user is labelling.

A child process of the trainer. It receives its settings over the connection and reports its progress there. When the
trainer ends, this process ends after the step that it is in: what it has read and computed so far is kept, and the
state of a training is saved.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Callable
from threading import Event, Timer

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import Encoder
from tuilabel.encoders.cache import OnProgress
from tuilabel.errors import TuilabelError
from tuilabel.learner.trainer.child import connect_to_parent, listen
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.learner.trainer.prepare_messages import (
    EncoderFailed,
    ImagesRead,
    LatentsReady,
    PrepareFailed,
    PrepareMessage,
    PrepareSettings,
)

log = logging.getLogger("tuilabel.prepare")

NICENESS = 9  # on top of the trainer's 10
GRACE = 20.0  # seconds to finish a step, and save the state of a training, once the parent has ended
GROWN_BY = 1.5  # report new images when there are this many times as many as in the last report


def prepare(settings: PrepareSettings, send: Callable[[PrepareMessage], None], should_stop: Callable[[], bool]) -> None:
    """Read the remaining images; then download or train what each encoder needs, and encode all images.

    Raises
    ------
    TuilabelError : if the images cannot be read, or if it was stopped while it prepared an encoder.
    """
    pool = open_pool(settings.dataset, settings.data_dir, reading="none")
    if pool.can_grow:
        _read(pool, send, should_stop)
    for encoder in settings.encoders:
        if should_stop():
            return
        try:
            _encode(encoder, pool, settings, send, should_stop)
        except (TuilabelError, MemoryError, RuntimeError) as error:  # torch raises RuntimeError without memory, too
            if should_stop():
                raise
            if not isinstance(error, TuilabelError):
                traceback.print_exc()
            log.info("no latents of %s: %s", encoder.name, error)
            send(EncoderFailed(encoder, one_line(error)))


def _encode(
    encoder: Encoder,
    pool: ImagePool,
    settings: PrepareSettings,
    send: Callable[[PrepareMessage], None],
    should_stop: Callable[[], bool],
) -> None:
    def stoppable(report: OnProgress) -> OnProgress:
        def on_progress(done: int, total: int) -> None:
            report(done, total)
            if should_stop():
                raise TuilabelError(f"stopped at {done:,} of {total:,}")

        return on_progress

    encoder.fetch(stoppable(_Reporter("download", send, encoder.name)))
    if encoder.needs_training(pool):
        report = _Reporter("vae", send, encoder.name)
        encoder.train(pool, device=settings.device, seed=settings.seed, on_progress=report, should_stop=should_stop)
    encoder.encode(pool, settings.device, stoppable(_Reporter("encode", send, encoder.name)))
    send(LatentsReady(encoder))


def _read(pool: ImagePool, send: Callable[[PrepareMessage], None], should_stop: Callable[[], bool]) -> None:
    reported = len(pool)
    report = _Reporter("read", send)

    def on_progress(_stage: str, done: int, total: int) -> None:
        nonlocal reported
        report(done, total)
        if pool.n_read > GROWN_BY * reported:
            reported = pool.n_read
            send(ImagesRead(complete=False))

    pool.read_rest(on_progress, should_stop)
    if not should_stop():
        send(ImagesRead(complete=True))


class _Reporter:
    """Reports how far a stage is, and its rate since it began: what an earlier session had done does not count."""

    def __init__(self, stage: str, send: Callable[[PrepareMessage], None], encoder: str | None = None) -> None:
        self._stage, self._send, self._encoder = stage, send, encoder
        self._begun: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._begun = self._begun or (now, done)
        seconds, steps = now - self._begun[0], done - self._begun[1]
        rate = steps / seconds if seconds and steps else None
        self._send(TrainerProgress(self._stage, done, total, True, self._encoder, rate))


def one_line(error: BaseException) -> str:
    """The message of an error in one line, with its type unless it is written for users."""
    text = " ".join(str(error).split())
    return text if isinstance(error, TuilabelError) else f"{type(error).__name__}: {text}"


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
        send(PrepareFailed(one_line(error)))
    except Exception as error:
        traceback.print_exc()
        send(PrepareFailed(one_line(error)))


if __name__ == "__main__":
    main()

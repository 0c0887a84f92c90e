"""Runs `prepare_worker` in a child process of the trainer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Thread

from tuilabel.learner.trainer.child import Child, exit_reason
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.learner.trainer.prepare_messages import (
    EncoderFailed,
    LatentsReady,
    PrepareFailed,
    PrepareMessage,
    PrepareSettings,
)

log = logging.getLogger("tuilabel.trainer")

RESTARTS = 8  # a file that crashes its decoder is skipped after three to five restarts
RESTART_AFTER = 1.0  # seconds
CRASHES = 2  # of an encoder, until it is given up and the others go on: memory may be short for it alone


class PrepareProcess:
    """Reads the remaining images, trains encoders and encodes in a child process, which is restarted when it crashes.

    The child ends when this process does.

    Parameters
    ----------
    on_message : called in a thread with every message from the child.

    Attributes
    ----------
    pid : the id of the child, once it has been started.
    """

    def __init__(self, settings: PrepareSettings, on_message: Callable[[PrepareMessage], None]) -> None:
        self._settings = settings
        self._on_message = on_message
        self.pid: int | None = None
        self._encoder: str | None = None
        """The encoder that the child is working for."""
        Thread(target=self._run, name="prepare", daemon=True).start()

    def _run(self) -> None:
        crashed_with: list[str] = []
        for attempt in range(RESTARTS + 1):
            if attempt:
                time.sleep(RESTART_AFTER)
            try:
                code = self._run_once()
            except OSError as error:
                reason = error.strerror or error
                self._on_message(PrepareFailed(f"cannot start reading images in the background: {reason}"))
                return
            if code == 0:
                return
            log.info("the prepare process ended with code %s", code)
            if self._encoder is not None:
                crashed_with.append(self._encoder)
                if crashed_with.count(self._encoder) == CRASHES:
                    self._give_up(self._encoder, code)
        self._on_message(
            PrepareFailed(f"reading images in the background crashed {RESTARTS + 1} times: see the trainer's log")
        )

    def _give_up(self, name: str, code: int) -> None:
        encoders = self._settings.encoders
        for encoder in (encoder for encoder in encoders if encoder.name == name):
            self._on_message(EncoderFailed(encoder, f"its process {exit_reason(code)} {CRASHES} times"))
        self._settings = replace(self._settings, encoders=tuple(e for e in encoders if e.name != name))

    def _run_once(self) -> int:
        child = Child(
            "tuilabel.learner.trainer.prepare_worker",
            self._settings,
            environment={"OMP_WAIT_POLICY": "PASSIVE"},  # idle threads leave the processor to others
        )
        self.pid, self._encoder = child.pid, None
        with child.connection as connection:
            while True:
                try:
                    message: PrepareMessage = connection.recv()
                except (EOFError, OSError):
                    break
                if isinstance(message, TrainerProgress):
                    self._encoder = message.encoder
                elif isinstance(message, LatentsReady | EncoderFailed):
                    self._encoder = None
                self._on_message(message)
        return child.wait()

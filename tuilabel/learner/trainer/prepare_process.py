"""Runs `prepare_worker` in a child process of the trainer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Thread

from tuilabel.learner.trainer.child import Child
from tuilabel.learner.trainer.prepare_messages import PrepareFailed, PrepareMessage, PrepareSettings

log = logging.getLogger("tuilabel.trainer")

RESTARTS = 8  # a file that crashes its decoder is skipped after three to five restarts
RESTART_AFTER = 1.0  # seconds


class PrepareProcess:
    """Reads the remaining images, trains the VAE and encodes in a child process, which is restarted when it crashes.

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
        Thread(target=self._run, name="prepare", daemon=True).start()

    def _run(self) -> None:
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
        self._on_message(
            PrepareFailed(f"reading images in the background crashed {RESTARTS + 1} times: see the trainer's log")
        )

    def _run_once(self) -> int:
        child = Child(
            "tuilabel.learner.trainer.prepare_worker",
            self._settings,
            environment={"OMP_WAIT_POLICY": "PASSIVE"},  # idle threads leave the processor to others
        )
        self.pid = child.pid
        with child.connection as connection:
            while True:
                try:
                    message: PrepareMessage = connection.recv()
                except (EOFError, OSError):
                    break
                self._on_message(message)
        return child.wait()

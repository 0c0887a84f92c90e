"""The trainer's handle on the process that prepares what it will train on."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Thread

from tuilabel.learner.trainer.prepare_messages import PrepareFailed, PrepareMessage, PrepareSettings

log = logging.getLogger("tuilabel.trainer")

RESTARTS = 8  # a file that kills its decoder is given up after three to five of them
RESTART_AFTER = 1.0  # seconds


class PrepareProcess:
    """Runs `prepare_worker` in a child process and hears what it says; restarted when it crashes.

    The child ends when this process does.

    Parameters
    ----------
    hear : gets the news, in a thread.
    """

    def __init__(self, settings: PrepareSettings, hear: Callable[[PrepareMessage], None]) -> None:
        self._settings = settings
        self._hear = hear
        self.pid: int | None = None
        """Of the child, once there is one."""
        Thread(target=self._run, name="preparer", daemon=True).start()

    def _run(self) -> None:
        for attempt in range(RESTARTS + 1):
            if attempt:
                time.sleep(RESTART_AFTER)
            try:
                code = self._once()
            except OSError as error:
                self._hear(PrepareFailed(f"cannot start reading in the background: {error.strerror or error}"))
                return
            if code == 0:
                return
            log.info("the process that prepares ended with %s", code)
        self._hear(PrepareFailed("reading in the background crashed again and again: see the log"))

    def _once(self) -> int:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tuilabel.learner.trainer.prepare_worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},  # waiting threads leave the processor to others
            )
        self.pid = process.pid
        with Connection(ours.detach()) as connection:
            connection.send(self._settings)
            while True:
                try:
                    news: PrepareMessage = connection.recv()
                except (EOFError, OSError):
                    break
                self._hear(news)
        return process.wait()

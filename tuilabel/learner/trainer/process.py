"""The trainer in a process of its own, so that no key ever waits for it and torch stays out of the screen."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Condition, Thread

from tuilabel.learner.trainer.messages import Failure, Message, Question, Reply, RoundResult, TrainRequest, empty_reply
from tuilabel.learner.trainer.settings import WorkerSettings, spare_processors

log = logging.getLogger(__name__)

RESTARTS = 3  # in a row, without a result between them
ASKED_AGAIN = 1  # a question that two processes have died over is not asked a third time
RESTART_AFTER = 0.5  # seconds
CLOSE_WITHIN = 2.0  # seconds
GATHER = 0.01  # seconds from a request to its sending: the screen paints first, and fast keys make one request


class ProcessTrainer:
    """A `Trainer` that works in a child process, over a pair of sockets; restarted when it dies.

    A plain subprocess and no `multiprocessing.Process`: the latter cannot be started from within a running Textual
    app, and a trainer that died must be started again there.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._deliver: Callable[[Message], object] = lambda _: None
        self._changed = Condition()
        self._newest: TrainRequest | None = None
        self._sent = -1
        self._questions: dict[type, Question] = {}
        """The newest of each kind that has not been answered."""
        self._asked: set[int] = set()
        """Serials of those that this process has got."""
        self._deaths: dict[int, int] = {}
        """Processes that died between getting the question with this serial and its answer."""
        self._closing = False
        self._failures = 0
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Start the process; `deliver` gets its messages in a thread."""
        self._deliver = deliver
        self._spawn()
        Thread(target=self._receive, name="trainer-receive", daemon=True).start()
        Thread(target=self._send, name="trainer-send", daemon=True).start()

    def submit(self, request: TrainRequest) -> None:
        """Ask for a round; a request that has not been sent yet is replaced. Never blocks."""
        with self._changed:
            self._newest = request
            self._changed.notify_all()

    def ask(self, question: Question) -> None:
        """Ask something beside; it is asked again where the process dies over it. Never blocks."""
        with self._changed:
            ended = self._closing
            if not ended:
                self._questions[type(question)] = question
                self._changed.notify_all()
        if ended:
            self._deliver(empty_reply(question, "the trainer has stopped"))

    def close(self) -> None:
        """End the process. What it was doing is lost, and nothing else: it keeps no state."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(CLOSE_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._settings.log.parent.mkdir(parents=True, exist_ok=True)
            with self._settings.log.open("ab") as output:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "tuilabel.learner.trainer.worker", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    env={"OPENBLAS_NUM_THREADS": str(spare_processors()), **os.environ},
                    start_new_session=True,  # a Ctrl-C or hang-up of the terminal is the screen's to handle
                )
        connection = Connection(ours.detach())
        connection.send(self._settings)
        with self._changed:
            self._process, self._connection, self._sent = process, connection, -1
            self._asked.clear()
            self._changed.notify_all()

    def _send(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._has_news())
                if self._closing:
                    return
            time.sleep(GATHER)
            with self._changed:
                connection = self._connection
                if connection is None:
                    continue
                news: list[TrainRequest | Question] = [*self._unasked()]
                self._asked.update(question.serial for question in self._unasked())
                if self._newest is not None and self._newest.serial != self._sent:
                    news.append(self._newest)
                    self._sent = self._newest.serial
            try:
                for message in news:
                    connection.send(message)
            except OSError:
                log.debug("the trainer is gone; what was meant for it is sent to the next one")

    def _unasked(self) -> list[Question]:
        return [question for question in self._questions.values() if question.serial not in self._asked]

    def _has_news(self) -> bool:
        if self._connection is None:
            return False
        return bool(self._unasked()) or (self._newest is not None and self._newest.serial != self._sent)

    def _receive(self) -> None:
        while True:
            connection = self._connection
            assert connection is not None
            try:
                message: Message = connection.recv()
            except (EOFError, OSError):
                if not self._restart():
                    return
                continue
            if self._closing:
                return
            if isinstance(message, RoundResult | Reply):
                self._failures = 0
            if isinstance(message, Reply):
                with self._changed:
                    self._questions = {k: q for k, q in self._questions.items() if q.serial != message.serial}
            self._deliver(message)
            if isinstance(message, Failure) and message.fatal:
                self._end()

    def _restart(self) -> bool:
        """After the process has died: start another one; False where that is hopeless or not wanted."""
        with self._changed:
            process, connection, closing = self._process, self._connection, self._closing
            self._connection = None
        assert process is not None
        assert connection is not None
        connection.close()
        if closing:
            return False
        try:
            reason = _reason(process.wait(CLOSE_WITHIN))
        except subprocess.TimeoutExpired:
            process.kill()
            reason = _reason(process.wait())
        self._failures += 1
        if self._failures > RESTARTS:
            self._deliver(Failure(f"the trainer {reason} {self._failures} times: see {self._settings.log}", fatal=True))
            self._end()
            return False
        self._give_up_deadly()
        self._deliver(Failure(f"the trainer {reason}; starting it again", fatal=False))
        time.sleep(RESTART_AFTER)
        if self._closing:
            return False
        try:
            self._spawn()
        except OSError as error:
            self._deliver(Failure(f"cannot start the trainer: {error.strerror or error}", fatal=True))
            self._end()
            return False
        return True

    def _give_up_deadly(self) -> None:
        """After the process has died: answer the questions that have cost too many of them."""
        with self._changed:
            waiting = [question for question in self._questions.values() if question.serial in self._asked]
            self._deaths = {question.serial: self._deaths.get(question.serial, 0) + 1 for question in waiting}
            deadly = [question for question in waiting if self._deaths[question.serial] > ASKED_AGAIN]
            self._questions = {k: q for k, q in self._questions.items() if q.serial not in {d.serial for d in deadly}}
        for question in deadly:
            self._deliver(empty_reply(question, "the trainer ended over this question, twice"))

    def _end(self) -> None:
        """There is no trainer any more: nobody waits for an answer."""
        with self._changed:
            self._closing = True
            waiting, self._questions = list(self._questions.values()), {}
            self._changed.notify_all()
        for question in waiting:
            self._deliver(empty_reply(question, "the trainer has stopped"))


def _reason(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code}" + (" (out of memory?)" if code == -9 and os.name == "posix" else "")
    return f"ended with code {code}"

"""The trainer in a process of its own: no key ever waits for it, and the screen process never imports torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread

from tuilabel.learner.trainer.child import Child, exit_reason
from tuilabel.learner.trainer.messages import Failure, Message, Question, Reply, RoundResult, TrainRequest, empty_reply
from tuilabel.learner.trainer.settings import WorkerSettings, spare_processors

log = logging.getLogger(__name__)

RESTARTS = 3  # in a row, without a result in between
RETRIES = 1  # a question that has crashed two processes is not asked again
RESTART_AFTER = 0.5  # seconds
CLOSE_WITHIN = 2.0  # seconds
GATHER = 0.01  # seconds before a request is sent: the screen paints first, and rapid keys share one request


class ProcessTrainer:
    """A `Trainer` in a child process, which is restarted when it dies."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._deliver: Callable[[Message], object] = lambda _: None
        self._changed = Condition()
        self._newest: TrainRequest | None = None
        self._sent_serial = -1
        self._questions: dict[type, Question] = {}
        """The newest question of each kind without a reply."""
        self._sent_questions: set[int] = set()
        """Serials of the questions that the current process has received."""
        self._crashes: dict[int, int] = {}
        """How many processes died between receiving the question with this serial and replying."""
        self._closing = False
        self._failures = 0
        self._child: Child | None = None
        self._connected = False

    @property
    def pid(self) -> int | None:
        """The id of the process, once it has been started."""
        return None if self._child is None else self._child.pid

    def start(self, deliver: Callable[[Message], object]) -> None:
        """Start the process; `deliver` is called with its messages in a thread.

        Raises
        ------
        OSError : if the process cannot be started.
        """
        self._deliver = deliver
        self._spawn()
        Thread(target=self._receive, name="trainer-receive", daemon=True).start()
        Thread(target=self._send, name="trainer-send", daemon=True).start()

    def submit(self, request: TrainRequest) -> None:
        """Request a round; replaces a request that has not been sent yet. Never blocks."""
        with self._changed:
            self._newest = request
            self._changed.notify_all()

    def ask(self, question: Question) -> None:
        """Ask a question; it is sent again if the process dies before replying. Never blocks."""
        with self._changed:
            ended = self._closing
            if not ended:
                self._questions[type(question)] = question
                self._changed.notify_all()
        if ended:
            self._deliver(empty_reply(question, "the trainer has stopped"))

    def close(self) -> None:
        """End the process. Only its current work is lost: it keeps no state."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._child is not None:
            self._child.stop(CLOSE_WITHIN)

    def _spawn(self) -> None:
        child = Child(
            "tuilabel.learner.trainer.worker",
            self._settings,
            environment={"OPENBLAS_NUM_THREADS": str(spare_processors())},
            log=self._settings.log,
            new_session=True,  # a Ctrl-C or hang-up of the terminal is for the screen to handle
        )
        with self._changed:
            self._child, self._connected, self._sent_serial = child, True, -1
            self._sent_questions.clear()
            self._changed.notify_all()

    def _send(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._has_unsent())
                if self._closing:
                    return
            time.sleep(GATHER)
            with self._changed:
                child = self._child
                if child is None or not self._connected:
                    continue
                messages: list[TrainRequest | Question] = [*self._unsent_questions()]
                self._sent_questions.update(question.serial for question in self._unsent_questions())
                if self._newest is not None and self._newest.serial != self._sent_serial:
                    messages.append(self._newest)
                    self._sent_serial = self._newest.serial
            try:
                for message in messages:
                    child.connection.send(message)
            except OSError:
                log.debug("the trainer has died; its messages go to the next one")

    def _unsent_questions(self) -> list[Question]:
        return [question for question in self._questions.values() if question.serial not in self._sent_questions]

    def _has_unsent(self) -> bool:
        if not self._connected:
            return False
        return bool(self._unsent_questions()) or (self._newest is not None and self._newest.serial != self._sent_serial)

    def _receive(self) -> None:
        while True:
            assert self._child is not None
            try:
                message: Message = self._child.connection.recv()
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
        """After the process has died, start another one; False if the trainer was closed or keeps dying."""
        with self._changed:
            child, closing = self._child, self._closing
            self._connected = False
        assert child is not None
        child.connection.close()
        if closing:
            return False
        reason = exit_reason(child.wait(CLOSE_WITHIN))
        self._failures += 1
        if self._failures > RESTARTS:
            self._deliver(Failure(f"the trainer {reason} {self._failures} times: see {self._settings.log}", fatal=True))
            self._end()
            return False
        self._give_up_questions()
        self._deliver(Failure(f"the trainer {reason}; restarting it", fatal=False))
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

    def _give_up_questions(self) -> None:
        """After the process has died, reply with an error to the questions that have crashed it too often."""
        with self._changed:
            pending = [question for question in self._questions.values() if question.serial in self._sent_questions]
            self._crashes = {question.serial: self._crashes.get(question.serial, 0) + 1 for question in pending}
            given_up = [question for question in pending if self._crashes[question.serial] > RETRIES]
            serials = {question.serial for question in given_up}
            self._questions = {k: q for k, q in self._questions.items() if q.serial not in serials}
        for question in given_up:
            self._deliver(empty_reply(question, "the trainer crashed on this question twice"))

    def _end(self) -> None:
        """The trainer has ended for good: reply to everything that is still pending."""
        with self._changed:
            self._closing = True
            pending, self._questions = list(self._questions.values()), {}
            self._changed.notify_all()
        for question in pending:
            self._deliver(empty_reply(question, "the trainer has stopped"))

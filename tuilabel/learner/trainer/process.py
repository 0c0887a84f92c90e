"""The trainer in a process of its own: no key ever waits for it, and the screen process never imports torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread

from tuilabel.learner.trainer.child import Child, exit_reason
from tuilabel.learner.trainer.early import CLOSE_WITHIN, start_worker
from tuilabel.learner.trainer.messages import (
    Failure,
    Message,
    PoolChanged,
    Question,
    Reply,
    RoundResult,
    TrainerProgress,
    TrainRequest,
    empty_reply,
)
from tuilabel.learner.trainer.settings import WorkerSettings

log = logging.getLogger(__name__)

DEATHS = 3  # in a row, without a result in between; then it is no longer restarted by itself
RETRIES = 1  # a question that has crashed two processes is not asked again
RESTART_AFTER = 0.5  # seconds
GATHER = 0.01  # seconds before a request is sent: the screen paints first, and rapid keys share one request
WATCH_EVERY = 5.0  # seconds
IDLE_CHECKS = 6  # in a row, of a process that owes a reply and does nothing: then it hangs
IDLE = 0.1  # seconds of processor time in all these checks together that are still nothing
OVERDUE_FACTOR = 10  # times the longest round so far, without a word: then a busy process is reported, and left alone
OVERDUE = 60.0  # seconds of a round that are never too long
OVERDUE_FIRST = 600.0  # the same while it is unknown how long one takes: loading, preparing and fitting ten million


class ProcessTrainer:
    """A `Trainer` in a child process, which is restarted when it dies or hangs.

    A process hangs if it owes a reply, says nothing and uses no processor time. A heartbeat would prove nothing: the
    thread that sends it goes on beating beside one that waits for ever. One that is busy may be in an endless loop, of
    a strategy of the user's own for one, or at hard work: that it takes so long is reported, and it is left alone.

    Parameters
    ----------
    early : the first process, if it runs already, see `early_worker`.
    """

    def __init__(self, settings: WorkerSettings, early: Child | None = None) -> None:
        self._settings = settings
        self._early = early
        self._deliver: Callable[[Message], object] = lambda _: None
        self._changed = Condition()
        self._newest: TrainRequest | None = None
        self._sent_serial = self._answered_serial = -1
        """Serials of the newest request that the current process has received, and of the one that it has answered."""
        self._questions: dict[type, Question] = {}
        """The newest question of each kind without a reply."""
        self._sent_questions: set[int] = set()
        """Serials of the questions that the current process has received."""
        self._crashes: dict[int, int] = {}
        """How many processes died between receiving the question with this serial and replying."""
        self._closing = False
        self._stopped = False
        """Whether no process is started any more until `restart`."""
        self._restart_wanted = False
        self._deaths = 0
        self._hung = False
        """Whether the current process is being ended because it hangs."""
        self._heard = 0
        """Messages received so far."""
        self._in_round = self._said_overdue = False
        """Whether the last message was that a round begins, and whether it was reported as overdue."""
        self._silent = 0.0
        """Seconds for which a round has been owed without a message; of this process's running, as in `_watch`."""
        self._heard_at = time.monotonic()
        self._longest_round = 0.0
        """Seconds of the longest round with a model since latents or pool have changed; 0 before there is one."""
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
        for work, name in ((self._receive, "receive"), (self._send, "send"), (self._watch, "watch")):
            Thread(target=work, name=f"trainer-{name}", daemon=True).start()

    def submit(self, request: TrainRequest) -> None:
        """Request a round; replaces a request that has not been sent yet. Never blocks."""
        with self._changed:
            self._newest = request
            self._changed.notify_all()

    def ask(self, question: Question) -> None:
        """Ask a question; it is sent again if the process dies before replying. Never blocks."""
        with self._changed:
            ended = self._closing or self._stopped
            if not ended:
                self._questions[type(question)] = question
                self._changed.notify_all()
        if ended:
            self._deliver(empty_reply(question, "the trainer has stopped"))

    def restart(self) -> None:
        """End the process, whatever it does, and start another one. Never blocks."""
        with self._changed:
            if self._closing:
                return
            self._restart_wanted = True
            if self._child is not None and self._connected:
                self._child.kill()
            self._changed.notify_all()

    def close(self) -> None:
        """End the process. Only its current work is lost: it keeps no state."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._child is not None:
            self._child.stop(CLOSE_WITHIN)

    def _spawn(self) -> None:
        child = self._take_early() or start_worker(self._settings, self._settings.log)
        with self._changed:
            self._child, self._connected = child, True
            self._sent_serial = self._answered_serial = -1
            self._restart_wanted = self._stopped = self._hung = False
            self._in_round = self._said_overdue = False
            self._silent = 0.0
            self._sent_questions.clear()
            self._changed.notify_all()

    def _take_early(self) -> Child | None:
        child, self._early = self._early, None
        if child is not None:
            try:
                child.connection.send(self._settings)
            except OSError:  # it has died
                child.connection.close()
                return None
        return child

    # -- messages ----------------------------------------------------------------------------------------------------

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
                if not self._replace():
                    return
                continue
            if self._closing:
                return
            with self._changed:
                self._heard += 1
                self._time_rounds(message)
                if isinstance(message, RoundResult | Reply):
                    self._deaths = 0
                if isinstance(message, RoundResult) and not message.is_first_part:
                    self._answered_serial = message.serial
                if isinstance(message, Reply):
                    self._questions = {k: q for k, q in self._questions.items() if q.serial != message.serial}
            if isinstance(message, Failure) and message.fatal:
                self._stop(message)
            else:
                self._deliver(message)

    # -- a process that ends -----------------------------------------------------------------------------------------

    def _replace(self) -> bool:
        """After the process has ended, start another one, perhaps later; False once the trainer is closed."""
        with self._changed:
            child, closing = self._child, self._closing
            self._connected = False
        assert child is not None
        child.connection.close()
        if closing:
            return False
        code = child.wait(CLOSE_WITHIN)
        if not self._stopped and not self._restart_wanted:
            self._count_death(f"did nothing for {WATCH_EVERY * IDLE_CHECKS:.0f} s" if self._hung else exit_reason(code))
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._restart_wanted or not self._stopped)
                if self._closing:
                    return False
                if self._restart_wanted:
                    self._deaths, self._crashes = 0, {}
            try:
                self._spawn()
            except OSError as error:
                self._stop(Failure(f"cannot start the trainer: {error.strerror or error}", fatal=True, crashed=True))
            else:
                return True

    def _count_death(self, reason: str) -> None:
        self._deaths += 1
        if self._deaths >= DEATHS:
            often = f"{reason}, the {DEATHS}rd time in a row: see {self._settings.log}"
            self._stop(Failure(f"the trainer {often}", fatal=True, crashed=True))
            return
        self._give_up_questions()
        self._deliver(Failure(f"the trainer {reason}; restarting it", fatal=False, crashed=True))
        time.sleep(RESTART_AFTER)

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

    def _stop(self, why: Failure) -> None:
        """Start no process any more until `restart`, and reply to everything that is still pending."""
        with self._changed:
            self._stopped = True
            self._restart_wanted = False  # what was wanted before is answered by this
            pending, self._questions = list(self._questions.values()), {}
            self._changed.notify_all()
        self._deliver(why)
        for question in pending:
            self._deliver(empty_reply(question, "the trainer has stopped"))

    # -- a process that takes long -----------------------------------------------------------------------------------

    def _time_rounds(self, message: Message) -> None:
        """Note how long a round has taken, and that the process is alive."""
        if isinstance(message, TrainerProgress | Failure) and message.background:
            return  # what is prepared beside it says nothing about a round
        now = time.monotonic()
        if isinstance(message, RoundResult) and message.n_labels:
            self._longest_round = max(self._longest_round, now - self._heard_at)
        elif isinstance(message, PoolChanged):
            self._longest_round = 0.0
        self._in_round = isinstance(message, TrainerProgress) and message.stage == "train"
        self._heard_at, self._silent, self._said_overdue = now, 0.0, False

    def _overdue(self) -> Failure | None:
        """After one more check: what to say, once, if a round takes so long that it may never end."""
        owed = self._connected and self._sent_serial not in (-1, self._answered_serial)
        self._silent = self._silent + WATCH_EVERY if owed else 0.0
        is_known = self._in_round and self._longest_round > 0
        if self._said_overdue or self._silent < (
            max(OVERDUE, OVERDUE_FACTOR * self._longest_round) if is_known else OVERDUE_FIRST
        ):
            return None
        self._said_overdue = True
        so_far = f", at a round that has taken {self._longest_round:.1f} s at most so far" if is_known else ""
        return Failure(f"the trainer has said nothing for {self._silent:.0f} s{so_far}", fatal=False, overdue=True)

    # -- a process that hangs ----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Count checks, not seconds: while this process is suspended, the trainer need not get on either."""
        before: tuple[int, int] | None = None
        used_before, checks = 0.0, 0
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, WATCH_EVERY):
                    return
                child = self._child if self._connected and self._owes_reply() else None
                heard, overdue = self._heard, self._overdue()
            if overdue is not None:
                self._deliver(overdue)
            used = None if child is None else child.cpu_seconds()
            if child is None or used is None:
                before = None
                continue
            if (child.pid, heard) != before or used - used_before > IDLE:
                before, used_before, checks = (child.pid, heard), used, 0
                continue
            checks += 1
            if checks >= IDLE_CHECKS:
                with self._changed:
                    if child is self._child and self._connected:
                        self._hung = True
                        child.kill()
                before = None

    def _owes_reply(self) -> bool:
        """Whether the process has received something that it has not answered, and could."""
        answerable = (q for q in self._questions.values() if getattr(q, "since", 0) <= self._answered_serial)
        return self._sent_serial != self._answered_serial or any(q.serial in self._sent_questions for q in answerable)

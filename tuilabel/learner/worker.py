"""`python -m tuilabel.learner.worker FD`: the trainer process behind `ProcessTrainer`."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Condition, Thread

from tuilabel.datasets import open_pool
from tuilabel.errors import TuilabelError
from tuilabel.learner.messages import (
    CrossValidate,
    Failure,
    InspectItem,
    ItemsOfClass,
    Message,
    Progress,
    Question,
    Ready,
    TrainRequest,
)
from tuilabel.learner.opening import open_learner, test_set
from tuilabel.learner.process import WorkerSettings, spare_processors
from tuilabel.learner.questions import Answerer, CrossValidation
from tuilabel.learner.round import RoundRunner
from tuilabel.vae.decoding import LatentDecoder

log = logging.getLogger("tuilabel.trainer")

NICENESS = 10  # the screen goes first


class Inbox:
    """The newest request and the newest question of each kind; older ones are forgotten.

    When the other end closes, the process ends.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._request: TrainRequest | None = None
        self._questions: dict[type, Question] = {}
        self._changed = Condition()
        Thread(target=self._read, daemon=True).start()

    def take(self, *, wait: bool) -> tuple[TrainRequest | None, list[Question]]:
        """Take what is there, or `wait` until something is."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._request is not None or self._questions)
            request, questions = self._request, list(self._questions.values())
            self._request, self._questions = None, {}
        return request, questions

    def _read(self) -> None:
        while True:
            try:
                message: TrainRequest | Question = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # the screen has gone; there is nothing to keep
            with self._changed:
                if isinstance(message, TrainRequest):
                    self._request = message
                else:
                    self._questions[type(message)] = message
                self._changed.notify_all()


class Worker:
    """What is done in turn: look up answers, train, one fold of a cross-validation.

    So a question waits for one round at most, and a round for one fold.
    """

    def __init__(self, runner: RoundRunner, answerer: Answerer, send: Callable[[Message], None]) -> None:
        self._runner = runner
        self._answerer = answerer
        self._send = send
        self._validation: CrossValidation | None = None
        self._early: dict[type, InspectItem | ItemsOfClass] = {}
        """Questions that wait for a model of the classes they are about."""
        self._prepared = False

    @property
    def busy(self) -> bool:
        """Whether there is something to do without anything new."""
        return self._validation is not None

    def turn(self, request: TrainRequest | None, questions: list[Question]) -> None:
        """Do one turn with what has come."""
        for question in questions:
            if isinstance(question, CrossValidate):
                self._validation = self._answerer.cross_validation(question)
            else:
                self._early[type(question)] = question
        self._look_up()
        if request is not None:
            self._train(request)
            self._look_up()
        if self._validation is not None:
            self._fold(self._validation)

    def _look_up(self) -> None:
        for question in [q for q in self._early.values() if q.since <= self._runner.served]:
            del self._early[type(question)]
            self._send(self._answerer.look_up(question))

    def _train(self, request: TrainRequest) -> None:
        self._send(Progress("train"))
        if request.indices.size:
            _load_torch()
        self._send(self._runner.run(request))
        if not self._prepared:  # while the person looks at the first batch
            self._send(Progress("load"))
            _load_torch()
            self._runner.learner.prepare()
            self._prepared = True
            self._send(Ready())

    def _fold(self, validation: CrossValidation) -> None:
        self._send(Progress("review", validation.done, validation.folds))
        _load_torch()
        answer = validation.next_fold()
        if answer is not None:
            self._validation = None
            self._send(answer)
            self._send(Ready())


def serve(connection: Connection) -> None:
    """Load what the settings name, then answer requests until the other end closes."""
    settings: WorkerSettings = connection.recv()
    inbox = Inbox(connection)

    def send(message: Message) -> None:
        connection.send(message)

    try:
        send(Progress("load"))
        pool = open_pool(settings.dataset, settings.data_dir)
        learner, features = open_learner(
            settings.learner,
            pool,
            settings.checkpoint,
            device=settings.device,
            on_progress=lambda done, total: send(Progress("encode", done, total)),
        )
        runner = RoundRunner(learner, test_set(pool, features))
        decode = None if settings.checkpoint is None else LatentDecoder(settings.checkpoint)
        worker = Worker(runner, Answerer(runner, decode), send)
        send(Ready())
        while True:
            worker.turn(*inbox.take(wait=not worker.busy))
    except TuilabelError as error:
        send(Failure(str(error), fatal=True))
    except OSError:
        log.info("the screen has gone")
    except Exception as error:
        traceback.print_exc()
        reason = " ".join(str(error).split())
        send(Failure(f"the trainer failed: {type(error).__name__}: {reason}; see {settings.log}", fatal=True))


def _load_torch() -> None:
    """Load torch, and leave the screen a processor of its own."""
    import torch

    import tuilabel.learner.mlp  # noqa: F401

    torch.set_num_threads(spare_processors())
    os.environ.setdefault("OMP_NUM_THREADS", str(spare_processors()))  # faiss reads it when it is imported


def main() -> None:
    """Serve over the socket whose file descriptor is the first argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    os.nice(NICENESS)
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()

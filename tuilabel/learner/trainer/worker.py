"""`python -m tuilabel.learner.trainer.worker FD`: the trainer process behind `ProcessTrainer`."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from threading import Condition, Lock, Thread

from tuilabel.errors import TuilabelError
from tuilabel.learner.trainer.messages import (
    CrossValidate,
    Failure,
    InspectItem,
    ItemsOfClass,
    Message,
    Question,
    Ready,
    TrainerProgress,
    TrainRequest,
)
from tuilabel.learner.trainer.prepare_messages import ImagesRead, LatentsReady
from tuilabel.learner.trainer.questions import QuestionHandler, RunningCrossValidation
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.learner.trainer.settings import WorkerSettings, spare_processors
from tuilabel.learner.trainer.workspace import TrainerWorkspace

log = logging.getLogger("tuilabel.trainer")

NICENESS = 10  # the screen goes first


class Inbox:
    """The newest request, the newest question of each kind, and what was prepared; older ones are forgotten.

    When the other end closes, the process ends.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._request: TrainRequest | None = None
        self._questions: dict[type, Question] = {}
        self._news: dict[type, ImagesRead | LatentsReady] = {}
        self._changed = Condition()
        Thread(target=self._read, daemon=True).start()

    def take(self, *, wait: bool) -> tuple[TrainRequest | None, list[Question], list[ImagesRead | LatentsReady]]:
        """Take what is there, or `wait` until something is."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._request is not None or self._questions or self._news)
            request, questions, news = self._request, list(self._questions.values()), list(self._news.values())
            self._request, self._questions, self._news = None, {}, {}
        return request, questions, news

    def put(self, news: ImagesRead | LatentsReady) -> None:
        """What was prepared; from another thread."""
        with self._changed:
            self._news[type(news)] = news
            self._changed.notify_all()

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

    def __init__(
        self,
        runner: RoundRunner,
        answerer: QuestionHandler,
        send: Callable[[Message], None],
        renew: Callable[[ImagesRead | LatentsReady], bool] = lambda _: False,
    ) -> None:
        self._runner = runner
        self._answerer = answerer
        self._send = send
        self._renew = renew
        """Lets the runner work with what was prepared; False where that changes nothing."""
        self._validation: RunningCrossValidation | None = None
        self._early: dict[type, InspectItem | ItemsOfClass] = {}
        """Questions that wait for a model of the classes they are about."""
        self._prepared = False

    @property
    def busy(self) -> bool:
        """Whether there is something to do without anything new."""
        return self._validation is not None

    def turn(
        self, request: TrainRequest | None, questions: list[Question], news: Sequence[ImagesRead | LatentsReady] = ()
    ) -> None:
        """Do one turn with what has come."""
        for event in news:
            if self._renew(event):
                self._prepared = False
                if self._validation is not None:  # half of it would be of other latents
                    self._validation = self._answerer.cross_validation(self._validation.question)
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
        for question in [q for q in self._early.values() if q.since <= self._runner.last_serial]:
            del self._early[type(question)]
            self._send(self._answerer.look_up(question))

    def _train(self, request: TrainRequest) -> None:
        self._send(TrainerProgress("train"))
        if request.indices.size:
            _load_torch()
        self._send(self._runner.run(request))
        if not self._prepared:  # while the person looks at the first batch
            self._send(TrainerProgress("load"))
            _load_torch()
            self._runner.learner.prepare()
            self._prepared = True
            self._send(Ready())

    def _fold(self, validation: RunningCrossValidation) -> None:
        self._send(TrainerProgress("review", validation.done, validation.folds))
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
    sending = Lock()

    def send(message: Message) -> None:
        with sending:
            connection.send(message)

    try:
        send(TrainerProgress("load"))
        stock = TrainerWorkspace(settings, send)
        runner = RoundRunner(*stock.start())
        answerer = QuestionHandler(runner, stock.decode)
        worker = Worker(runner, answerer, send, lambda news: stock.renew(news, runner, answerer))
        send(Ready())
        stock.prepare(inbox.put)
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

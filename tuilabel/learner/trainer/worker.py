"""`python -m tuilabel.learner.trainer.worker FD`: the trainer process behind `ProcessTrainer`."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from threading import Condition, Lock
from typing import Protocol

import numpy.ma  # the first round needs it: loaded while the settings are still on their way
import numpy.random  # noqa: F401

from tuilabel.errors import TuilabelError
from tuilabel.learner.base import LabelSet
from tuilabel.learner.trainer.child import connect_to_parent, listen, print_to
from tuilabel.learner.trainer.early import spare_processors
from tuilabel.learner.trainer.messages import (
    CrossValidate,
    Failure,
    LookUp,
    Message,
    Question,
    Ready,
    TrainerProgress,
    TrainRequest,
)
from tuilabel.learner.trainer.prepare_messages import ImagesRead, LatentsReady, Prepared
from tuilabel.learner.trainer.questions import QuestionHandler, RunningCrossValidation
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.learner.trainer.settings import WorkerSettings
from tuilabel.learner.trainer.workspace import TrainerWorkspace

log = logging.getLogger("tuilabel.trainer")

NICENESS = 10  # the screen goes first


class Inbox:
    """The newest request, question of each kind, and what has been prepared; older ones are dropped."""

    def __init__(self) -> None:
        self._request: TrainRequest | None = None
        self._questions: dict[type, Question] = {}
        self._prepared: dict[object, Prepared] = {}
        """Latents by encoder."""
        self._changed = Condition()

    def put(self, message: TrainRequest | Question | Prepared) -> None:
        """Add a message, from any thread."""
        with self._changed:
            if isinstance(message, TrainRequest):
                self._request = message
            elif isinstance(message, ImagesRead | LatentsReady):
                self._prepared[message.encoder if isinstance(message, LatentsReady) else ImagesRead] = message
            else:
                self._questions[type(message)] = message
            self._changed.notify_all()

    def take(self, *, wait: bool) -> tuple[TrainRequest | None, list[Question], list[Prepared]]:
        """Remove and return all messages; with `wait`, block until there is one."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._request is not None or self._questions or self._prepared)
            request, questions, prepared = self._request, list(self._questions.values()), list(self._prepared.values())
            self._request, self._questions, self._prepared = None, {}, {}
        return request, questions, prepared


class Spaces(Protocol):
    """The latents that a worker may switch to; every method returns whether its runner was switched to other ones."""

    @property
    def is_comparing(self) -> bool:
        """Whether `compare` has something to do."""

    def compare(self, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Do one step of comparing latents by the labels."""

    def update(self, message: Prepared, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Note what has been prepared."""

    def on_labels(self, labelled: LabelSet, runner: RoundRunner, questions: QuestionHandler) -> bool:
        """Note the labels of the newest request."""


class Worker:
    """Does one thing at a time: replies to questions, runs a round, or trains one model of a longer comparison.

    So a question waits for at most one round, and a round for at most one fold.

    Parameters
    ----------
    spaces : None if the latents never change.
    """

    def __init__(
        self,
        runner: RoundRunner,
        questions: QuestionHandler,
        send: Callable[[Message], None],
        spaces: Spaces | None = None,
    ) -> None:
        self._runner = runner
        self._questions = questions
        self._send = send
        self._spaces = spaces
        self._validation: RunningCrossValidation | None = None
        self._pending: dict[type, LookUp] = {}
        """Questions that wait for a model trained with their classes."""
        self._learner_ready = False

    @property
    def busy(self) -> bool:
        """Whether there is work left without any new message."""
        return self._validation is not None or (self._spaces is not None and self._spaces.is_comparing)

    def turn(
        self,
        request: TrainRequest | None,
        questions: list[Question],
        prepared: Sequence[Prepared] = (),
    ) -> None:
        """Process what has arrived, and one fold of a running cross-validation or comparison."""
        spaces = self._spaces
        for message in prepared:
            if spaces is not None and spaces.update(message, self._runner, self._questions):
                self._switched()
        for question in questions:
            if isinstance(question, CrossValidate):
                self._validation = self._questions.cross_validation(question)
            else:
                self._pending[type(question)] = question
        self._look_up()
        if request is not None:
            self._train(request)
            self._look_up()
            if spaces is not None and spaces.on_labels(request.labelled, self._runner, self._questions):
                self._switched()
        if self._validation is not None:
            self._next_fold(self._validation)
        elif spaces is not None and spaces.is_comparing:
            _load_torch()
            if spaces.compare(self._runner, self._questions):
                self._switched()

    def _switched(self) -> None:
        self._learner_ready = False
        if self._validation is not None:  # else half of its folds would use other latents
            self._validation = self._questions.cross_validation(self._validation.question)

    def _look_up(self) -> None:
        for question in [q for q in self._pending.values() if q.since <= self._runner.last_serial]:
            del self._pending[type(question)]
            self._send(self._questions.look_up(question))

    def _train(self, request: TrainRequest) -> None:
        self._send(TrainerProgress("train"))
        if request.indices.size:
            _load_torch()
        self._send(self._runner.run(request, on_first_part=self._send))
        if not self._learner_ready:  # while the user looks at the first batch
            self._send(TrainerProgress("load"))
            _load_torch()
            self._runner.learner.prepare()
            self._learner_ready = True
            self._send(Ready())

    def _next_fold(self, validation: RunningCrossValidation) -> None:
        self._send(TrainerProgress("review", validation.done, validation.folds))
        _load_torch()
        reply = validation.next_fold()
        if reply is not None:
            self._validation = None
            self._send(reply)
            self._send(Ready())


def serve(connection: Connection) -> None:
    """Receive the settings, open the pool and the learner, then serve requests until the parent ends."""
    try:
        settings: WorkerSettings = connection.recv()
    except (EOFError, OSError):  # an early process that nobody needs after all
        return
    print_to(settings.log)
    inbox = Inbox()
    listen(connection, on_parent_exit=lambda: os._exit(0), on_message=inbox.put)  # there is no state to save
    sending = Lock()

    def send(message: Message) -> None:
        with sending:
            connection.send(message)

    try:
        send(TrainerProgress("load"))
        workspace = TrainerWorkspace(settings, send)
        runner = RoundRunner(*workspace.start())
        questions = QuestionHandler(runner, workspace.decode, workspace.text_search)
        worker = Worker(runner, questions, send, workspace)
        send(Ready())
        workspace.prepare(inbox.put)
        while True:
            worker.turn(*inbox.take(wait=not worker.busy))
    except TuilabelError as error:
        send(Failure(str(error), fatal=True))
    except OSError:
        log.info("the parent process has ended")
    except Exception as error:
        traceback.print_exc()
        send(Failure(f"the trainer {_reason(error)}; see {settings.log}", fatal=True, crashed=True))


def _reason(error: Exception) -> str:
    """What has happened, in one line; where the system gives no memory, torch raises errors of several kinds."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "allocate memory" in text or "failed to map segment" in text:
        return "ran out of memory: close other programs, or label fewer images at once"
    return f"failed: {type(error).__name__}: {text}"


def _load_torch() -> None:
    """Load torch, and leave one processor to the screen."""
    import torch

    import tuilabel.learner.mlp  # noqa: F401

    torch.set_num_threads(spare_processors())
    os.environ.setdefault("OMP_NUM_THREADS", str(spare_processors()))  # faiss reads it when it is imported


def main() -> None:
    """Serve over the socket whose file descriptor is the first argument."""
    serve(connect_to_parent(NICENESS))


if __name__ == "__main__":
    main()

"""Labelling sessions on a toy pool, and trainers that the test controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tests.helpers.toy import Toy
from tuilabel.labels import Event, NullWriter
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import Question, RoundResult, TrainRequest
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.session import LabellingSession

NO_ITEMS = np.array([], dtype=np.int64)

SessionMaker = Callable[..., LabellingSession]


class Clock:
    """A clock that advances by two seconds each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=2)
        return self.now


def item_at(session: LabellingSession, batch_pos: int) -> int:
    """The pool index of an item of the current batch."""
    assert session.batch is not None
    return session.batch.items[batch_pos].index


def answers_by_annotator(session: LabellingSession, pool_idx: int) -> dict[str, Event]:
    """The last answer of each annotator to an item, the latest one last."""
    latest: dict[str, Event] = {}
    for answer in session.live_events:
        if answer.item == session.pool.ids[pool_idx].decode():
            latest.pop(answer.annotator, None)
            latest[answer.annotator] = answer
    return latest


def answer_all(session: LabellingSession, toy: Toy, rounds: int) -> None:
    for _ in range(rounds):
        batch = session.batch
        assert batch is not None
        for item in batch.items:
            session.label(item.index, toy.truth(item.index), 500)


def train_request(toy: Toy, labelled: list[int], **changes: Any) -> TrainRequest:
    indices = np.array(sorted(labelled), dtype=np.int64)
    labels = np.array([toy.truth(i) for i in sorted(labelled)], dtype=np.int64)
    base = TrainRequest(1, indices, labels, 3, indices < 0, NO_ITEMS, NO_ITEMS, "margin", 10, 2, 0)
    return replace(base, **changes)


class ManualTrainer:
    """Collects requests, which the test runs itself."""

    def __init__(self, toy: Toy) -> None:
        self.run = toy.runner().run
        self.requests: list[TrainRequest] = []
        self.restarts = 0

    def start(self, deliver: object) -> None:
        pass

    def submit(self, request: TrainRequest) -> None:
        self.requests.append(request)

    def ask(self, question: Question) -> None:
        pass

    def restart(self) -> None:
        self.restarts += 1

    def close(self) -> None:
        pass


class RecordingTrainer(InlineTrainer):
    """An inline trainer that records requests and questions; while `paused` it does not process them."""

    def __init__(self, toy: Toy) -> None:
        runner = toy.runner()
        self.handler = QuestionHandler(runner)
        self.requests: list[TrainRequest] = []
        self.results: list[RoundResult] = []
        self.questions: list[Question] = []
        self.paused = False

        def run(request: TrainRequest) -> RoundResult:
            self.results.append(runner.run(request))
            return self.results[-1]

        super().__init__(run, self.handler.answer)

    def submit(self, request: TrainRequest) -> None:
        self.requests.append(request)
        if not self.paused:
            super().submit(request)

    def ask(self, question: Question) -> None:
        self.questions.append(question)
        if not self.paused:
            super().ask(question)


def open_session(trainer: ManualTrainer, toy: Toy, **options: Any) -> LabellingSession:
    """A new session over `toy` whose first request waits for the test."""
    arguments: dict[str, Any] = {"batch_size": 10, "clock": Clock(), **options}
    session = LabellingSession(
        toy.pool,
        log=[],
        rounds=[],
        writer=NullWriter(),
        trainer=trainer,
        classes=toy.pool.classes,
        **arguments,
    )
    session.start()
    return session

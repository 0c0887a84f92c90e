"""Labelling sessions on a toy pool, and trainers that the test controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.helpers.toy import Toy
from tuilabel.labels import NullWriter
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.session import LabellingSession

NO_ITEMS = np.array([], dtype=np.int64)

SessionMaker = Callable[..., LabellingSession]


class Clock:
    """Two seconds pass between any two looks at it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=2)
        return self.now


def answer_all(session: LabellingSession, toy: Toy, rounds: int) -> None:
    for _ in range(rounds):
        batch = session.batch
        assert batch is not None
        for position, item in enumerate(batch.items):
            session.label(position, toy.truth(item.index), 500)


def train_request(toy: Toy, labelled: list[int], **changes: object) -> TrainRequest:
    indices = np.array(sorted(labelled), dtype=np.int64)
    labels = np.array([toy.truth(i) for i in sorted(labelled)], dtype=np.int64)
    base = TrainRequest(1, indices, labels, 3, indices < 0, NO_ITEMS, NO_ITEMS, "margin", 10, 2, 0)
    return replace(base, **changes)


class ManualTrainer:
    """Collects requests, which the test runs when it wants to."""

    def __init__(self, toy: Toy) -> None:
        self.run = toy.runner().run
        self.requests: list[TrainRequest] = []

    def start(self, deliver: object) -> None:
        pass

    def submit(self, request: TrainRequest) -> None:
        self.requests.append(request)

    def close(self) -> None:
        pass


def open_session(trainer: ManualTrainer, toy: Toy, **options: object) -> LabellingSession:
    """A new session over `toy` whose first request waits for the test."""
    arguments: dict[str, object] = {"batch_size": 10, "clock": Clock(), **options}
    session = LabellingSession(
        toy.pool,
        events=[],
        rounds=[],
        writer=NullWriter(),
        trainer=trainer,
        classes=toy.pool.classes,
        **arguments,  # type: ignore[arg-type]
    )
    session.start()
    return session

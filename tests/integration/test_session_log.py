"""A restarted session equals the live one after any actions; undo and redo restore the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.sessions import Clock, answers_by_annotator, item_at
from tests.helpers.toy import make_toy
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import ClassChange, Event, Round, current_answers, with_current_names
from tuilabel.labels.events import current_flags, current_notes
from tuilabel.learner.trainer.messages import ItemPredictions, Message, Question, RoundResult, TrainRequest
from tuilabel.session import LabellingSession

TOY = make_toy(24)


class GuessingTrainer:
    """Answers immediately: picks the first unlabelled items, and predicts a class that changes with each request."""

    def __init__(self, strategy: str) -> None:
        self.strategy = strategy
        self.requests: list[TrainRequest] = []
        self._deliver: Callable[[Message], object] = lambda _: None

    def start(self, deliver: Callable[[Message], object]) -> None:
        self._deliver = deliver

    def ask(self, question: Question) -> None:
        pass

    def restart(self) -> None:
        pass

    def close(self) -> None:
        pass

    def submit(self, request: TrainRequest) -> None:
        self.requests.append(request)
        assert request.labels.size == 0 or request.labels.max() < request.n_classes
        left = np.setdiff1d(np.arange(len(TOY.pool.ids)), np.union1d(request.indices, request.excluded))

        def guessed(indices: np.ndarray) -> ItemPredictions:
            guess = (indices + len(request.indices)) % request.n_classes
            return ItemPredictions(indices, guess, np.full(len(indices), 0.5, np.float32))

        n = request.n_batches * request.batch_size
        audit = guessed(left[::-1][: request.n_batches * request.audit_size])
        model = len(request.indices)
        self._deliver(
            RoundResult(request.serial, model, self.strategy, guessed(left[:n]), audit, guessed(request.shown),
                        None, None, None, None, None, None, 0.0, 0.0)
        )  # fmt: skip


class Log:
    """A store in memory, for speed: what a session writes, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.changes: list[ClassChange] = []
        self.rounds: list[Round] = []

    def put(self, *events: Event) -> None:
        self.events.extend(events)

    def put_class_changes(self, *changes: ClassChange) -> None:
        self.changes.extend(changes)

    def put_round(self, row: Round) -> None:
        self.rounds.append(row)


class ReopenedSession:
    """A session over a log that can be closed and reopened."""

    def __init__(self, strategy: str = "margin") -> None:
        self.log, self.clock, self.strategy = Log(), Clock(), strategy
        self.reopen("ann")

    def reopen(self, annotator: str) -> None:
        self.annotator, self.trainer = annotator, GuessingTrainer(self.strategy)
        self.session = LabellingSession(
            TOY.pool, log=list(self.log.events), rounds=list(self.log.rounds),
            class_changes=list(self.log.changes), writer=self.log, trainer=self.trainer,
            classes=TOY.pool.classes, batch_size=4, annotator=annotator, clock=self.clock,
        )  # fmt: skip
        self.trainer.start(self.session.handle)
        self.session.start()


def snapshot(session: LabellingSession) -> dict[str, Any]:
    """Everything that must be the same after a restart."""
    statistics = session.statistics()
    indices, labels = session.labels()
    answers = {
        index: (e.kind, e.class_name, e.predicted, e.confidence, e.trained_on, e.audit, e.at, e.round, e.annotator,
                e.strategy, e.origin)
        for index in range(len(session.pool.ids))
        if (e := session.answer_at(index)) is not None
    }  # fmt: skip
    return {
        "labels": dict(zip(indices.tolist(), labels.tolist(), strict=True)),
        "answers": answers,
        "counts": (statistics.labelled, statistics.skipped, statistics.flagged, statistics.class_counts),
        "audit": statistics.audit,
        "notes": session.notes(),
        "flags": {index: (e.annotator, e.at, e.origin) for index, e in session.flags.items()},
        "classes": (session.classes, session.class_ids),
        "all": [sorted(answers_by_annotator(session, i)) for i in range(len(session.pool.ids))],
    }


def act(opened: ReopenedSession, action: tuple[str, int, int]) -> None:
    """Carry out an action, if it is possible now."""
    session, (what, a, b) = opened.session, action
    index, c, d = a % len(session.pool.ids), a % len(session.classes), b % len(session.classes)
    batch = session.batch
    try:
        match what:
            case "label" if batch is not None:
                session.label(batch.items[a % len(batch.items)].index, d)
            case "skip" if batch is not None:
                session.skip(batch.items[a % len(batch.items)].index)
            case "confirm" if batch is not None:
                session.confirm(batch.items[a % len(batch.items)].index)
            case "relabel":
                session.answer(index, "label", d)
            case "flag":
                session.answer(index, "flag")
            case "unflag":
                session.unflag(index)
            case "flag many":
                session.toggle_flag([index, (index + 5) % 24, b % 24])
            case "by class":
                session.confirm_class([index, (index + 5) % 24, b % 24], d, predicted=[d, d, d])
            case "withdraw":
                session.withdraw(index)
            case "label many":
                session.answer_many([index, b % 24, (a + b) % 24], "label", d)
            case "label each":
                session.answer_many([index, (index + 1) % 24], "label", [c, d], origin="review")
            case "skip many" if batch is not None:
                session.answer_many([item.index for item in batch.items[: 1 + a % 4]], "skip")
            case "confirm many" if batch is not None:
                session.confirm_many([item.index for item in batch.items[a % 4 :]])
            case "withdraw many":
                session.withdraw_many([index, b % 24, (index + 2) % 24])
            case "undo":
                session.undo()
            case "redo":
                session.redo()
            case "note":
                session.note(index, "" if b % 3 == 0 else f"note {b}")
            case "add":
                session.add_class("abcxyz"[b % 6])
            case "rename":
                session.rename_class(c, "abcxyz"[b % 6])
            case "merge":
                session.merge_classes(c, d)
            case "other":
                opened.reopen("bob" if opened.annotator == "ann" else "ann")
    except UsageError:
        pass


VERBS = ("label", "label", "skip", "confirm", "relabel", "relabel", "flag", "unflag", "flag many", "by class",
         "withdraw", "undo", "undo", "undo", "redo", "redo", "note", "add", "rename", "merge", "other", "label many",
         "label each", "skip many", "confirm many", "withdraw many")  # fmt: skip
ACTIONS = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 99), st.integers(0, 99)), max_size=40)
STRATEGIES = st.sampled_from(["margin", "withdraw", "review", "by-class"])  # some named like the origin of an event
QUIET = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUIET
@given(ACTIONS, STRATEGIES)
def test_a_restarted_session_equals_the_live_one(actions: list[tuple[str, int, int]], strategy: str) -> None:
    opened = ReopenedSession(strategy)
    for action in actions:
        act(opened, action)
    before, can_undo = snapshot(opened.session), opened.session.can_undo
    events = with_current_names(opened.log.events, opened.log.changes)
    read = {int(TOY.pool.indices_of([i])[0]): (e.kind, e.class_name) for i, e in current_answers(events).items()}
    assert read == {index: answer[:2] for index, answer in before["answers"].items()}
    assert sorted(event.note or "" for event in current_notes(events).values()) == sorted(before["notes"].values())
    flags = {int(TOY.pool.indices_of([i])[0]): e.annotator for i, e in current_flags(events).items()}
    assert flags == {index: flag[0] for index, flag in before["flags"].items()}
    opened.reopen(opened.annotator)
    assert snapshot(opened.session) == before
    assert opened.session.can_undo == can_undo


@QUIET
@given(ACTIONS, st.integers(1, 6), STRATEGIES)
def test_undo_and_redo_restore_the_state(actions: list[tuple[str, int, int]], n: int, strategy: str) -> None:
    opened = ReopenedSession(strategy)
    for action in actions:
        act(opened, action)
    session = opened.session
    while session.can_redo:
        session.redo()
    states = [snapshot(session)]
    while len(states) <= n and session.can_undo:
        session.undo()
        states.append(snapshot(session))
    for state in reversed(states[:-1]):
        assert session.can_redo
        session.redo()
        assert snapshot(session) == state
    assert not session.can_redo
    for state in states[1:]:
        session.undo()
        assert snapshot(session) == state
    opened.reopen(opened.annotator)
    assert snapshot(opened.session) == states[-1]


def test_a_failed_write_changes_nothing() -> None:
    opened = ReopenedSession()
    session = opened.session
    session.label(item_at(session, 0), 0)
    session.merge_classes(0, 1)
    session.label(item_at(session, 1), 1)
    session.undo()
    before, can_redo = snapshot(session), session.can_redo
    put, put_class_changes = opened.log.put, opened.log.put_class_changes

    def refuse(*_entries: object) -> None:
        raise TuilabelError("disk is full")

    opened.log.put = opened.log.put_class_changes = refuse  # type: ignore[method-assign]
    for attempt in (session.undo, session.redo):
        with pytest.raises(TuilabelError, match="full"):
            attempt()
    opened.log.put, opened.log.put_class_changes = put, put_class_changes  # type: ignore[method-assign]
    assert (snapshot(session), session.can_redo) == (before, can_redo)
    session.redo()
    assert session.statistics().labelled == 2


@pytest.mark.parametrize("strategy", ["withdraw", "review", "by-class", "undo"])
def test_a_strategy_may_have_the_name_of_an_origin(strategy: str) -> None:
    opened = ReopenedSession(strategy)
    session = opened.session
    first, second = (item_at(session, k) for k in (0, 1))
    session.label(first, 0)
    session.label(second, 1)
    session.undo()
    event = session.answer_at(first)
    assert event is not None
    assert (event.strategy, event.origin) == (strategy, "batch")
    for _ in range(2):
        assert session.answer_at(second) is None, "undone, independent of the strategy's name"
        assert session.can_undo
        assert session.answer_at(first) is not None
        opened.reopen("ann")
        session = opened.session
    session.undo()
    assert session.statistics().labelled == 0
    assert not session.can_undo

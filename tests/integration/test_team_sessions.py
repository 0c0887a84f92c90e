"""Several sessions on one store: each follows what the others write, and all agree in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.sessions import Clock
from tests.integration.test_session_log import QUIET, TOY, VERBS, GuessingTrainer, Log, act, snapshot
from tuilabel.labels import Changes, ClassChange, Cursor, Event, Round
from tuilabel.session import LabellingSession


class SharedLog(Log):
    """A store in memory to which several sessions write."""

    def since(self, cursor: Cursor) -> Changes:
        reached = Cursor(len(self.events), len(self.events), len(self.changes), len(self.rounds))
        return Changes(
            tuple(self.events[cursor.event :]), cursor.event, tuple(self.changes[cursor.class_change :]),
            tuple(self.rounds[cursor.round :]), reached,
        )  # fmt: skip

    def put_class_changes(self, *changes: ClassChange) -> None:
        super().put_class_changes(*(replace(change, after=len(self.events)) for change in changes))


class Colleague:
    """A session whose writes reach the store when it `stores`, and that knows of others when it `follows`."""

    def __init__(self, log: SharedLog, annotator: str, clock: Clock) -> None:
        self.log, self.annotator = log, annotator
        self._waiting: list[Callable[[], None]] = []
        known = log.since(Cursor())
        self._cursor = known.cursor
        self.trainer = GuessingTrainer("margin")
        self.session = LabellingSession(
            TOY.pool, log=known.events, rounds=known.rounds, class_changes=known.class_changes, writer=self,
            trainer=self.trainer, classes=TOY.pool.classes, batch_size=4, annotator=annotator, clock=clock,
        )  # fmt: skip
        self.trainer.start(self.session.handle)
        self.session.start()

    def put(self, *events: Event) -> None:
        self._waiting.append(lambda: self.log.put(*events))

    def put_class_changes(self, *changes: ClassChange) -> None:
        self._waiting.append(lambda: self.log.put_class_changes(*changes))

    def put_round(self, row: Round) -> None:
        self._waiting.append(lambda: self.log.put_round(row))

    def store(self) -> None:
        for write in self._waiting:
            write()
        self._waiting.clear()

    def follow(self) -> None:
        changes = self.log.since(self._cursor)
        self._cursor = changes.cursor
        self.session.follow(changes)

    def act(self, verb: str, a: int, b: int) -> None:
        if verb == "store":
            self.store()
        elif verb == "follow":
            self.follow()
        else:
            act(self, (verb, a, b))  # type: ignore[arg-type]


def team() -> tuple[SharedLog, Colleague, Colleague]:
    log, clock = SharedLog(), Clock()
    ann = Colleague(log, "ann", clock)
    ann.store()
    ann.follow()
    return log, ann, Colleague(log, "bob", clock)


def sync(*people: Colleague) -> None:
    for one in people:
        one.store()
    for one in people:
        one.follow()


TEAM_VERBS = st.sampled_from([*(verb for verb in VERBS if verb != "other"), *("store", "follow") * 3])
STEPS = st.lists(st.tuples(st.booleans(), TEAM_VERBS, st.integers(0, 99), st.integers(0, 99)), max_size=40)


@QUIET
@given(STEPS)
def test_all_know_the_same_in_the_end_whatever_the_order(steps: list[tuple[bool, str, int, int]]) -> None:
    log, ann, bob = team()
    for is_bob, verb, a, b in steps:
        (bob if is_bob else ann).act(verb, a, b)
    sync(ann, bob)
    for one in (ann, bob):
        anew = Colleague(log, one.annotator, Clock())
        assert snapshot(one.session) == snapshot(anew.session)
        assert one.session.can_undo == anew.session.can_undo


def test_a_colleagues_answer_counts_and_asks_for_a_new_model() -> None:
    _, ann, bob = team()
    item = bob.session.batch.items[0]  # type: ignore[union-attr]
    bob.session.label(item.index, 1)
    bob.session.note(item.index, "blurred")
    bob.session.flag(item.index)
    bob.store()
    requests = len(ann.trainer.requests)
    ann.follow()
    answer = ann.session.answer_at(item.index)
    assert answer is not None
    assert (answer.class_name, answer.annotator) == (TOY.pool.classes[1], "bob")
    assert ann.session.note_on(item.index) == "blurred"
    assert ann.session.flag_on(item.index) is not None
    assert len(ann.trainer.requests) == requests + 1
    assert item.index in ann.trainer.requests[-1].indices
    assert not ann.session.can_undo, "undo is about one's own steps"


def test_an_answer_that_was_stored_before_mine_does_not_replace_it() -> None:
    _, ann, bob = team()
    bob.session.label(7, 0)
    ann.session.label(7, 1)
    ann.session.note(7, "mine")
    bob.session.note(7, "his")
    bob.store()
    ann.follow()
    assert ann.session.standing[7].annotator == "ann"
    sync(ann, bob)
    for one in (ann, bob):
        assert one.session.standing[7].annotator == "ann"
        assert one.session.note_on(7) == "mine"
    ann.session.undo()
    assert ann.session.standing[7].annotator == "bob"


def test_class_changes_of_two_at_once_end_in_the_same_classes() -> None:
    _, ann, bob = team()
    first = TOY.pool.classes[0]
    ann.session.label(3, 0)
    ann.session.rename_class(0, "feline")
    fox = bob.session.add_class("fox")
    bob.session.label(4, fox)
    bob.session.label(5, 0)
    ann.session.label(6, ann.session.add_class("owl"))
    sync(bob, ann)
    bob.follow()
    assert ann.session.classes == bob.session.classes == ("feline", *TOY.pool.classes[1:], "fox", "owl")
    for one in (ann, bob):
        names = {index: event.class_name for index, event in one.session.standing.items()}
        assert names == {3: "feline", 4: "fox", 5: "feline", 6: "owl"}, f"{first} is feline now"


def test_a_batch_that_a_colleague_finishes_makes_way_for_the_next() -> None:
    _, ann, bob = team()
    batch = ann.session.batch
    assert batch is not None
    for item in batch.items:
        bob.session.label(item.index, 0)
    sync(bob, ann)
    assert ann.session.batch is not None
    assert ann.session.batch.round > batch.round
    assert not {item.index for item in batch.items} & {item.index for item in ann.session.batch.items}


def test_a_batch_of_a_colleague_is_not_mine_also_after_a_restart() -> None:
    log, ann, bob = team()
    mine = ann.session.batch
    sync(ann, bob)
    again = Colleague(log, "ann", Clock()).session.batch
    assert mine is not None
    assert again is not None
    assert again.items == tuple(replace(item, probabilities=None) for item in mine.items)

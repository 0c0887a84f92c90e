"""Two annotators on one store do anything in any order, crash and come back: all agree, and a simple model agrees.

A session's writes reach the store when it `stores`, and it knows of others when it `follows`: in the program that takes
milliseconds and a second. A crash loses what was not stored, whose ticks were not green, and nothing else.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.helpers.postgresql import Server
from tests.helpers.sessions import Clock
from tests.helpers.stores import FilePlace, ServerPlace, StorePlace
from tests.integration.test_session_log import TOY, VERBS, GuessingTrainer, act, snapshot
from tuilabel.labels import ClassChange, DrawRequest, Event, LabelStore, Round, Seat, with_current_names
from tuilabel.labels.store.team import LEASE, read_team
from tuilabel.session import LabellingSession

WHO = st.integers(0, 1)
NUMBER = st.integers(0, 99)
ANSWERS = ("label", "label", "skip", "confirm", "relabel", "label many", "flag", "unflag", "note", "withdraw")
CLASSES = ("add", "rename", "merge")
assert {*ANSWERS, *CLASSES} <= {*VERBS}


class Model:
    """What the log means, in few words: the last answer that nobody took back counts, and the last note.

    Attributes
    ----------
    answers : by item, the class of its label today, or None if it was skipped.
    notes : by item.
    """

    def __init__(self, log: Sequence[Event], changes: Sequence[ClassChange]) -> None:
        undone = {event.undoes for event in log if event.kind == "undo"}
        events = with_current_names(log, changes)
        self.answers = {e.item: e.class_name for e in events if e.kind in ("label", "skip") and e.key not in undone}
        last = {event.item: event.note for event in events if event.kind == "note"}
        self.notes = {item: note for item, note in last.items() if note}


class Annotator:
    """A session with its own connections to the store."""

    ahead = 1

    def __init__(self, place: StorePlace, name: str, clock: Clock, hour: Callable[[], float]) -> None:
        self.annotator, self.acknowledged = name, list[str]()
        self._place, self._clock, self._hour = place, clock, hour
        self.come()

    def come(self) -> None:
        self.store_: LabelStore = self._place.open()
        self._waiting: list[Callable[[], object]] = []
        self._request: DrawRequest | None = None
        known = self.store_.since()
        self._cursor = known.cursor
        self.seat = Seat(self.store_, uuid.uuid4().hex, self.annotator, clock=self._hour)
        trainer = GuessingTrainer("margin")
        self.session = LabellingSession(
            TOY.pool, log=known.events, rounds=known.rounds, class_changes=known.class_changes, writer=self,
            trainer=trainer, classes=TOY.pool.classes, batch_size=4, annotator=self.annotator, clock=self._clock,
            session_id=self.seat.session, drawer=self,
        )  # fmt: skip
        trainer.start(self.session.handle)
        self.session.meet(self.seat.enter(self.session.asked))
        self.session.start()

    def reopen(self, annotator: str) -> None:
        """Of `act`, which one of two annotators cannot do."""

    # the writer and the drawer of the session

    def put(self, *events: Event) -> None:
        def write() -> None:
            self.store_.append(events)
            self.acknowledged += [event.key for event in events]

        self._waiting.append(write)

    def put_class_changes(self, *changes: ClassChange) -> None:
        def write() -> None:
            self.store_.add_class_changes(changes)
            self.acknowledged += [change.key for change in changes]

        self._waiting.append(write)

    def put_round(self, row: Round) -> None:
        self._waiting.append(partial(self.store_.add_round, row))

    def draw(self, request: DrawRequest) -> None:
        self._request = request

    def hold(self, items: Iterable[str]) -> None:
        self.held = tuple(items)

    # what time brings

    def store(self) -> None:
        for write in self._waiting:
            write()
        self._waiting.clear()

    def follow(self) -> None:
        changes = self.store_.since(self._cursor)
        self._cursor = changes.cursor
        self.session.follow(changes)
        if self._request is not None:
            request, self._request = self._request, None
            self.session.handle(self.seat.draw(request, self._cursor))
        self.session.meet(self.seat.team())

    def quit(self) -> None:
        self.store()
        self.seat.leave()
        self.store_.close()

    def crash(self) -> None:
        self.store_.close()


class TwoAnnotators(RuleBasedStateMachine):
    """What may happen, and what must always be so."""

    def __init__(self, make_place: Callable[[], StorePlace]) -> None:
        super().__init__()
        self.place = make_place()
        self.clock, self.now = Clock(), 1_800_000_000.0

    @initialize()
    def begin(self) -> None:
        self.people = [Annotator(self.place, name, self.clock, lambda: self.now) for name in ("ann", "bob")]
        for person in self.people:
            person.store()

    @rule(who=WHO, verb=st.sampled_from(ANSWERS), a=NUMBER, b=NUMBER)
    def answer(self, who: int, verb: str, a: int, b: int) -> None:
        act(self.people[who], (verb, a, b))  # type: ignore[arg-type]

    @rule(who=WHO, verb=st.sampled_from(("undo", "redo")))
    def travel(self, who: int, verb: str) -> None:
        act(self.people[who], (verb, 0, 0))  # type: ignore[arg-type]

    @rule(who=WHO, verb=st.sampled_from(CLASSES), a=NUMBER, b=NUMBER)
    def change_classes(self, who: int, verb: str, a: int, b: int) -> None:
        act(self.people[who], (verb, a, b))  # type: ignore[arg-type]

    @rule(who=WHO)
    def store(self, who: int) -> None:
        self.people[who].store()

    @rule(who=WHO)
    def follow(self, who: int) -> None:
        self.people[who].follow()

    @rule(who=WHO)
    def crash_and_come_back(self, who: int) -> None:
        self.people[who].crash()
        self.people[who].come()
        self.people[who].store()

    @rule(who=WHO)
    def quit_and_come_back(self, who: int) -> None:
        self.people[who].quit()
        self.people[who].come()
        self.people[who].store()

    @rule(who=WHO)
    def be_away_until_leases_expire(self, who: int) -> None:
        self.now += LEASE + 1
        self.people[1 - who].seat.renew(self.people[1 - who].session.asked, is_active=True)

    @rule()
    def all_agree(self) -> None:
        """When everything is stored and followed, all sessions are the same as a new one and as the model says."""
        for person in self.people:
            person.store()
        for person in self.people:
            person.follow()
        for person in self.people:  # following may have had something drawn
            person.store()
            person.follow()
        states = [snapshot(person.session) for person in self.people]
        everything = self.people[0].store_.since()
        fresh = LabellingSession(
            TOY.pool, log=everything.events, rounds=everything.rounds, class_changes=everything.class_changes,
            trainer=GuessingTrainer("margin"), classes=TOY.pool.classes, batch_size=4, annotator="cleo",
        )  # fmt: skip
        assert states[0] == states[1]
        assert states[0] == snapshot(fresh)
        model, pool = Model(everything.events, everything.class_changes), TOY.pool
        answers = {k: e.class_name for k, e in self.people[0].session.standing.items() if e.kind != "flag"}
        assert answers == {int(pool.indices_of([item])[0]): name for item, name in model.answers.items()}
        assert self.people[0].session.notes() == {int(pool.indices_of([i])[0]): n for i, n in model.notes.items()}

    @invariant()
    def nothing_acknowledged_is_lost_or_there_twice(self) -> None:
        if not hasattr(self, "people"):
            return
        everything = self.people[0].store_.since()
        keys = [e.key for e in everything.events] + [change.key for change in everything.class_changes]
        assert len(keys) == len({*keys})
        for person in self.people:
            assert {*person.acknowledged} <= {*keys}
            mine = {*person.acknowledged}
            stored = [event.key for event in everything.events if event.key in mine]
            assert stored == [key for key in person.acknowledged if key in {*stored}], "in the order of the keys"
        after = [change.after for change in everything.class_changes]
        assert after == sorted(after)

    @invariant()
    def no_item_is_leased_to_two(self) -> None:
        if not hasattr(self, "people"):
            return
        leases = read_team(self.people[0].store_, self.now).leases.values()
        assert sum(map(len, leases)) == len(frozenset().union(*leases))

    def teardown(self) -> None:
        self.place.__exit__()


EXAMPLES = int(os.environ.get("TUILABEL_EXAMPLES", "5"))

SETTINGS = settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def quick_file(folder: Path) -> StorePlace:
    """A new file, whose commits are not flushed: it is about what is in it, not about power cuts."""

    class Quick(FilePlace):
        def _open(self) -> LabelStore:
            store = super()._open()
            sa.event.listen(store._database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
            store._database.engine.dispose()
            return store

    return Quick(folder / f"{uuid.uuid4().hex}.db")


def test_two_annotators_on_sqlite(tmp_path: Path) -> None:
    make = partial(TwoAnnotators, partial(quick_file, tmp_path))
    run_state_machine_as_test(make, settings=SETTINGS)  # type: ignore[arg-type]


def test_two_annotators_on_postgresql(server: Server) -> None:
    make = partial(TwoAnnotators, partial(ServerPlace, server))
    run_state_machine_as_test(make, settings=SETTINGS)  # type: ignore[arg-type]

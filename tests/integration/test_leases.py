"""Sessions on one store are asked different items: leases, drawn with the batch, returned, expiring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.events import event
from tests.helpers.sessions import Clock
from tests.helpers.stores import StorePlace
from tests.integration.test_session_log import TOY, GuessingTrainer
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.estimate import lure_weights
from tuilabel.labels import DrawRequest, Event, InlineWriter, Seat
from tuilabel.labels.store.team import read_team, set_role
from tuilabel.session import LabellingSession
from tuilabel.session.overlap import Overlap
from tuilabel.session.rounds import Candidates
from tuilabel.session.state import QueryItem


class Hour:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Person:
    """A session at a store that is shared; it follows the store and draws when the test says so."""

    ahead = 1

    def __init__(self, place: StorePlace, annotator: str, hour: Hour, overlap: Overlap | None = None) -> None:
        self.store = place.open()
        known = self.store.since()
        self.cursor = known.cursor
        self.hour = hour
        self.seat = Seat(self.store, f"session of {annotator}", annotator, clock=hour)
        self.request: DrawRequest | None = None
        self.held: Sequence[str] = ()
        trainer = GuessingTrainer("margin")
        self.session = LabellingSession(
            TOY.pool, log=known.events, rounds=known.rounds, class_changes=known.class_changes,
            writer=InlineWriter(self.store), trainer=trainer, classes=TOY.pool.classes, batch_size=4,
            annotator=annotator, clock=Clock(), session_id=self.seat.session, drawer=self, overlap=overlap,
        )  # fmt: skip
        trainer.start(self.session.handle)
        self.session.meet(self.seat.enter(self.session.asked))
        self.session.start()

    def draw(self, request: DrawRequest) -> None:
        self.request = request

    def hold(self, items: Iterable[str]) -> None:
        self.held = tuple(items)

    def work(self) -> None:
        """What the follower does every now and then."""
        changes = self.store.since(self.cursor)
        self.cursor = changes.cursor
        self.session.follow(changes)
        while self.request is not None:
            request, self.request = self.request, None
            self.session.handle(self.seat.draw(request, self.cursor))
        self.session.meet(self.seat.team())

    @property
    def items(self) -> set[int]:
        assert self.session.batch is not None
        return {item.index for item in self.session.batch.items}


@pytest.fixture
def hour() -> Hour:
    return Hour()


@pytest.fixture
def two(place: StorePlace, hour: Hour) -> Iterator[tuple[Person, Person]]:
    ann, bob = Person(place, "ann", hour), Person(place, "bob", hour)
    yield ann, bob
    for one in (ann, bob):
        one.store.close()


def test_no_two_are_asked_one_item_also_when_both_pick_the_same(two: tuple[Person, Person]) -> None:
    ann, bob = two
    assert ann.request is not None, "both have picked, and neither knows of the other"
    assert bob.request is not None
    seen: dict[int, str] = {}
    for _ in range(12):
        for one in (ann, bob):
            one.work()
            batch = one.session.batch
            if batch is not None:
                item = next(i for i in batch.items if one.session.answer_at(i.index) is None)
                assert seen.setdefault(item.index, one.session.annotator) == one.session.annotator
                one.session.label(item.index, 0)
    for one in (ann, bob):
        one.work()
    assert len(seen) == 24
    assert ann.session.finished
    assert bob.session.finished
    assert {event.annotator for event in ann.session.standing.values()} == {"ann", "bob"}


def test_the_next_batch_is_there_when_the_last_item_is_answered(two: tuple[Person, Person]) -> None:
    ann, _ = two
    ann.work()
    first = sorted(ann.items)
    for index in first[:-1]:
        ann.session.label(index, 0)
    ann.work()
    assert ann.items == set(first), "the next one is drawn, and waits"
    ann.session.label(first[-1], 0)
    assert len(ann.items) == 4
    assert not ann.items & set(first)


def test_an_answer_on_its_way_to_the_store_keeps_its_item_from_others(
    two: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = two
    ann.work()
    asked = sorted(ann.items)
    waiting: list[Event] = []
    monkeypatch.setattr(ann.store, "append", waiting.extend)  # a disk that takes its time
    for index in asked:
        ann.session.label(index, 0)
    ann.seat.renew(ann.held, is_active=True)
    bob.work()
    while bob.session.batch is not None:
        assert bob.items.isdisjoint(asked)
        for index in sorted(bob.items):
            bob.session.label(index, 0)
        bob.work()
    monkeypatch.undo()
    ann.store.append(waiting)
    ann.work()
    assert len(ann.session.standing) == 24
    ann.session.label(asked[0], 1)
    assert list(ann.held) == [TOY.pool.ids[asked[0]].decode()], "the others are returned"


def test_rounds_are_numbered_in_the_order_of_drawing(two: tuple[Person, Person]) -> None:
    ann, bob = two
    bob.work()
    ann.work()
    assert [(row.number, row.annotator) for row in ann.store.rounds()] == [(1, "bob"), (2, "ann")]


def test_an_item_of_a_colleague_is_not_in_the_pool_of_an_audit(two: tuple[Person, Person]) -> None:
    ann, bob = two
    ann.work()
    bob.work()
    asked = {item.id for item in ann.session.batch.items}  # type: ignore[union-attr]
    excluded = set(bob.session._scheduler.leased)
    assert {TOY.pool.ids[index].decode() for index in excluded} == asked
    assert not bob.items & excluded


def test_items_are_given_to_others_after_an_absence_and_a_late_answer_is_kept(
    two: tuple[Person, Person], hour: Hour
) -> None:
    ann, bob = two
    ann.work()
    of_ann = sorted(ann.items)
    bob.work()
    for index in sorted(bob.items):
        bob.session.label(index, 0)
    hour.now += 601
    bob.seat.renew(bob.session.asked, is_active=True)
    bob.work()
    for _ in range(4):
        for index in sorted(bob.items - set(of_ann)):
            bob.session.label(index, 0)
        bob.work()
        if bob.items & set(of_ann):
            break
    assert bob.items & set(of_ann), "ann is away"
    late = min(bob.items & set(of_ann))
    ann.session.label(late, 1)
    ann.work()
    assert not (ann.items - {late}) & bob.items
    bob.work()
    answer = bob.session.answer_at(late)
    assert answer is not None
    assert (answer.annotator, answer.class_name) == ("ann", TOY.pool.classes[1])


def test_who_quits_returns_the_items(two: tuple[Person, Person]) -> None:
    ann, bob = two
    ann.work()
    bob.work()
    asked = ann.items
    ann.seat.leave()
    bob.work()
    assert not bob.session._scheduler.leased & asked
    assert [present.annotator for present in bob.session.team.sessions] == ["bob"]


def test_items_of_a_killed_program_are_free_at_once(
    two: tuple[Person, Person], place: StorePlace, hour: Hour, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _ = two
    ann.work()
    monkeypatch.setattr("tuilabel.labels.store.team.is_running", lambda _process: False)
    again = Person(place, "ann again", hour)
    again.work()
    assert again.items & ann.items, "both trainers pick them, and nobody has them any more"
    assert set(read_team(again.store, hour.now).leases) == {again.seat.session}
    again.store.close()


def test_a_batch_from_before_is_continued_unless_others_have_it(place: StorePlace, hour: Hour) -> None:
    ann = Person(place, "ann", hour)
    ann.work()
    asked = ann.items
    ann.seat.leave()
    ann.store.close()
    bob = Person(place, "bob", hour)
    bob.work()
    assert bob.items & asked, "they were returned"
    again = Person(place, "ann", hour)
    again.work()
    assert again.items == asked - bob.items
    for one in (bob, again):
        one.store.close()


def test_who_is_here_is_known_with_the_number_of_images(two: tuple[Person, Person], hour: Hour) -> None:
    ann, bob = two
    ann.work()
    bob.work()
    team = read_team(ann.store, hour.now)
    assert [present.annotator for present in team.sessions] == ["ann", "bob"]
    assert [len(team.leases[present.session]) for present in team.sessions] == [4, 4]
    hour.now += 61
    bob.seat.renew((), is_active=False)
    assert [present.annotator for present in bob.seat.team().sessions] == ["bob"], "ann shows no sign of life"


def test_roles_are_given_by_owners_and_one_always_remains(two: tuple[Person, Person]) -> None:
    store = two[0].store
    assert read_team(store).role_of("bob") == "owner", "before any role is given"
    set_role(store, "bob", "labeller", by="ann")
    assert (read_team(store).role_of("ann"), read_team(store).role_of("bob")) == ("owner", "labeller")
    assert read_team(store).role_of("cleo") == "labeller"
    with pytest.raises(UsageError, match="bob is not an owner of this project: ask ann"):
        set_role(store, "bob", "owner", by="bob")
    with pytest.raises(UsageError, match="only owner"):
        set_role(store, "ann", "labeller", by="ann")
    with pytest.raises(UsageError, match="boss"):
        set_role(store, "bob", "boss", by="ann")
    set_role(store, "bob", "owner", by="ann")
    set_role(store, "ann", "labeller", by="bob")
    assert read_team(store).role_of("ann") == "labeller"


def test_a_labeller_answers_and_undoes_what_was_theirs(two: tuple[Person, Person]) -> None:
    ann, bob = two
    set_role(ann.store, "bob", "labeller", by="ann")
    ann.work()
    ann.session.label(min(ann.items), 0)
    bob.work()
    session = bob.session
    assert session.role == "labeller"
    item = next(i for i in session.batch.items if session.answer_at(i.index) is None)  # type: ignore[union-attr]
    session.label(item.index, 0)
    session.note(item.index, "blurred")
    session.undo()
    session.redo()
    session.withdraw(item.index)
    session.label(item.index, 1)
    for change in (
        lambda: session.add_class("fox"),
        lambda: session.rename_class(0, "fox"),
        lambda: session.merge_classes(0, 1),
        lambda: session.withdraw(next(i for i, e in session.standing.items() if e.annotator == "ann")),
    ):
        with pytest.raises(UsageError, match="only an owner of the project may"):
            change()
    assert session.classes == ann.session.classes


def test_the_store_itself_refuses_what_a_labeller_may_not_do(two: tuple[Person, Person]) -> None:
    store = two[0].store
    store.append([event(1, annotator="ann"), event(2, annotator="bob")])
    set_role(store, "bob", "labeller", by="ann")
    before = store.since()
    undo = replace(event(3, annotator="bob"), kind="undo", class_name=None, undoes=event(1).key)
    with pytest.raises(TuilabelError, match="only an owner of the project may take back the answers of others"):
        store.append([undo])
    with pytest.raises(TuilabelError, match="only an owner of the project may change its classes"):
        store.add_class_changes([replace(before.class_changes[0], key="f" * 32, kind="add", name="x", annotator="bob")])
    with pytest.raises(TuilabelError, match="only an owner of the project may import labels"):
        store.append([replace(event(4, annotator="bob"), origin="import")])
    assert not store.since(before.cursor)
    store.append([replace(undo, undoes=event(2).key)])


def test_a_session_may_be_a_labellers_without_any_roles(place: StorePlace, hour: Hour) -> None:
    ann = Person(place, "ann", hour)
    ann.session._role = "labeller"
    with pytest.raises(UsageError, match="only an owner"):
        ann.session.add_class("fox")
    ann.store.close()


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_an_overlap_asks_two_people_without_showing_either_the_others_answer(
    place: StorePlace, hour: Hour, share: float
) -> None:
    overlap = Overlap(2, share, seed=0)
    people = [Person(place, name, hour, overlap) for name in ("ann", "bob")]
    asked: dict[int, list[str]] = {}
    for _ in range(200):
        for one in people:
            one.work()
            session = one.session
            batch = session.batch
            left = [] if batch is None else [i for i in batch.items if session.answer_at(i.index) is None]
            if left:
                item = left[0]
                assert not item.overlap or session.hides(item.index), "nor a prediction"
                session.label(item.index, len(asked) % 3 if one is people[0] else 0)
                asked.setdefault(item.index, []).append(session.annotator)
                answer = session.answer_at(item.index)
                assert answer is not None
                assert answer.annotator == session.annotator
    assert len(asked) == 24
    shared = [index for index in asked if overlap.people_for(TOY.pool.ids[index].decode()) == 2]
    assert [index for index, who in asked.items() if sorted(who) == ["ann", "bob"]] == shared
    assert all(len(who) == len(set(who)) for who in asked.values()), "nobody twice"
    assert all(one.session.finished for one in people)
    agreement = people[0].session.team_figures().agreement
    assert agreement is not None
    assert agreement.n == len(shared)
    for one in people:
        one.store.close()


def test_an_overlap_is_the_same_for_all_and_of_the_size_that_was_asked_for() -> None:
    items = [f"{k:032x}" for k in range(4000)]
    drawn = [item for item in items if Overlap(3, 0.1, seed=1).people_for(item) == 3]
    assert drawn == [item for item in items if Overlap(3, 0.1, seed=1).people_for(item) == 3]
    assert 340 < len(drawn) < 460
    assert not [item for item in items if Overlap(3, 0.0).people_for(item) > 1]
    with pytest.raises(UsageError, match="overlap must be 1 to 20"):
        Overlap(0, 0.1)
    with pytest.raises(UsageError, match="between 0 and 1"):
        Overlap(2, 1.5)


def test_draws_of_two_who_do_not_know_of_each_other_are_one_sequence_from_what_was_left() -> None:
    """So LURE weights are 1, and an estimate over two sessions is as unbiased as over one."""
    pool, each = 60, 10
    for seed in range(20):
        rng = np.random.default_rng(seed)
        taken: list[str] = []
        probabilities: list[float] = []
        for _ in range(2):  # both pick from the whole pool; the second one's draw finds ten images taken
            order = rng.permutation(pool).tolist()
            items = [QueryItem(i, f"i{i}", query_probability=1 / (pool - k)) for k, i in enumerate(order)]
            batch = Candidates((), tuple(items), each, "random", None, 0.0, 0).batch(1, taken)
            assert batch is not None
            taken += [item.id for item in batch.items]
            probabilities += [item.query_probability or 0 for item in batch.items]
        assert len(set(taken)) == 2 * each
        assert probabilities == pytest.approx([1 / (pool - m) for m in range(2 * each)])
        assert lure_weights(probabilities, pool) == pytest.approx(np.ones(2 * each))


def test_a_few_items_that_others_left_are_not_a_batch_while_more_picks_are_on_their_way() -> None:
    audits, picked = ([QueryItem(i, f"i{i}", audit=i < 2) for i in items] for items in (range(2), range(2, 10)))
    part = Candidates(tuple(audits), tuple(picked), 10, "coverage", None, 0.2, 0, is_part=True)
    whole = replace(part, is_part=False)
    taken = [item.id for item in picked]
    assert part.batch(2, taken) is None
    assert [len(batch.items) for batch in (part.batch(2, ()), whole.batch(2, taken)) if batch] == [10, 2]

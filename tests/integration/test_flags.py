"""A flag stands beside the answer: labels keep, undo, several annotators, stores of older formats."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.events import event
from tests.helpers.sessions import Clock, SessionMaker, answer_all, item_at
from tests.helpers.toy import Toy, make_toy
from tuilabel.labels import Event, LabelStore, current_answers
from tuilabel.labels.events import Kind, current_flags, standing_answers
from tuilabel.labels.exchange import resolve_answers
from tuilabel.labels.writer import InlineWriter
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.session import LabellingSession
from tuilabel.session.log_statistics import log_statistics


def counts(session: LabellingSession) -> tuple[int, int, int]:
    """Labelled, flagged, and flagged without an answer."""
    statistics = session.statistics()
    return statistics.labelled, statistics.flagged, statistics.flagged_only


def kinds(session: LabellingSession, index: int) -> tuple[str | None, bool]:
    """What stands for an item, and whether it is flagged."""
    answer = session.answer_at(index)
    return None if answer is None else answer.class_name or answer.kind, session.flag_on(index) is not None


def test_a_flagged_label_stays_and_trains_and_a_flag_alone_sets_aside(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    first, second = item_at(session, 0), item_at(session, 1)
    session.label(first, 2)
    session.flag(first)
    session.flag(second)
    assert kinds(session, first) == ("c", True)
    assert kinds(session, second) == ("flag", True)
    assert counts(session) == (1, 2, 1)
    assert session.labels()[0].tolist() == [first]
    session.label(second, 1)
    assert kinds(session, second) == ("b", True), "the order of the two keys does not matter"
    session.unflag(second)
    assert kinds(session, second) == ("b", False)
    assert counts(session) == (2, 1, 0)


def test_flags_are_steps_of_their_own(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    index, other = item_at(session, 0), item_at(session, 1)
    session.label(index, 0)
    session.flag(index)
    session.flag(index)  # says nothing new
    session.undo()
    assert kinds(session, index) == ("a", False)
    session.redo()
    assert kinds(session, index) == ("a", True)
    assert session.toggle_flag([index, other]), "one of them was not flagged"
    assert not session.toggle_flag([index, other]), "both were"
    assert kinds(session, index) == ("a", False)
    assert kinds(session, other) == (None, False)
    session.undo()
    assert (kinds(session, index), kinds(session, other)) == (("a", True), ("flag", True))
    session.undo()
    assert (kinds(session, index), kinds(session, other)) == (("a", True), (None, False))
    session.undo()
    session.undo()
    assert kinds(session, index) == (None, False)


def test_a_batch_is_not_complete_while_a_flag_was_taken_off(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    indices = [item_at(session, k) for k in range(10)]
    for index in indices[:9]:
        session.label(index, toy.truth(index))
    session.flag(indices[9])
    assert session.batch is not None
    assert session.batch.round == 2
    session.unflag(indices[9])
    session.undo()
    session.undo()
    assert session.batch is not None
    assert session.batch.round == 1, "its last image is unanswered again"


def test_withdrawing_takes_the_label_first_and_then_the_flag(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    index = item_at(session, 0)
    session.label(index, 0)
    session.flag(index)
    assert session.withdraw(index)
    assert kinds(session, index) == ("flag", True)
    assert session.withdraw(index)
    assert kinds(session, index) == (None, False)
    assert not session.withdraw(index)
    session.undo()
    assert kinds(session, index) == ("flag", True)
    session.undo()
    assert kinds(session, index) == ("a", True)


def test_the_flag_of_another_annotator_leaves_the_label_to_who_gave_it(toy: Toy, tmp_path: Path) -> None:
    store = LabelStore.open(tmp_path / "labels.db")
    ada = reopened(toy, store, "ada")
    index = item_at(ada, 0)
    ada.label(index, 0)
    bob = reopened(toy, store, "bob")
    bob.flag(index)
    flag = bob.flag_on(index)
    assert flag is not None
    assert flag.annotator == "bob"
    (label,) = resolve_answers(store.events(), "unanimous").labels
    assert (label.class_name, label.annotator) == ("a", "ada")
    again = reopened(toy, store, "ada")
    again.unflag(index)
    assert kinds(again, index) == ("a", False)
    assert not reopened(toy, store, "bob").can_undo, "ada's step is newer"
    store.close()


def test_the_prediction_of_an_audit_item_stays_hidden_while_it_is_only_flagged(
    toy: Toy, make_session: SessionMaker
) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    assert session.batch is not None
    audit = next(item.index for item in session.batch.items if item.audit)
    session.flag(audit)
    assert session.hides(audit)
    session.label(audit, toy.truth(audit))
    assert not session.hides(audit)
    answer = session.answer_at(audit)
    assert answer is not None
    assert (answer.audit, answer.shown) == (True, False)


def test_undo_and_redo_say_what_they_did(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    items = [item_at(session, k) for k in range(4)]
    name = session.pool.files.last_name(items[0])

    def undone() -> str:
        session.undo()
        return session.last_change

    session.label(items[0], 0)
    assert undone() == f"took back: a on {name}"
    session.redo()
    assert session.last_change == f"put back: a on {name}"
    session.skip(items[0])
    assert undone() == f"took back: the skip of {name}"
    session.flag(items[0])
    assert undone() == f"took back: the flag on {name}"
    session.redo()
    session.unflag(items[0])
    assert undone() == f"put back: the flag on {name}"
    session.withdraw(items[0])
    assert undone() == f"put back: a on {name}"
    session.answer_many(items, "label", 2)
    assert undone() == "took back: 4 labels of c"
    session.answer_many(items, "label", [0, 1, 2, 0])
    assert undone() == "took back: 4 labels"
    session.answer_many(items, "skip")
    assert undone() == "took back: 4 skips"
    session.toggle_flag(items)
    assert undone() == "took back: 3 flags", "one of them was flagged before"
    session.merge_classes(2, 0)
    assert undone() == "took back: merging c into a"
    session.rename_class(0, "ring")
    assert undone() == "took back: renaming a to ring"
    session.add_class("star")
    assert undone() == "took back: the new class star"


def test_statistics_count_flags_and_notes_and_say_whose(toy: Toy, tmp_path: Path) -> None:
    store = LabelStore.open(tmp_path / "labels.db")
    ada = reopened(toy, store, "ada")
    items = [item_at(ada, k) for k in range(3)]
    ada.answer_many(items[:2], "label", 0)
    ada.note(items[0], "blurred")
    ada.note(items[2], "odd")
    ada.note(items[2], "")
    bob = reopened(toy, store, "bob")
    bob.toggle_flag(items)
    bob.unflag(items[0])
    bob.note(items[1], "two of them")
    found = log_statistics(store.events(), store.rounds(), store.class_changes(), classes=(), pool_size=len(toy.pool))
    assert (found.labelled, found.flagged, found.flagged_only, found.notes) == (2, 2, 1, 2)
    assert (found.annotators, found.flagged_by) == ((("ada", 2),), (("bob", 2),))
    assert dict(found.noted_by) == {"ada": 1, "bob": 1}
    store.close()


# -- formats before 5, where a flag took the place of the label --------------------------------------------------------


def reopened(toy: Toy, store: LabelStore, annotator: str = "ann") -> LabellingSession:
    trainer = InlineTrainer(toy.runner().run)
    session = LabellingSession(
        toy.pool, trainer=trainer, classes=toy.pool.classes, log=store.events(),
        rounds=store.rounds(), class_changes=store.class_changes(), writer=InlineWriter(store), annotator=annotator,
        batch_size=10, clock=Clock(),
    )  # fmt: skip
    trainer.start(session.handle)
    session.start()
    return session


def as_format_4(path: Path) -> None:
    """Make a store what format 4 was."""
    with sqlite3.connect(path) as connection:
        connection.executescript("ALTER TABLE events DROP COLUMN beside; UPDATE about SET version = 4;")
    connection.close()


def test_in_a_store_of_format_4_a_flag_has_no_label_and_a_label_no_flag(tmp_path: Path) -> None:
    toy = make_toy(24)
    ids = [name.decode() for name in toy.pool.ids]
    rows: list[tuple[str, Kind, str | None]] = [
        (ids[0], "label", "a"), (ids[0], "flag", None),
        (ids[1], "flag", None), (ids[1], "label", "c"),
        (ids[2], "label", "a"),
    ]  # fmt: skip
    written = [event(k + 1, item, kind, class_name=name) for k, (item, kind, name) in enumerate(rows)]
    store = LabelStore.open(tmp_path / "labels.db")
    store.append(written)
    store.close()
    as_format_4(tmp_path / "labels.db")
    store = LabelStore.open(tmp_path / "labels.db")
    assert [e.beside for e in store.events()] == [False] * 5
    session = reopened(toy, store)
    assert [kinds(session, k) for k in range(3)] == [("flag", True), ("c", False), ("a", False)]
    session.flag(2)
    session.label(0, 1)
    assert [kinds(session, k) for k in (0, 2)] == [("b", True), ("a", True)], "new keys leave the other half"
    session.undo()
    session.unflag(0)
    assert kinds(session, 0) == ("a", False), "without the old flag, the label that it took the place of"
    assert kinds(reopened(toy, store), 0) == ("a", False)
    session.undo()
    assert kinds(session, 0) == ("flag", True)
    assert [e.beside for e in store.events()] == [False] * 5 + [True] * 5
    store.close()


LOGS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["label", "skip", "flag", "undo"])), max_size=25)


@given(LOGS)
def test_a_log_of_format_4_means_what_it_meant(actions: list[tuple[str, Kind]]) -> None:
    stacks: dict[str, list[Event]] = {name: [] for name in "abc"}
    events: list[Event] = []
    for number, (item, kind) in enumerate(actions):
        extra: dict[str, Any] = {}
        if kind == "undo":
            if not stacks[item]:
                continue
            extra["undoes"] = stacks[item].pop().key
        events.append(event(number, item, kind, beside=False, **extra))
        if kind != "undo":
            stacks[item].append(events[-1])
    tops = {item: stack[-1] for item, stack in stacks.items() if stack}
    assert current_answers(events) == tops
    assert current_flags(events) == {item: top for item, top in tops.items() if top.kind == "flag"}


@given(st.lists(st.tuples(st.sampled_from(["label", "skip", "flag", "unflag"]), st.booleans()), max_size=12))
def test_answers_and_flags_are_independent_halves(actions: list[tuple[Kind, bool]]) -> None:
    """Each half is what it would be without the other one, whatever was undone."""
    events = [event(k, "a", kind) for k, (kind, _) in enumerate(actions)]
    undone = [
        event(100 + k, "a", "undo", undoes=events[k].key) for k, (_, taken_back) in enumerate(actions) if taken_back
    ]
    halves = [[e for e in events if (e.kind in ("flag", "unflag")) == is_flag] for is_flag in (False, True)]
    together = [*events, *undone]
    assert standing_answers(together) == standing_answers([*halves[0], *undone])
    assert current_flags(together) == current_flags([*halves[1], *undone])

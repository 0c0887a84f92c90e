"""Answers from outside the batch: history, review, whole classes at once; notes; several annotators."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.helpers.sessions import Clock, SessionMaker, answer_all, answers_by_annotator, item_at
from tests.helpers.toy import Toy
from tuilabel.errors import UsageError
from tuilabel.session import LabellingSession


def unqueried(session: LabellingSession, n: int) -> list[int]:
    """Unanswered items that are not in an open batch."""
    queried = {item.index for item in session._batches.open_items()}
    return [i for i in range(len(session.pool.ids)) if i not in queried and session.answer_at(i) is None][:n]


def test_an_earlier_answer_is_changed_from_history_and_undone(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    first = session.batch
    answer_all(session, toy, 2)
    batch = session.batch
    assert first is not None
    index, truth = first.items[0].index, toy.truth(first.items[0].index)
    session.answer(index, "label", (truth + 1) % 3)
    answer = session.answer_at(index)
    assert answer is not None
    assert (answer.class_name, answer.origin, answer.round) == (session.classes[(truth + 1) % 3], "direct", 1)
    assert session.batch is not None
    assert batch is not None
    assert session.batch.round == batch.round
    item = session.undo()
    assert item is not None
    assert item.index == index
    assert session.batch.round == batch.round  # nothing of the old batch is open: it is not shown again
    answer = session.answer_at(index)
    assert answer is not None
    assert answer.class_name == session.classes[truth]
    session.redo()
    assert session.statistics().labelled == 20


def test_a_batch_item_answered_in_another_view_counts_in_the_batch(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    assert session.batch is not None
    for item in session.batch.items:
        session.answer(item.index, "label", toy.truth(item.index), origin="review")
    assert session.batch.round == 2
    assert session.statistics().labelled == 10


def test_a_changed_answer_to_an_audit_item_keeps_its_prediction(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 3)
    before = next(event for event in session.live_events if event.audit)
    index = int(toy.pool.indices_of([before.item])[0])
    wrong = (toy.truth(index) + 1) % 3
    session.answer(index, "label", wrong)
    after = session.answer_at(index)
    assert after is not None
    assert (after.audit, after.predicted, after.confidence, after.trained_on, after.query_probability, after.round) == (
        True, before.predicted, before.confidence, before.trained_on, before.query_probability, before.round,
    )  # fmt: skip
    estimate = session.statistics().audit
    assert estimate is not None
    assert estimate.n == 2
    assert estimate.value < 1  # it is compared with the new answer


def test_a_class_is_confirmed_and_undone_in_one_step(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 2)
    items, audit, batch = unqueried(session, 15), session.statistics().audit, session.batch
    answered = int(session.labels()[0][0])
    n = session.confirm_class([*items, answered], 1, 3000, predicted=[1] * 16, confidence=[0.9] * 16)
    assert n == 15
    statistics = session.statistics()
    assert (statistics.labelled, statistics.audit) == (35, audit)
    event = session.answer_at(items[0])
    assert event is not None
    assert (event.origin, event.audit, event.query_probability, event.predicted) == ("by-class", False, None, "b")
    assert (event.milliseconds, event.trained_on) == (200, 20)
    assert session.batch is not None
    assert batch is not None
    assert session.batch.round == batch.round
    session.undo()
    assert session.statistics().labelled == 20
    session.redo()
    assert session.statistics().labelled == 35
    again = make_session(toy)
    again.undo()
    assert again.statistics().labelled == 20


def test_confirming_a_class_leaves_randomly_drawn_items_to_their_batch(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    assert session.batch is not None
    audits = [item.index for item in session.batch.items if item.audit]
    chosen = [item.index for item in session.batch.items if not item.audit][:2]
    assert session.confirm_class([*audits, *chosen], 1) == len(chosen)
    assert all(session.answer_at(index) is None for index in audits)
    assert session.statistics().labelled == 10 + len(chosen)


def test_several_items_are_labelled_with_one_key_and_undone_in_one_step(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    batch = session.batch
    assert batch is not None
    audits = [item.index for item in batch.items if item.audit]
    indices = [*audits, *[item.index for item in batch.items if not item.audit][:4]]
    session.answer_many(indices, "label", 1, 3000)
    events = [session.standing[index] for index in indices]
    assert {(event.class_name, event.origin, event.milliseconds) for event in events} == {("b", "batch", 3000 // 5)}
    assert [event.audit for event in events] == [True] * len(audits) + [False] * 4
    assert all(event.shown is False for event in events[: len(audits)]), "an audit item is still answered blindly"
    undone = session.undo()
    assert undone is not None
    assert undone.index in indices
    assert session.statistics().labelled == 10
    session.redo()
    again = make_session(toy)
    assert again.statistics().labelled == 15
    again.undo()
    assert again.statistics().labelled == 10


def test_undoing_the_answers_that_completed_a_batch_returns_to_it(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    first = session.batch
    assert first is not None
    session.answer_many([item.index for item in first.items], "label", 0)
    assert session.batch is not None
    assert session.batch.round == 2
    session.undo()
    assert session.batch.round == 1


def test_several_items_get_a_class_each(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    session.answer_many([3, 4, 5, 3], "label", [0, 1, 2, 2], origin="review")
    assert [session.standing[index].class_name for index in (3, 4, 5)] == ["c", "b", "c"]
    session.undo()
    assert session.statistics().labelled == 0
    with pytest.raises(UsageError, match="class_pos must be 0 to 2, got 3"):
        session.answer_many([3, 4], "label", [0, 3])
    assert session.statistics().labelled == 0
    session.answer_many([], "label", 1)
    assert not session.can_undo


def test_each_item_gets_its_own_prediction_and_hidden_ones_are_left(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    batch = session.batch
    assert batch is not None
    hidden = {item.index for item in batch.items if item.hidden}
    done = session.confirm_many([item.index for item in batch.items])
    assert set(done) == {item.index for item in batch.items} - hidden
    for item in batch.items:
        event = session.answer_at(item.index)
        assert event is None if item.index in hidden else event is not None
        assert event is None or event.class_name == session.classes[item.predicted]  # type: ignore[index]
    session.undo()
    assert session.statistics().labelled == 10


def test_several_answers_are_withdrawn_in_one_step(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 2)
    answered = session.labels()[0][:6].tolist()
    session.answer(answered[0], "label", 0)
    before = dict(session.standing)
    assert session.withdraw_many([*answered, *unqueried(session, 2)]) == answered
    assert session.statistics().labelled == 14
    session.undo()
    assert {index: event.class_name for index, event in session.standing.items()} == {
        index: event.class_name for index, event in before.items()
    }
    session.redo()
    assert session.statistics().labelled == 14
    again = make_session(toy)
    again.undo()
    assert again.statistics().labelled == 20


def test_a_withdrawn_item_is_queried_again_in_its_batch(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    first = session.batch
    answer_all(session, toy, 1)
    second = session.batch
    assert first is not None
    assert second is not None
    index = first.items[3].index
    session.answer(index, "label", 0)
    assert session.withdraw(index)
    assert session.answer_at(index) is None  # the earlier answer is gone, too
    assert not session.withdraw(index)
    assert session.batch is second
    answer_all(session, toy, 1)
    assert session.batch.round == first.round
    session.label(item_at(session, 3), 2)
    assert session.batch.round > second.round


def test_a_withdrawal_is_undone_like_an_answer(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    index = int(session.labels()[0][0])
    before = session.answer_at(index)
    session.withdraw(index)
    session = make_session(toy)
    session.undo()
    after = session.answer_at(index)
    assert before is not None
    assert after is not None
    assert (after.class_name, after.at, after.audit) == (before.class_name, before.at, before.audit)
    session.redo()
    assert session.answer_at(index) is None


def test_a_new_answer_ends_redo(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    assert not session.can_redo
    assert session.redo() is None
    session.label(item_at(session, 0), 0)
    session.undo()
    session.note(5, "odd")
    assert session.can_redo  # a note is not an answer
    session.label(item_at(session, 1), 0)
    assert not session.can_redo
    session.undo()
    assert not make_session(toy).can_redo


def test_redo_goes_forward_across_batches(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    session.label(item_at(session, 0), 1)
    second = session.batch
    assert second is not None
    for _ in range(4):
        session.undo()
    assert session.statistics().labelled == 7
    while session.can_redo:
        session.redo()
    assert session.statistics().labelled == 11
    assert session.batch is not None
    assert session.batch.round == second.round


def test_notes_are_kept_and_removed(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    session.note(4, "  a 7\nor a 1? \ud800 ")
    session.note(5, "x")
    session.note(5, "  ")
    assert session.notes() == {4: "a 7 or a 1?"}
    assert session.note_on(4) == "a 7 or a 1?"
    again = make_session(toy)
    assert again.notes() == {4: "a 7 or a 1?"}
    assert (again.statistics().labelled, again.statistics().skipped, again.can_undo) == (0, 0, False)
    with pytest.raises(IndexError, match="got 500"):
        again.note(500, "x")


def test_history_is_newest_first_with_notes(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    first = session.batch
    answer_all(session, toy, 1)
    assert first is not None
    assert session.batch is not None
    session.flag(item_at(session, 0))
    session.note(session.batch.items[0].index, "two digits")
    history = session.history()
    assert len(history) == 11
    newest = history[0]
    assert (newest.index, newest.kind, newest.class_pos, newest.note) == (
        session.batch.items[0].index, "flag", None, "two digits",
    )  # fmt: skip
    assert [entry.index for entry in history[1:]] == [item.index for item in reversed(first.items)]
    oldest = history[-1]
    assert oldest.class_name == session.classes[toy.truth(oldest.index)]
    assert oldest.class_pos == toy.truth(oldest.index)
    session.answer(oldest.index, "skip")
    assert session.history()[0].index == oldest.index
    assert history[-1].kind == "label"  # a history is a snapshot


def test_history_is_in_the_order_of_the_answers_when_the_clock_goes_back(toy: Toy, make_session: SessionMaker) -> None:
    clock = Clock()
    session = make_session(toy, clock=clock)
    items = [item_at(session, position) for position in range(3)]
    for index in items:
        session.label(index, 0)
        clock.now -= timedelta(hours=1)
    assert [entry.index for entry in session.history()] == items[::-1]
    again = make_session(toy)
    assert [entry.index for entry in again.history()] == items[::-1]


def test_review_sees_the_answer_of_every_annotator(toy: Toy, make_session: SessionMaker) -> None:
    ann = make_session(toy)
    assert ann.batch is not None
    index = ann.batch.items[0].index
    ann.label(item_at(ann, 0), 0)
    bob = make_session(toy, annotator="bob")
    bob.answer(index, "label", 1, origin="review")
    answers = answers_by_annotator(bob, index)
    assert {name: event.class_name for name, event in answers.items()} == {"ann": "a", "bob": "b"}
    assert bob.statistics().class_counts == (0, 1, 0)
    ann = make_session(toy)
    assert not ann.can_undo  # bob has answered since
    assert ann.withdraw(index)
    answer = ann.answer_at(index)
    assert answer is not None
    assert (answer.annotator, answer.class_name) == ("ann", "a")
    ann.undo()
    assert ann.statistics().class_counts == (0, 1, 0)
    assert list(answers_by_annotator(ann, index)) == ["ann", "bob"]

"""Audit items cannot be recognised, and show no prediction until they are answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.sessions import SessionMaker, answer_all, item_at
from tests.helpers.toy import Toy
from tuilabel.labels import LabelStore
from tuilabel.session.rounds import blind_sizes


def hidden_places(session_batch: object) -> list[int]:
    return [place for place, item in enumerate(session_batch.items) if item.hidden]  # type: ignore[attr-defined]


def test_as_many_ordinary_items_as_audit_items_hide_their_predictions(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, batch_size=20)
    assert session.batch is not None
    assert not any(session.hides(item.index) for item in session.batch.items)
    answer_all(session, toy, 1)
    for _ in range(3):
        items = session.batch.items
        audits = {item.index for item in items if item.audit}
        hidden = {item.index for item in items if session.hides(item.index)}
        assert len(audits) == 2
        assert len(hidden) == 4
        assert audits < hidden
        assert all(item.predicted is not None for item in items)
        answer_all(session, toy, 1)


def test_audit_items_are_scattered_through_the_batch_by_the_seed(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    places = []
    for _ in range(9):
        answer_all(session, toy, 1)
        assert session.batch is not None
        places += [place for place, item in enumerate(session.batch.items) if item.audit]
    assert len(places) == 9
    assert len(set(places)) >= 5, "one audit item in each batch, at any place"
    assert max(places) >= 5


def test_a_hidden_prediction_cannot_be_confirmed_and_its_answer_is_noted_as_unanchored(
    toy: Toy, make_session: SessionMaker, tmp_path: Path
) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    assert session.batch is not None
    batch = session.batch
    hidden = hidden_places(batch)
    assert [session.confirm(batch.items[place].index) for place in hidden] == [False, False]
    for place, item in enumerate(batch.items):
        if place in hidden:
            session.label(item.index, toy.truth(item.index))
        else:
            assert session.confirm(item.index)
    assert not any(session.hides(item.index) for item in batch.items), "an answered item hides nothing"
    estimate = session.statistics().audit
    assert estimate is not None
    assert estimate.n == 1
    store = LabelStore.open(tmp_path / "labels.db")
    events = store.events()
    store.close()
    first = [None if event.predicted is None else True for event in events[:10]]
    assert [event.shown for event in events[:10]] == first, "predictions arrive while the first batch is labelled"
    assert [event.shown for event in events[10:]] == [place not in hidden for place in range(10)]
    assert all(event.predicted is not None for event in events[10:])


def test_an_unfinished_batch_hides_the_same_items_after_a_restart(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    session.label(item_at(session, 0), 0)
    before = session.batch
    again = make_session(toy, seed=5).batch
    assert again is not None
    assert before is not None
    assert hidden_places(again) == hidden_places(before)
    assert [item.index for item in again.items] == [item.index for item in before.items]


def test_an_undone_answer_is_hidden_again_and_a_changed_one_keeps_what_was_shown(
    toy: Toy, make_session: SessionMaker
) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    assert session.batch is not None
    place = hidden_places(session.batch)[0]
    index = item_at(session, place)
    session.label(index, 1)
    session.answer(index, "label", 2, origin="history")
    event = session.answer_at(index)
    assert event is not None
    assert (event.class_name, event.shown) == ("c", False)
    session.undo()
    session.undo()
    assert session.hides(index)


def test_a_blind_session_shows_no_prediction_and_notes_it(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    assert session.batch is not None
    open_place = next(place for place, item in enumerate(session.batch.items) if not item.hidden)
    index = item_at(session, open_place)
    session.blind = True
    assert all(session.hides(item.index) for item in session.batch.items)
    assert not session.confirm(index)
    session.label(index, 0)
    event = session.answer_at(index)
    assert event is not None
    assert event.shown is False
    session.blind = False
    assert sum(session.hides(item.index) for item in session.batch.items) == 2


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_batches_of_one_audit_one_round_in_each_stretch_and_hide_another(share: float) -> None:
    every = round(1 / share)
    sizes = np.array([blind_sizes(1, number, share, seed=3) for number in range(1, 20 * every + 1)])
    audits, hidden = sizes.reshape(20, every, 2).sum(axis=1).T
    assert audits.tolist() == [1] * 20
    assert hidden.tolist()[1:] == [1] * 19
    assert (sizes.sum(axis=1) <= 1).all(), "a round is one image"
    assert sizes[0].tolist() == [0, 0]
    if every > 2:
        assert len(set(sizes[:, 0].reshape(20, every).argmax(axis=1).tolist())) > 1, "at no regular distance"


@pytest.mark.parametrize(
    ("n", "share", "expected"),
    [(20, 0.1, (2, 2)), (2, 0.1, (1, 1)), (10, 0.8, (8, 2)), (4, 1, (4, 0)), (20, 0, (0, 0))],
)
def test_no_more_items_hide_than_there_are(n: int, share: float, expected: tuple[int, int]) -> None:
    assert blind_sizes(n, 2, share, seed=0) == expected


def test_the_next_batch_is_known_ahead_in_its_order(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    assert session.batch is not None
    for item in session.batch.items[:-1]:
        session.label(item.index, toy.truth(item.index))
    ahead = session.next_items()
    last = session.batch.items[-1].index
    session.label(last, toy.truth(last))
    assert [item.index for item in session.batch.items] == ahead

"""The labelling loop without a screen: query, answer, learn, resume."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.sessions import ManualTrainer, RecordingTrainer, SessionMaker, answer_all, item_at, open_session
from tests.helpers.toy import Toy, make_toy
from tuilabel.errors import UsageError
from tuilabel.labels import InlineWriter, LabelStore, NullWriter
from tuilabel.learner.trainer.messages import Failure, RoundResult
from tuilabel.session import LabellingSession
from tuilabel.session.accuracy_curve import TestCurve


def test_twenty_answers_train_a_model_and_bring_the_next_batch(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    assert session.batch is not None
    assert (session.batch.round, session.batch.strategy, session.batch.trained_on) == (1, "coverage", None)
    assert session.statistics().test_accuracy is None
    answer_all(session, toy, 2)
    after = session.statistics()
    assert (after.labelled, after.round) == (20, 3)
    assert after.test_accuracy is not None
    assert after.test_accuracy > 0.9
    assert after.mean_uncertainty is not None
    assert after.histogram is not None
    assert sum(after.histogram) == 120 - 20 - 10
    assert sum(after.class_counts) == 20
    assert session.batch.round == 3
    assert session.batch.strategy == "weighted-kmeans"
    assert [labels for labels, *_ in after.curve] == sorted({labels for labels, *_ in after.curve})
    assert after.per_minute == pytest.approx(60 / 2, rel=0.2)


def test_every_item_is_queried_exactly_once(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, batch_size=7)
    queried: list[int] = []
    while session.batch is not None:
        assert not session.finished
        queried += [item.index for item in session.batch.items]
        if len(queried) == 120:
            assert session.is_last_batch
            assert len(session.batch.items) == 1
        answer_all(session, toy, 1)
    assert sorted(queried) == list(range(120))
    assert session.finished
    assert session.statistics().labelled == 120


def test_a_batch_larger_than_the_pool_has_all_items(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, batch_size=500)
    assert session.batch is not None
    assert len(session.batch.items) == 120
    assert session.is_last_batch


@pytest.mark.parametrize(("batch_size", "per_round"), [(2, 1), (10, 1), (20, 2), (30, 3)])
def test_a_tenth_of_each_batch_is_audit_from_the_second_on(
    toy: Toy, make_session: SessionMaker, batch_size: int, per_round: int
) -> None:
    session = make_session(toy, batch_size=batch_size)
    for number in (1, 2, 3):
        assert session.batch is not None
        audits = [item for item in session.batch.items if item.audit]
        assert len(audits) == (0 if number == 1 else per_round)
        assert all(item.query_probability is not None for item in audits)
        answer_all(session, toy, 1)


def test_with_batches_of_one_an_item_of_every_ten_is_audit(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, batch_size=1)
    audits = []
    for number in range(1, 31):
        assert session.batch is not None
        if session.batch.items[0].audit:
            audits.append(number)
        answer_all(session, toy, 1)
    assert [(number - 1) // 10 for number in audits] == [0, 1, 2]


def test_audit_items_are_predicted_by_a_model_that_has_not_seen_them(
    toy: Toy, make_session: SessionMaker, tmp_path: Path
) -> None:
    trainer = RecordingTrainer(toy)
    session = make_session(toy, trainer=trainer)
    answer_all(session, toy, 6)
    estimate = session.statistics().audit
    assert estimate is not None
    assert (estimate.n, session.statistics().labelled) == (5, 60)
    store = LabelStore.open(tmp_path / "labels.db")
    audits = [event for event in store.events() if event.audit]
    store.close()
    assert len(audits) == 5
    for event in audits:
        index = int(toy.pool.indices_of([event.item])[0])
        seen = [len(r.indices) for r in trainer.requests if index in r.indices]
        assert event.trained_on is not None
        assert all(event.trained_on < n for n in seen)


def test_a_session_resumes_where_it_was_quit(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 2)
    session.label(item_at(session, 0), 0)
    session.skip(item_at(session, 3))
    batch, before = session.batch, session.statistics()

    again = make_session(toy)
    assert again.batch is not None
    assert batch is not None
    assert [i.index for i in again.batch.items] == [i.index for i in batch.items]
    assert again.answer_at(again.batch.items[0].index) is not None
    assert again.answer_at(again.batch.items[1].index) is None
    after = again.statistics()
    assert (after.labelled, after.skipped, after.class_counts) == (before.labelled, before.skipped, before.class_counts)
    assert after.trainer.trained_on == 21  # retrained from the labels on disk at once
    assert after.test_accuracy is not None
    assert {labels for labels, *_ in after.curve} <= {labels for labels, *_ in before.curve} | {21}
    asked_before = {event.item for event in session.standing.values()}
    left = [item for item in again.batch.items if again.answer_at(item.index) is None]
    assert not asked_before & {item.id for item in left}


def test_a_batch_keeps_its_items_while_predictions_arrive(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    first = session.batch
    assert first is not None
    assert first.items[5].predicted is None
    models = []
    for item in first.items[:9]:
        session.label(item.index, toy.truth(item.index))
        now = session.batch
        assert now is not None
        assert [i.index for i in now.items] == [i.index for i in first.items]
        models.append(now.trained_on)
    assert now is not None
    assert now.items[9].predicted is not None
    assert len(set(models)) <= 4  # none, then at two labels or so, four, eight: not with every key


def test_confirm_takes_the_prediction(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    assert session.confirm(item_at(session, 0)) is False
    answer_all(session, toy, 1)
    assert session.batch is not None
    item = next(item for item in session.batch.items if not item.hidden)
    assert session.confirm(item.index)
    event = session.answer_at(item.index)
    assert event is not None
    assert item.predicted is not None
    assert event.class_name == event.predicted == session.classes[item.predicted]


def test_skips_and_flags_are_not_trained_on(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    assert session.batch is not None
    items = session.batch.items
    session.skip(item_at(session, 0))
    session.flag(item_at(session, 1))
    for item in items[2:10]:
        session.label(item.index, toy.truth(item.index))
    indices, _ = session.labels()
    assert len(indices) == 8
    statistics = session.statistics()
    assert (statistics.labelled, statistics.skipped, statistics.flagged) == (8, 1, 1)
    assert not {i.index for i in session.batch.items} & {i.index for i in items}


def test_a_new_answer_replaces_the_previous_one(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    assert session.batch is not None
    session.label(item_at(session, 0), 0)
    session.label(item_at(session, 0), 2)
    assert session.statistics().class_counts == (0, 0, 1)
    session.undo()
    assert session.statistics().class_counts == (1, 0, 0)


def test_undo_goes_back_across_batches_and_sessions(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    first = session.batch
    answer_all(session, toy, 1)
    session.label(item_at(session, 0), 1)
    second = session.batch
    session = make_session(toy)
    assert session.undo() is not None
    assert session.statistics().labelled == 10
    item = session.undo()
    assert session.statistics().labelled == 9
    assert session.batch is not None
    assert first is not None
    assert second is not None
    assert session.batch.round == first.round
    assert item is not None
    assert item.index == first.items[9].index
    session.label(item_at(session, 9), 0)
    assert session.batch.round == second.round
    for _ in range(10):
        assert session.can_undo
        session.undo()
    assert not session.can_undo
    assert session.undo() is None
    assert session.statistics().labelled == 0
    assert sum(session.statistics().class_counts) == 0


def test_the_oldest_result_never_overwrites_the_newest(toy: Toy, make_session: SessionMaker) -> None:
    trainer = RecordingTrainer(toy)
    session = make_session(toy, trainer=trainer)
    answer_all(session, toy, 1)
    newest = session.result
    session.handle(trainer.results[2])
    assert session.result is newest


def test_a_trainer_failure_is_shown_until_the_next_result(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    session.handle(Failure("the trainer was ended by signal 9; restarting it", fatal=False))
    assert session.statistics().trainer.failure is not None
    session.label(item_at(session, 0), 0)
    assert session.statistics().trainer.failure is None


STOPPED = Failure("the trainer ended with code 1, the 3rd time in a row", fatal=True, crashed=True)


def test_without_a_trainer_labels_go_on_with_random_batches(toy: Toy) -> None:
    trainer = ManualTrainer(toy)
    session = open_session(trainer, toy)
    session.handle(STOPPED)
    seen: set[int] = set()
    for number in range(1, 4):
        batch = session.batch
        assert batch is not None
        assert (batch.round, batch.strategy, len(batch.items)) == (number, "random", 10)
        assert session.statistics().strategy == "random", "the panel says what the line above the images says"
        assert not seen.intersection(item.index for item in batch.items)
        assert not any(item.audit or item.hidden or item.predicted is not None for item in batch.items)
        seen.update(item.index for item in batch.items)
        answer_all(session, toy, 1)
    assert session.statistics().labelled == 30


def test_a_batch_that_is_open_is_finished_before_a_random_one(toy: Toy) -> None:
    trainer = ManualTrainer(toy)
    session = open_session(trainer, toy)
    session.handle(trainer.run(trainer.requests[-1]))
    first = session.batch
    session.handle(STOPPED)
    assert session.batch is first
    answer_all(session, toy, 2)  # the second was picked ahead
    assert session.batch is not None
    assert (session.batch.round, session.batch.strategy) == (3, "random")


def test_random_batches_end_with_the_pool(toy: Toy) -> None:
    session = open_session(ManualTrainer(toy), toy, batch_size=50)
    session.handle(STOPPED)
    while session.batch is not None:
        answer_all(session, toy, 1)
    assert session.finished
    assert len(session.standing) == len(toy.pool)


def test_a_restarted_trainer_picks_again(toy: Toy) -> None:
    trainer = ManualTrainer(toy)
    session = open_session(trainer, toy)
    session.handle(STOPPED)
    answer_all(session, toy, 1)
    session.restart_trainer()
    assert (session.trainer_failure, session.trainer_state.doing) == (None, "starting")
    assert session.statistics().strategy == session.strategy
    session.handle(trainer.run(trainer.requests[-1]))
    answer_all(session, toy, 1)
    assert session.batch is not None
    assert session.batch.strategy != "random"
    assert session.batch.trained_on == 10


def test_labels_go_on_at_random_until_a_round_that_is_overdue_ends(toy: Toy) -> None:
    trainer = ManualTrainer(toy)
    session = open_session(trainer, toy)
    session.handle(Failure("the trainer has said nothing for 60 s", fatal=False, overdue=True))
    assert session.batch is not None
    assert session.batch.strategy == "random"
    answer_all(session, toy, 1)
    session.handle(trainer.run(trainer.requests[-1]))
    assert session.trainer_failure is None
    answer_all(session, toy, 1)
    assert session.batch is not None
    assert session.batch.strategy != "random"


def test_a_simulation_never_goes_on_with_another_strategy(toy: Toy) -> None:
    session = open_session(ManualTrainer(toy), toy, retrain="batch")
    session.handle(STOPPED)
    assert session.batch is None


def test_the_next_batch_is_there_while_the_trainer_still_works(toy: Toy, make_session: SessionMaker) -> None:
    trainer = ManualTrainer(toy)
    session = open_session(trainer, toy)
    assert session.batch is None
    session.handle(trainer.run(trainer.requests[-1]))
    answer_all(session, toy, 1)
    second = session.batch
    assert second is not None
    assert second.round == 2
    assert sum(item.audit for item in second.items) == 1
    assert all(item.predicted is None for item in second.items)
    session.handle(trainer.run(trainer.requests[-1]))
    assert session.batch is not None
    assert all(item.predicted is not None for item in session.batch.items)
    assert session.batch.trained_on == 10


def test_the_first_batch_does_not_wait_for_the_second(toy: Toy) -> None:
    trainer = ManualTrainer(toy)
    session = open_session(trainer, toy)
    parts: list[RoundResult] = []
    whole = trainer.run(trainer.requests[-1], parts.append)
    session.handle(parts[0])
    first = session.batch
    assert first is not None
    assert [item.index for item in first.items] == whole.picks.indices[:10].tolist()
    session.handle(whole)
    assert session.batch is first
    session.handle(parts[0])  # too late
    assert session.result is whole
    answer_all(session, toy, 1)
    assert session.batch is not None
    assert session.batch.round == 2


def test_an_undone_answer_is_not_predicted_by_a_model_trained_on_it(toy: Toy, make_session: SessionMaker) -> None:
    trainer = ManualTrainer(toy)
    session = open_session(trainer, toy)
    session.handle(trainer.run(trainer.requests[-1]))
    batch = session.batch
    assert batch is not None
    for item in batch.items[:6]:
        session.label(item.index, toy.truth(item.index))
    latest = trainer.requests[-1]
    session.undo()
    session.handle(trainer.run(latest))
    assert session.batch is not None
    assert session.batch.items[5].predicted is None


def test_retraining_by_batch_waits_for_the_model_of_the_batch(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, retrain="batch")
    answer_all(session, toy, 3)
    assert session.batch is not None
    assert session.batch.trained_on == 30
    assert [labels for labels, *_ in session.statistics().curve] == [10, 20, 30]


def test_images_that_left_the_pool_keep_their_labels_on_disk(make_session: SessionMaker, tmp_path: Path) -> None:
    big, small = make_toy(120), make_toy(120)
    session = make_session(big)
    answer_all(session, big, 2)
    keep = np.arange(60)
    small.pool = big.pool.subset(keep)
    small.latents = big.latents[keep]
    again = make_session(small)
    known = {int(i) for i in big.pool.indices_of([e.item for e in session.standing.values()])}
    assert again.statistics().labelled == len([i for i in known if i < 60])
    store = LabelStore.open(tmp_path / "labels.db")
    assert Counter(event.kind for event in store.events())["label"] == 20
    store.close()


def test_two_annotators_in_turn_answer_each_image_once(toy: Toy, make_session: SessionMaker) -> None:
    answer_all(make_session(toy, annotator="ann"), toy, 1)
    bob = make_session(toy, annotator="bob")
    assert not bob.can_undo
    answer_all(bob, toy, 1)
    assert bob.statistics().labelled == 20


def test_numbers_out_of_range_are_refused(toy: Toy, make_session: SessionMaker) -> None:
    with pytest.raises(UsageError, match="batch_size must be at least 1, got 0"):
        make_session(toy, batch_size=0)
    session = make_session(toy)
    with pytest.raises(UsageError, match="class_pos must be 0 to 2, got 3"):
        session.label(item_at(session, 0), 3)
    with pytest.raises(IndexError, match="pool_idx must be 0 to 119, got 120"):
        session.label(120, 0)
    assert session.statistics().labelled == 0


def test_the_same_seed_queries_the_same_items(toy: Toy, tmp_path: Path) -> None:
    queried = []
    for run in ("one", "two"):
        from tuilabel.learner.trainer.inline import InlineTrainer

        store = LabelStore.open(tmp_path / f"{run}.db")
        trainer = InlineTrainer(toy.runner().run)
        session = LabellingSession(
            toy.pool, log=[], rounds=[], writer=InlineWriter(store), trainer=trainer, classes=toy.pool.classes
        )
        trainer.start(session.handle)
        session.start()
        answer_all(session, toy, 2)
        assert session.batch is not None
        queried.append([item.index for item in session.batch.items])
        store.close()
    assert queried[0] == queried[1]


def test_the_curve_stays_small_over_hours_of_labels() -> None:
    curve = TestCurve()
    for labels in range(1, 30_001):
        curve.add(labels, 0.5, None)
    points = curve.points()
    assert len(points) < 1300
    assert points[-1][0] == 30_000
    assert [labels for labels, *_ in points[:200]] == list(range(1, 201))


def test_a_budget_ends_the_session_with_a_last_small_batch(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, batch_size=10, first_batch=7, budget=32, retrain="batch")
    sizes = []
    while session.batch is not None:
        sizes.append(len(session.batch.items))
        answer_all(session, toy, 1)
    assert sizes == [7, 10, 10, 5]
    assert session.finished
    assert session.result is not None
    assert session.result.n_labels == 32


@pytest.mark.parametrize("start", ["random", "coverage"])
def test_every_strategy_can_start_alike(toy: Toy, make_session: SessionMaker, start: str) -> None:
    first = []
    for strategy in ("margin", "random", "k-center"):
        session = make_session(
            toy, strategy=strategy, start=start, retrain="batch", seed=4, log=[], rounds=[], writer=NullWriter()
        )
        assert session.batch is not None
        assert session.batch.strategy == start
        first.append([item.index for item in session.batch.items])
    assert first[0] == first[1] == first[2]


def test_without_an_audit_share_nothing_is_audited(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, audit_share=0, budget=40)
    while session.batch is not None:
        assert not any(item.audit for item in session.batch.items)
        answer_all(session, toy, 1)
    assert session.statistics().audit is None


def test_cross_validation_estimates_pool_accuracy_from_drawn_items(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, strategy="random", retrain="batch", budget=60)
    answer_all(session, toy, 2)
    assert session.statistics().lure is not None
    answer_all(session, toy, 4)
    lure = session.statistics().lure
    assert lure is not None
    assert lure.n == 60  # random from the first item on
    assert lure.low < 0.97 <= lure.high
    chosen = make_session(toy, strategy="margin", retrain="batch", log=[], rounds=[], writer=NullWriter())
    answer_all(chosen, toy, 3)
    assert chosen.statistics().lure is None
    validated = make_session(
        toy, strategy="margin", retrain="batch", cross_validate=True, log=[], rounds=[], writer=NullWriter()
    )
    answer_all(validated, toy, 3)
    lure = validated.statistics().lure
    assert lure is not None
    assert lure.n == 2  # the audit items


def test_advice_to_stop_comes_when_predictions_settle(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, retrain="batch")
    assert not session.statistics().advice.stop
    assert "too early" in session.statistics().advice.reason
    answer_all(session, toy, 8)
    advice = session.statistics().advice
    assert advice.agreement is not None
    assert advice.agreement > 0.95
    assert advice.stop
    assert "settled" in advice.reason


@pytest.mark.parametrize(
    ("options", "words"),
    [({"budget": 0}, "budget must"), ({"first_batch": 0}, "first_batch must"), ({"audit_share": 2}, "0 and 1, got 2")],
)
def test_empty_budgets_and_batches_are_refused(
    toy: Toy, make_session: SessionMaker, options: dict[str, int], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        make_session(toy, **options)


def test_cross_validation_is_requested_until_it_is_answered(toy: Toy) -> None:
    """The user keeps labelling while the trainer works, and a newer request replaces the one between two batches."""
    trainer = ManualTrainer(toy)
    session = LabellingSession(
        toy.pool, log=[], rounds=[], writer=NullWriter(), trainer=trainer, classes=toy.pool.classes,
        strategy="random", batch_size=10,
    )  # fmt: skip
    session.start()
    session.handle(trainer.run(trainer.requests[-1]))
    answer_all(session, toy, 1)
    assert session.batch is not None
    session.label(item_at(session, 0), toy.truth(session.batch.items[0].index))
    assert trainer.requests[-1].folds > 0
    session.handle(trainer.run(trainer.requests[-1]))
    assert session.statistics().lure is not None
    session.label(item_at(session, 1), toy.truth(session.batch.items[1].index))
    assert trainer.requests[-1].folds == 0  # once per batch is enough

"""The live figures: the curve with its band, classes, labels to the target, advice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.events import item_event
from tests.helpers.sessions import Clock, SessionMaker, answer_all, item_at
from tests.helpers.toy import Toy, make_toy
from tuilabel.datasets import ImagePool
from tuilabel.errors import UsageError
from tuilabel.estimate import (
    ClassFigure,
    Confusion,
    MeasuredAccuracy,
    StoppingAdvice,
    accuracy_text,
    advice_text,
    audit_confusion,
    class_figures,
    fit_learning_curve,
    most_confused,
    wilson_interval,
)
from tuilabel.labels import InlineWriter, LabelStore, NullWriter, Round
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import TrainerProgress, TrainRequest
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.session import LabellingSession, log_statistics
from tuilabel.session.accuracy_curve import audit_curve


def pool_without_test(toy: Toy) -> ImagePool:
    return ImagePool.from_arrays(toy.pool.images, toy.pool.classes, toy.pool.targets, name="toy")


def without_test(toy: Toy, **options: Any) -> LabellingSession:
    """A session over a pool that has no test split."""
    pool = pool_without_test(toy)
    runner = RoundRunner(MLPLearner(toy.latents))
    trainer = InlineTrainer(runner.run, QuestionHandler(runner).answer)
    arguments: dict[str, Any] = {"batch_size": 10, "audit_share": 0.3, **options}
    session = LabellingSession(
        pool, log=[], rounds=[], writer=NullWriter(), trainer=trainer, classes=pool.classes, **arguments
    )
    trainer.start(session.handle)
    session.start()
    return session


def test_the_curve_has_the_interval_of_the_test_split(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 3)
    point = session.statistics().curve[-1]
    assert point.labels == 30
    assert (point.low, point.high) == pytest.approx(wilson_interval(point.accuracy * 60, 60))
    again = make_session(toy)  # also of an earlier session
    assert all(p.low < p.accuracy <= p.high for p in again.statistics().curve)


def test_the_interval_is_from_the_number_of_measured_items(toy: Toy, tmp_path: Path) -> None:
    """20 test items give a wider interval than the pool's test split of 60, also after a restart and in `stats`."""
    store = LabelStore.open(tmp_path / "labels.db")

    def session() -> LabellingSession:
        runner = RoundRunner(MLPLearner(toy.latents), TestSet(toy.test.features[:20], toy.test.targets[:20]))
        trainer = InlineTrainer(runner.run)
        session = LabellingSession(
            toy.pool, log=store.events(), rounds=store.rounds(), class_changes=store.class_changes(),
            writer=InlineWriter(store), trainer=trainer, classes=toy.pool.classes, batch_size=10, retrain="batch",
        )  # fmt: skip
        trainer.start(session.handle)
        session.start()
        return session

    first = session()
    answer_all(first, toy, 3)
    statistics = first.statistics()
    assert statistics.accuracy is not None
    assert (statistics.accuracy.n, statistics.accuracy.source) == (20, "test")
    right = statistics.accuracy.value * 20
    assert statistics.accuracy.interval[1:] == pytest.approx(wilson_interval(right, 20))
    assert statistics.curve[-1][2:] == pytest.approx(wilson_interval(right, 20))
    assert session().statistics().curve == statistics.curve
    logged = log_statistics(
        store.events(), store.rounds(), store.class_changes(), classes=("a",), pool_size=120, test_size=60
    )
    assert logged.accuracy == statistics.accuracy
    store.close()


def test_rounds_of_older_versions_count_the_items_of_the_test_split() -> None:
    row = Round(2, datetime(2026, 1, 1, tzinfo=UTC), "margin", 20, 0.9, None, 0.1, ())
    old = log_statistics([], [row], [], classes=("a", "b"), pool_size=100, test_size=50)
    assert old.accuracy == MeasuredAccuracy.on_test(0.9, 50)
    unknown = log_statistics([], [row], [], classes=("a", "b"), pool_size=100)
    assert (unknown.test_accuracy, unknown.accuracy) == (0.9, None)


@pytest.mark.parametrize("tested", [True, False])
def test_the_log_and_the_session_give_the_same_figures(tested: bool, tmp_path: Path) -> None:
    toy = make_toy(300)
    rng = np.random.default_rng(0)
    toy.latents += rng.normal(size=toy.latents.shape).astype(np.float32) * 1.2
    store = LabelStore.open(tmp_path / "labels.db")
    pool = toy.pool if tested else pool_without_test(toy)
    runner = RoundRunner(MLPLearner(toy.latents), toy.test if tested else None)
    trainer = InlineTrainer(runner.run)
    session = LabellingSession(
        pool, log=[], rounds=[], writer=InlineWriter(store), trainer=trainer, classes=pool.classes, batch_size=10,
        audit_share=0.3, retrain="batch", clock=Clock(), annotator="ann",
    )  # fmt: skip
    trainer.start(session.handle)
    session.start()
    answer_all(session, toy, 5)
    assert session.batch is not None
    session.flag(item_at(session, 0))
    session.skip(item_at(session, 1))
    session.rename_class(1, "bee")
    shown = session.statistics()
    logged = log_statistics(
        store.events(), store.rounds(), store.class_changes(), classes=(), pool_size=300, test_size=60
    )
    store.close()
    assert logged.classes == session.classes == ("a", "bee", "c")
    assert (logged.labelled, logged.skipped, logged.flagged) == (shown.labelled, shown.skipped, shown.flagged)
    assert logged.flagged_only == shown.flagged_only
    assert logged.annotators == (("ann", 50),)
    assert (logged.class_counts, logged.audit, logged.curve) == (shown.class_counts, shown.audit, shown.curve)
    assert logged.accuracy == shown.accuracy
    assert logged.advice.gain == shown.advice.gain
    if not tested:  # mistakes on test items are those of a model, which the log lacks
        assert (logged.class_figures, logged.confusions) == (shown.class_figures, shown.confusions)
        assert logged.advice_text == shown.advice_text


def test_without_a_test_split_the_audit_items_make_the_curve(toy: Toy) -> None:
    session = without_test(toy)
    assert session.statistics().curve == ()
    answer_all(session, toy, 5)
    statistics = session.statistics()
    assert statistics.test_accuracy is None
    assert len(statistics.curve) >= 3
    assert [p.labels for p in statistics.curve] == sorted({p.labels for p in statistics.curve})
    assert statistics.audit is not None
    last = statistics.curve[-1]
    assert (last.accuracy, last.low, last.high) == (
        statistics.audit.value,
        statistics.audit.low,
        statistics.audit.high,
    )
    assert sum(figure.n for figure in statistics.class_figures) == 12
    assert [figure.count for figure in statistics.class_figures] == list(statistics.class_counts)
    assert statistics.accuracy is not None
    assert accuracy_text(statistics.accuracy) == f"{100 * last.low:.0f}–100 %, 12 checked"


def test_a_long_audit_curve_is_thinned_and_skips_do_not_count() -> None:
    audits = [item_event(i, audit=True, trained_on=10 + 5 * i, predicted="ab"[i % 7 == 0]) for i in range(300)]
    audits.append(item_event(301, audit=True, trained_on=3, predicted="a", kind="skip", class_name=None))
    points = audit_curve(audits)
    assert len(points) == 64
    assert (points[0].labels, points[-1].labels) == (10, 10 + 5 * 299)
    assert audit_curve([]) == ()


def test_the_first_models_histogram_stays(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, retrain="batch")
    assert session.statistics().start_histogram is None
    answer_all(session, toy, 1)
    first = session.statistics()
    assert first.start_histogram == first.histogram
    answer_all(session, toy, 3)
    later = session.statistics()
    assert later.start_histogram == first.start_histogram != later.histogram


def test_classes_are_evaluated_on_the_test_split(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 2)
    figures = session.statistics().class_figures
    assert [figure.n for figure in figures] == np.bincount(toy.test.targets).tolist()
    mean = sum((f.accuracy or 0) * f.n for f in figures) / 60
    assert mean == pytest.approx(session.statistics().test_accuracy)
    wrong = sum(confusion.n for confusion in session.statistics().confusions)
    assert wrong == round(60 * (1 - mean))


def test_class_figures_and_confusions_match_a_hand_calculation() -> None:
    audits = [
        *(item_event(i, class_name="a", predicted="b") for i in range(3)),
        item_event(3, class_name="b", predicted="b"),
        item_event(4, class_name="a", predicted="a"),
        item_event(5, class_name="b", predicted=None),
        item_event(6, class_name=None, kind="skip", predicted="a"),
    ]
    matrix = audit_confusion(audits, ("a", "b", "c"))
    assert matrix.tolist() == [[1, 3, 0], [0, 1, 0], [0, 0, 0]]
    assert class_figures((4, 2, 0), matrix) == (
        ClassFigure(4, 0.25, 4),
        ClassFigure(2, 1.0, 1),
        ClassFigure(0, None, 0),
    )
    assert most_confused(matrix) == (Confusion(0, 1, 3),)
    assert class_figures((1, 2), None) == (ClassFigure(1, None, 0), ClassFigure(2, None, 0))
    assert most_confused(None) == ()
    assert len(most_confused(np.arange(16).reshape(4, 4))) == 5


def test_the_labels_left_to_the_target_decrease_without_jumps() -> None:
    toy = make_toy(600)
    rng = np.random.default_rng(0)
    toy.latents += rng.normal(size=toy.latents.shape).astype(np.float32) * 1.2
    session = without_test(toy, target=0.9999, retrain="batch", clock=Clock())
    answer_all(session, toy, 3)
    assert session.statistics().target == 0.9999
    lefts = []
    for _ in range(15):
        batch = session.batch
        assert batch is not None
        before = session.statistics().labels_to_target
        for item in batch.items[:5]:
            session.label(item.index, toy.truth(item.index), 500)
        after = session.statistics()
        if before is not None:
            assert after.labels_to_target == max(0, before - 5)  # between two models only the answers count
            assert after.minutes_left == pytest.approx(after.labels_to_target / (after.per_minute or 1))
        lefts.append(after.labels_to_target)
        for item in batch.items[5:]:
            session.label(item.index, toy.truth(item.index), 500)
    assert without_test(toy).statistics().labels_to_target is None
    with pytest.raises(UsageError, match="target"):
        without_test(toy, target=95)


def test_a_curve_tells_how_many_labels_an_accuracy_takes() -> None:
    n = np.array([20, 40, 80, 160, 320])
    curve = fit_learning_curve(n, 1 - 0.8 * n**-0.5 - 0.01)
    assert curve is not None
    needed = curve.labels_for(0.96)
    assert needed is not None
    assert curve.predict(needed) >= 0.96 - 1e-6 > curve.predict(needed - 2)
    assert curve.labels_for(0.5) == 320  # reached already
    assert curve.labels_for(0.99) is None  # never
    assert curve.labels_for(0.985) is None  # too far ahead to tell
    flat = fit_learning_curve(n, np.full(5, 0.9))
    assert flat is not None
    assert flat.labels_for(0.9) == 320
    assert flat.labels_for(0.95) is None


@pytest.mark.parametrize(
    ("stop", "gain", "interval", "words"),
    [
        (False, 0.012, (0.001, 0.043), "the next 100 labels should bring +1 points (+0.1 to +4)"),
        (False, 0.003, (0.0, 0.009), "the next 100 labels should bring +0.3 points (0 to +0.9)"),
        (False, 0.0001, (0.0, 0.03), "the next 100 labels should bring 0 points (0 to +3)"),
        (False, None, None, "too early to say what more labels bring"),
        (
            True,
            0.0001,
            (0.0, 0.002),
            "the next 100 labels should bring next to nothing, at most +0.2 points; predictions have settled: you may "
            "stop",
        ),
    ],
)
def test_advice_is_one_line_with_the_interval_of_the_gain(
    stop: bool, gain: float | None, interval: tuple[float, float] | None, words: str
) -> None:
    assert advice_text(StoppingAdvice(stop, "", 1.0, gain, interval)) == words


def test_there_is_no_forecast_from_few_checked_images_nor_while_latents_change(
    toy: Toy, make_session: SessionMaker
) -> None:
    session = without_test(toy, audit_share=0.5)
    answer_all(session, toy, 6)
    statistics = session.statistics()
    assert statistics.audit is not None
    assert statistics.audit.n == 25
    assert statistics.advice_text == "too early for a forecast: 25 of 30 images checked"
    assert (statistics.advice.stop, statistics.advice.gain, statistics.labels_to_target) == (False, None, None)
    answer_all(session, toy, 2)
    assert "the next 100 labels should bring" in session.statistics().advice_text
    for stage in ("encode", "compare"):
        session.handle(TrainerProgress(stage, background=True))
        changing = session.statistics()
        assert changing.advice_text == "no forecast while images are being read or represented better"
        assert not changing.advice.stop
    session.handle(TrainerProgress("idle", background=True))
    assert "the next 100 labels should bring" in session.statistics().advice_text


def test_classes_can_be_added_and_renamed_with_audit_items_only(toy: Toy) -> None:
    session = without_test(toy, audit_share=0.5)
    for _ in range(40):
        batch = session.batch
        assert batch is not None
        index = next(item.index for item in batch.items if session.answer_at(item.index) is None)
        session.label(index, toy.truth(index))
    measured = [figure.n for figure in session.statistics().class_figures]
    assert sum(measured) > 5
    session.add_class("new")
    assert [figure.n for figure in session.statistics().class_figures] == [*measured, 0], "at once"
    session.rename_class(0, "first")
    assert [figure.n for figure in session.statistics().class_figures] == [*measured, 0]
    batch = session.batch
    assert batch is not None
    for item in batch.items:
        if session.answer_at(item.index) is None:
            session.label(item.index, toy.truth(item.index))
    later = [figure.n for figure in session.statistics().class_figures]
    assert sum(later) > sum(measured), "audit items count under the new name too"
    assert all(now >= before for now, before in zip(later, measured, strict=False))


class SlowTrainer(InlineTrainer):
    """Keeps requests until the test has it answer one."""

    def __init__(self, runner: RoundRunner) -> None:
        super().__init__(runner.run, QuestionHandler(runner).answer)
        self.requests: list[TrainRequest] = []

    def submit(self, request: TrainRequest) -> None:
        self.requests.append(request)

    def answer_one(self, k: int = -1) -> None:
        super().submit(self.requests[k])


def test_a_result_from_before_a_class_was_added_is_accepted(toy: Toy, make_session: SessionMaker) -> None:
    trainer = SlowTrainer(toy.runner())
    session = make_session(toy, trainer=trainer)
    trainer.answer_one()
    batch = session.batch
    assert batch is not None
    for item in batch.items:
        session.label(item.index, toy.truth(item.index))
    trainer.answer_one()
    session.undo()
    session.add_class("new")
    trainer.answer_one(-2)  # it was on its way when the class was added
    figures = session.statistics().class_figures
    assert len(figures) == 4
    assert figures[3].n == 0
    assert sum(figure.n for figure in figures) == 60

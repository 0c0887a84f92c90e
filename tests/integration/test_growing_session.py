"""A session whose pool grows and whose latents change loses no label and queries no item twice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.sessions import SessionMaker
from tests.helpers.toy import Toy, make_toy
from tuilabel.datasets import ImagePool
from tuilabel.datasets.pool import PoolContent
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import Failure, PoolChanged
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.session import LabellingSession


def first_items(pool: ImagePool, n: int) -> PoolContent:
    return PoolContent.of(pool.images[:n], pool.ids[:n], None, None)


class GrowingPool(ImagePool):
    """The first `n` items of a toy's pool; `refresh` adds more after `n` has grown."""

    def __init__(self, toy: Toy, n: int) -> None:
        whole = toy.pool
        super().__init__("toy", whole.classes, first_items(whole, n))
        self._whole = whole
        self.n = n
        self.lost: list[int] = []

    def refresh(self) -> int:
        new = self.n - len(self)
        self._content = first_items(self._whole, self.n)
        return new

    @property
    def gone(self) -> NDArray[np.int64]:
        return np.array(self.lost, dtype=np.int64)


class GrowingSession:
    """A session over a growing pool, with the inline trainer."""

    def __init__(self, make_session: SessionMaker, n: int = 60, **options: object) -> None:
        self.toy = make_toy()
        self.pool = GrowingPool(self.toy, n)
        self.runner = RoundRunner(MLPLearner(self.toy.latents[:n]))
        trainer = InlineTrainer(self.runner.run, QuestionHandler(self.runner).answer)
        whole, self.toy.pool = self.toy.pool, self.pool
        self.session: LabellingSession = make_session(self.toy, trainer=trainer, **options)
        self.toy.pool = whole

    def grow(self, n: int) -> None:
        self.pool.n = n
        self.runner.replace_learner(MLPLearner(self.toy.latents[:n] + 1), None)
        self.session.handle(PoolChanged(n, "vae"))

    def answer(self, n: int) -> list[int]:
        """Answer the next `n` items with the truth; returns their indices."""
        answered = []
        for _ in range(n):
            batch = self.session.batch
            assert batch is not None
            index = next(item.index for item in batch.items if self.session.answer_at(item.index) is None)
            self.session.label(index, self.toy.truth(index))
            answered.append(index)
        return answered


def test_growing_changes_no_answer(make_session: SessionMaker) -> None:
    growing = GrowingSession(make_session)
    answered = growing.answer(25)
    batch, before = growing.session.batch, growing.session.statistics()
    growing.grow(120)
    after = growing.session.statistics()
    assert growing.session.batch is batch, "the current batch stays"
    assert (before.pool_size, after.pool_size) == (60, 120)
    assert after.labelled == 25
    assert after.class_counts == before.class_counts
    assert after.trainer.encoder == "vae"
    indices, classes = growing.session.labels()
    assert sorted(indices) == sorted(answered)
    assert [growing.toy.truth(int(i)) for i in indices] == classes.tolist()
    more = growing.answer(60)
    assert not set(more) & set(answered)
    assert any(index >= 60 for index in more), "new items are queried"


def test_undo_reaches_back_across_growth(make_session: SessionMaker) -> None:
    growing = GrowingSession(make_session)
    growing.answer(12)
    growing.grow(90)
    for _ in range(12):
        growing.session.undo()
    assert growing.session.statistics().labelled == 0


def test_an_empty_batch_fills_when_images_arrive(make_session: SessionMaker) -> None:
    growing = GrowingSession(make_session, n=20)
    growing.answer(20)
    assert growing.session.finished
    assert growing.session.batch is None
    growing.grow(50)
    assert not growing.session.finished
    assert growing.session.batch is not None
    growing.answer(30)
    assert growing.session.finished


def test_items_with_missing_files_are_not_queried_and_keep_their_labels(make_session: SessionMaker) -> None:
    growing = GrowingSession(make_session, n=40)
    kept = growing.answer(3)
    growing.pool.lost = [kept[0], *[i for i in range(10) if i not in kept]]
    batch = growing.session.batch
    assert batch is not None
    shown = {item.index for item in batch.items}
    growing.grow(60)
    queried: set[int] = set()
    while not growing.session.finished:
        queried |= set(growing.answer(1))
    assert not (queried - shown) & set(growing.pool.lost)
    assert growing.session.answer_at(kept[0]) is not None


def test_results_of_the_old_latents_do_not_count(make_session: SessionMaker) -> None:
    growing = GrowingSession(make_session)
    growing.answer(12)
    old = growing.session.result
    assert old is not None
    growing.grow(120)
    newest = growing.session.result
    assert newest is not None
    assert newest.serial > old.serial
    growing.session.handle(old)
    assert growing.session.result is newest


def test_a_second_session_knows_the_answers_of_the_first(make_session: SessionMaker) -> None:
    first = GrowingSession(make_session)
    answered = first.answer(10)
    first.grow(100)
    answered += first.answer(15)
    second = GrowingSession(make_session, n=100)
    assert sorted(second.session.labels()[0]) == sorted(answered)


@pytest.mark.parametrize("n", [61, 119])
def test_the_pool_can_grow_by_any_number(make_session: SessionMaker, n: int) -> None:
    growing = GrowingSession(make_session)
    growing.answer(11)
    growing.grow(n)
    growing.answer(n - 11)
    assert growing.session.finished


def test_background_failures_do_not_stop_the_trainer(make_session: SessionMaker) -> None:
    growing = GrowingSession(make_session)
    growing.answer(12)
    before = growing.session.statistics().trainer.doing
    growing.session.handle(Failure("the VAE cannot be trained", fatal=False, background=True))
    assert growing.session.statistics().trainer.doing == before
    assert growing.session.trainer_failure == "the VAE cannot be trained"
    growing.answer(1)
    assert growing.session.trainer_failure is None, "shown until the next model"

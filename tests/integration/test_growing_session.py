"""A sitting whose pool grows and whose latents are replaced: nothing is lost, nothing is asked twice."""

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
    """The first items of a toy's pool, until it is told that there are more."""

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


class Sitting:
    """A session over such a pool, with the inline trainer."""

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


def test_growing_changes_nothing_that_was_said(make_session: SessionMaker) -> None:
    sitting = Sitting(make_session)
    answered = sitting.answer(25)
    batch, before = sitting.session.batch, sitting.session.statistics()
    sitting.grow(120)
    after = sitting.session.statistics()
    assert sitting.session.batch is batch, "what is on the screen stays"
    assert (before.pool_size, after.pool_size) == (60, 120)
    assert after.labelled == 25
    assert after.class_counts == before.class_counts
    assert after.trainer.encoder == "vae"
    indices, classes = sitting.session.labels()
    assert sorted(indices) == sorted(answered)
    assert [sitting.toy.truth(int(i)) for i in indices] == classes.tolist()
    more = sitting.answer(60)
    assert not set(more) & set(answered)
    assert any(index >= 60 for index in more), "new items are asked"


def test_undo_reaches_over_the_growth(make_session: SessionMaker) -> None:
    sitting = Sitting(make_session)
    sitting.answer(12)
    sitting.grow(90)
    for _ in range(12):
        sitting.session.undo()
    assert sitting.session.statistics().labelled == 0


def test_an_empty_screen_fills_when_there_is_more(make_session: SessionMaker) -> None:
    sitting = Sitting(make_session, n=20)
    sitting.answer(20)
    assert sitting.session.finished
    assert sitting.session.batch is None
    sitting.grow(50)
    assert not sitting.session.finished
    assert sitting.session.batch is not None
    sitting.answer(30)
    assert sitting.session.finished


def test_items_whose_files_are_gone_are_not_asked_and_keep_their_labels(make_session: SessionMaker) -> None:
    sitting = Sitting(make_session, n=40)
    kept = sitting.answer(3)
    sitting.pool.lost = [kept[0], *[i for i in range(10) if i not in kept]]
    batch = sitting.session.batch
    assert batch is not None
    shown = {item.index for item in batch.items}
    sitting.grow(60)
    asked: set[int] = set()
    while not sitting.session.finished:
        asked |= set(sitting.answer(1))
    assert not (asked - shown) & set(sitting.pool.lost)
    assert sitting.session.answer_at(kept[0]) is not None


def test_results_of_the_old_latents_do_not_count(make_session: SessionMaker) -> None:
    sitting = Sitting(make_session)
    sitting.answer(12)
    old = sitting.session.result
    assert old is not None
    sitting.grow(120)
    newest = sitting.session.result
    assert newest is not None
    assert newest.serial > old.serial
    sitting.session.handle(old)
    assert sitting.session.result is newest


def test_a_second_sitting_knows_what_the_first_said(make_session: SessionMaker) -> None:
    first = Sitting(make_session)
    answered = first.answer(10)
    first.grow(100)
    answered += first.answer(15)
    second = Sitting(make_session, n=100)
    assert sorted(second.session.labels()[0]) == sorted(answered)


@pytest.mark.parametrize("n", [61, 119])
def test_any_growth_is_taken(make_session: SessionMaker, n: int) -> None:
    sitting = Sitting(make_session)
    sitting.answer(11)
    sitting.grow(n)
    sitting.answer(n - 11)
    assert sitting.session.finished


def test_what_goes_wrong_behind_the_trainer_leaves_it_as_it_was(make_session: SessionMaker) -> None:
    sitting = Sitting(make_session)
    sitting.answer(12)
    before = sitting.session.statistics().trainer.doing
    sitting.session.handle(Failure("the VAE cannot be trained", fatal=False, background=True))
    assert sitting.session.statistics().trainer.doing == before
    assert sitting.session.trainer_failure == "the VAE cannot be trained"
    sitting.answer(1)
    assert sitting.session.trainer_failure is None, "told until the next model"

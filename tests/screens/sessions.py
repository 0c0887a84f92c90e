"""Sessions to take pictures of: on MNIST, and on photographs of groceries."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders.registry import choose_encoder
from tuilabel.encoders.vae.decode import LatentDecoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.labels import NullWriter
from tuilabel.learner.open import open_learner, open_test_set
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.session import LabellingSession

LABELS = 60
WRONG = (31, 47)  # labels that are wrong, so that there is something to review
PHOTOGRAPHS = "grocery.tar.gz"
"""In `$TUILABEL_DATA`: of Klasson et al., A Hierarchical Grocery Store Image Dataset, WACV 2019; MIT."""


def digits() -> LabellingSession:
    """A session on MNIST with 60 labels, some of them wrong, and a note."""
    pool = open_pool("mnist")
    checkpoint = find_checkpoint("mnist")
    learner, features = open_learner("latent", pool, choose_encoder("vae", pool, checkpoint=checkpoint))
    runner = RoundRunner(learner, open_test_set(pool, features))
    targets = pool.targets
    assert targets is not None
    trainer = InlineTrainer(runner.run, QuestionHandler(runner, LatentDecoder(checkpoint)).answer)
    session = _session(pool, trainer, pool.classes, lambda index: int(targets[index]), target=0.995)
    session.note(session.history()[0].index, "could be a 4 as well")
    return session


def photographs(archive: Path) -> LabellingSession:
    """A session on photographs in an archive, by class in folders, with 60 labels, some of them wrong, and a note."""
    pool = open_pool(str(archive))
    of_item = [PurePosixPath(pool.files.names(index)[0]).parent.name for index in range(len(pool))]
    classes = tuple(sorted(set(of_item)))
    learner, _ = open_learner("latent", pool, choose_encoder("efficientnet_lite2", pool))
    runner = RoundRunner(learner)
    trainer = InlineTrainer(runner.run, QuestionHandler(runner).answer)
    session = _session(pool, trainer, classes, lambda index: classes.index(of_item[index]))
    session.note(session.history()[0].index, "two kinds in one picture")
    return session


def photographs_at() -> Path | None:
    """The archive of photographs, if there is one."""
    archive = Path(os.environ.get("TUILABEL_DATA", "")) / PHOTOGRAPHS
    return archive if archive.is_file() else None


def _session(
    pool: ImagePool,
    trainer: InlineTrainer,
    classes: tuple[str, ...],
    truth: Callable[[int], int],
    target: float | None = None,
) -> LabellingSession:
    session = LabellingSession(
        pool,
        log=[],
        rounds=[],
        writer=NullWriter(),
        trainer=trainer,
        classes=classes,
        retrain="batch",
        annotator="ada",
        target=target,
    )
    trainer.start(session.handle)
    session.start()
    for n in range(LABELS):
        assert session.batch is not None
        index = next(item.index for item in session.batch.items if session.answer_at(item.index) is None)
        session.label(index, (truth(index) + (n in WRONG)) % len(classes), 900)
    return session

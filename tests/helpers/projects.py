"""Projects on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.helpers.folders import COLOURS, colour_folder
from tests.helpers.sessions import Clock
from tests.helpers.tiny import Tiny
from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.labels import InlineWriter, LabelStore, Project
from tuilabel.learner import open as opening
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.project.open_session import open_session
from tuilabel.project.options import ModelOptions, SessionOptions
from tuilabel.session import LabellingSession


def open_project(
    directory: Path, dataset: str = "mnist", named: tuple[str, ...] | None = None, store: str | None = None
) -> Project:
    return Project.open(directory, dataset, "f" * 32, ("a", "b"), named, store=store)


def label_tiny(tiny: Tiny, directory: Path, *, budget: int = 100, with_test: bool = True) -> ModelOptions:
    """Label the tiny dataset in a new project, one label in 25 wrong."""
    pool = open_pool("fashion-mnist", tiny.data_dir)
    learner, features = opening.open_learner("mlp", pool, VAEEncoder(tiny.checkpoint), device="cpu")
    with Project.open(directory, pool.name, pool.fingerprint, pool.classes, None) as project:
        store = LabelStore.open(project.store)
        test = opening.open_test_set(pool, features) if with_test else None
        trainer = InlineTrainer(RoundRunner(learner, test).run)
        session = LabellingSession(
            pool, log=[], rounds=[], writer=InlineWriter(store), trainer=trainer, classes=pool.classes,
            strategy="margin", annotator="ann", retrain="batch", budget=budget, audit_share=0.3, clock=Clock(),
        )  # fmt: skip
        trainer.start(session.handle)
        session.start()
        assert pool.targets is not None
        while (batch := session.batch) is not None:
            for item in batch.items:
                session.label(item.index, int(pool.targets[item.index] + (item.index % 25 == 0)) % 10)
        store.close()
    return ModelOptions("fashion-mnist", directory, tiny.data_dir, tiny.checkpoint, "cpu", "mlp")


def colour_project(root: Path, encoder: str, size: Callable[[int], tuple[int, int]] | None = None) -> ModelOptions:
    """A project of 24 small pictures of three colours, 9 of them labelled."""
    folder = colour_folder(root / "shots", each=8, size=size or (lambda k: (24 + k % 3, 20)))
    options = SessionOptions(
        str(folder), root / "p.tuilabel", device="cpu", classes=tuple(COLOURS), batch_size=9, annotator="ada",
        encoder=encoder, strategy="random",
    )  # fmt: skip
    with open_session(options) as session:
        assert session.batch is not None
        for item in session.batch.items:
            session.label(item.index, list(COLOURS).index(session.pool.files.last_name(item.index).split("/")[0]))
    return ModelOptions(str(folder), root / "p.tuilabel", device="cpu")

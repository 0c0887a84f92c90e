"""What the tests share: a cache of their own, a toy pool without files, and a tiny dataset on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

# One thread: torch's wait for each other by spinning, and beside other work a test of seconds takes minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.helpers.toys import write_idx
from tuilabel.datasets import ImagePool, ImageSplit
from tuilabel.datasets.pool import content_ids, fingerprint_of
from tuilabel.labels import InlineWriter, LabelStore
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.protocol import InlineTrainer
from tuilabel.learner.trainer.questions import QuestionHandler
from tuilabel.learner.trainer.round import RoundRunner, TestSet
from tuilabel.session import LabellingSession


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the whole run, away from the user's."""
    before = {name: os.environ.pop(name, None) for name in ("TUILABEL_CACHE", "TUILABEL_DATA")}
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TUILABEL_CACHE"] = str(folder)
    yield folder
    del os.environ["TUILABEL_CACHE"]
    os.environ.update({name: value for name, value in before.items() if value is not None})


@dataclass
class Toy:
    """A pool of three well separated classes, with latents that say so."""

    pool: ImagePool
    latents: np.ndarray
    test: TestSet

    def runner(self) -> RoundRunner:
        return RoundRunner(MLPLearner(self.latents), self.test)

    def truth(self, index: int) -> int:
        assert self.pool.targets is not None
        return int(self.pool.targets[index])


def make_toy(n: int = 120, classes: Sequence[str] = ("a", "b", "c"), seed: int = 0) -> Toy:
    rng = np.random.default_rng(seed)
    targets = rng.integers(len(classes), size=n + 60).astype(np.int64)
    images = rng.integers(0, 60, size=(n + 60, 16, 16, 1), dtype=np.uint8)
    images[np.arange(n + 60), 4 * targets % 16, :, 0] = 250  # a bright row says the class
    latents = (3 * np.eye(len(classes), 8)[targets] + rng.normal(size=(n + 60, 8)) * 0.5).astype(np.float32)
    ids = content_ids(images[:n])
    split = ImageSplit(images[n:], targets[n:])
    pool = ImagePool("toy", images[:n], ids, targets[:n], tuple(classes), split, fingerprint_of(ids, None))
    return Toy(pool, latents[:n], TestSet(latents[n:], targets[n:]))


@pytest.fixture
def toy() -> Toy:
    return make_toy()


class Clock:
    """Two seconds pass between any two looks at it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=2)
        return self.now


SessionMaker = Callable[..., LabellingSession]


@pytest.fixture
def make_session(tmp_path: Path) -> Iterator[SessionMaker]:
    """Sessions over a store in the test's folder, with the inline trainer; made again they resume."""
    stores: list[LabelStore] = []

    def make(toy: Toy, **options: object) -> LabellingSession:
        store = LabelStore.open(tmp_path / "labels.db")
        stores.append(store)
        runner = toy.runner()
        trainer = options.pop("trainer", None) or InlineTrainer(runner.run, QuestionHandler(runner).answer)
        assert isinstance(trainer, InlineTrainer)
        arguments: dict[str, object] = {
            "events": store.events(),
            "rounds": store.rounds(),
            "class_changes": store.class_changes(),
            "writer": InlineWriter(store),
            "trainer": trainer,
            "classes": toy.pool.classes,
            "batch_size": 10,
            "annotator": "ann",
            "clock": Clock(),
            **options,
        }
        session = LabellingSession(toy.pool, **arguments)  # type: ignore[arg-type]
        trainer.start(session.handle)
        session.start()
        return session

    yield make
    for store in stores:
        store.close()


@dataclass(frozen=True)
class Tiny:
    """A dataset on disk in the place of Fashion-MNIST: 300 images, 60 for tests, and a VAE trained on them."""

    data_dir: Path
    checkpoint: Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Tiny:
    from tuilabel.datasets import open_pool
    from tuilabel.encoders.vae.settings import TrainSettings
    from tuilabel.encoders.vae.training import train_vae

    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(1)
    for split, n in (("train", 300), ("t10k", 60)):
        targets = rng.integers(10, size=n, dtype=np.uint8)
        images = rng.integers(0, 40, size=(n, 28, 28), dtype=np.uint8)
        for image, target in zip(images, targets, strict=True):
            image[2 + 2 * target : 5 + 2 * target, 3:25] = 230
        write_idx(root / f"FashionMNIST/raw/{split}-images-idx3-ubyte", images)
        write_idx(root / f"FashionMNIST/raw/{split}-labels-idx1-ubyte", targets)
    pool = open_pool("fashion-mnist", root)
    checkpoint = tmp_path_factory.mktemp("vae") / "tiny.safetensors"
    settings = TrainSettings(latent_dim=6, epochs=2, batch_size=50)
    train_vae(pool.images, settings, checkpoint, dataset=pool.name, fingerprint=pool.fingerprint)
    return Tiny(root, checkpoint)

"""A pool of three well separated classes, without files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuilabel.datasets import ImagePool, ImageSplit
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.round import RoundRunner


@dataclass
class Toy:
    """A pool of three well separated classes, and latents that separate them."""

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
    images[np.arange(n + 60), 4 * targets % 16, :, 0] = 250  # a bright row gives the class
    latents = (3 * np.eye(len(classes), 8)[targets] + rng.normal(size=(n + 60, 8)) * 0.5).astype(np.float32)
    split = ImageSplit(images[n:], targets[n:])
    pool = ImagePool.from_arrays(images[:n], classes, targets[:n], test=split, name="toy")
    return Toy(pool, latents[:n], TestSet(latents[n:], targets[n:]))

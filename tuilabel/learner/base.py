"""What a learner is: labels in, a model out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError, unknown_name
from tuilabel.strategies.base import Model

LEARNERS = {
    "latent": "MLP ensemble on the latents, taught by label propagation as well while that helps, calibrated",
    "mlp": "MLP ensemble on the latents and nothing else (Tonnaer 2017)",
    "cnn": "convolutional network on the pixels, without a VAE: what the others are compared with",
}
DEFAULT_LEARNER = "latent"


@dataclass(frozen=True)
class LabelSet:
    """The labelled items of a pool.

    Attributes
    ----------
    indices : int64 (m,), pool indices, unique.
    labels : int64 (m,), their classes in 0…n_classes-1.
    audit : bool (m,), whether an item was drawn uniformly at random and not chosen: what holds on these holds on the
        pool.
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    n_classes: int
    audit: NDArray[np.bool_]

    def subset(self, kept: NDArray[np.bool_]) -> LabelSet:
        """The items where `kept`, bool (m,), is true."""
        return LabelSet(self.indices[kept], self.labels[kept], self.n_classes, self.audit[kept])


class Learner(Protocol):
    """Makes a model of labels. The same labels and seed make the same model."""

    @property
    def features(self) -> NDArray[np.float32]:
        """What its models and the strategies look at: float32 (N, D), a row for each item of the pool."""

    def prepare(self) -> None:
        """Load and compute what the first `fit` would have to wait for."""

    def fit(self, known: LabelSet, seed: int) -> Model:
        """A model trained on labels of at least two classes."""


def finite(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """The latents (N, D) as they are; raises `TuilabelError` where one is no number: no distance to it is one."""
    bad = np.flatnonzero(~np.isfinite(latents).all(axis=1))
    if len(bad):
        raise TuilabelError(
            f"the latents of {len(bad):,} items are no numbers, first of item {bad[0]}: encode them anew"
        )
    return latents


def check_learner(name: str) -> None:
    """Raise `UsageError` where there is no learner called `name`."""
    if name not in LEARNERS:
        raise unknown_name("learner", name, LEARNERS)


def needs_encoder(name: str) -> bool:
    """Whether the learner works on latents."""
    return name != "cnn"

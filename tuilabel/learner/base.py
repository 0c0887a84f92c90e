"""The interface of learners: labels in, a trained model out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError, unknown_name
from tuilabel.strategies.base import Model

LEARNERS = {
    "latent": "MLP ensemble on the latents, also taught by label propagation while that helps; calibrated",
    "mlp": "MLP ensemble on the latents alone (Tonnaer 2017)",
    "cnn": "convolutional network on the pixels, without an encoder; a baseline",
}
DEFAULT_LEARNER = "latent"
CHUNK = 65_536  # rows checked at once


@dataclass(frozen=True)
class LabelSet:
    """The labelled items of a pool.

    Attributes
    ----------
    indices : int64 (m,), pool indices, unique.
    labels : int64 (m,), their classes in 0…n_classes-1.
    audit : bool (m,), whether an item was drawn uniformly at random rather than picked by a strategy. Audit items
        are representative of the pool.
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    n_classes: int
    audit: NDArray[np.bool_]

    def subset(self, mask: NDArray[np.bool_]) -> LabelSet:
        """The items where `mask`, bool (m,), is true."""
        return LabelSet(self.indices[mask], self.labels[mask], self.n_classes, self.audit[mask])


class Learner(Protocol):
    """Trains models on labels. The same labels and seed give the same model."""

    @property
    def features(self) -> NDArray[np.float32]:
        """The input of its models: float32 (N, F), or float16 of many items, one row per item of the pool."""

    @property
    def compact(self) -> NDArray[np.float32]:
        """Where distances compare items, for strategies: float32 (N, D); the features or some of their columns."""

    def prepare(self) -> None:
        """Load and compute ahead of time what the first `fit` needs."""

    def fit(self, labelled: LabelSet, seed: int) -> Model:
        """Train a model on labels of at least two classes."""


def check_finite(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the latents (N, D) unchanged; raises `TuilabelError` if one is NaN or infinite."""
    bad = [
        start + np.flatnonzero(~np.isfinite(latents[start : start + CHUNK]).all(axis=1))
        for start in range(0, len(latents), CHUNK)
    ]
    found = sum(map(len, bad))
    if found:
        first = next(rows[0] for rows in bad if len(rows))
        raise TuilabelError(
            f"latents must be finite, got NaN or infinity for {found:,} items, first item {first}: re-encode them"
        )
    return latents


def check_labelled(X: NDArray[np.float32], y: NDArray[np.int64], n_classes: int) -> None:
    """Check latents X (n, D) and their classes y (n,), to which a model is fitted.

    Raises
    ------
    ValueError : if shapes do not match, a class is out of range or a latent is not finite.
    """
    if X.ndim != 2 or len(X) != len(y) or not len(y):
        raise ValueError(f"X and y must have shapes (n, D) and (n,) with n ≥ 1, got {X.shape} and {y.shape}")
    if y.min() < 0 or y.max() >= n_classes or not np.isfinite(X).all():
        raise ValueError(f"y must be in 0…{n_classes - 1} and X finite, got classes {y.min()}…{y.max()}")


def check_learner(name: str) -> None:
    """Raise `UsageError` if there is no learner called `name`."""
    if name not in LEARNERS:
        raise unknown_name("learner", name, LEARNERS)


def needs_encoder(name: str) -> bool:
    """Whether the learner called `name` works on latents."""
    return name != "cnn"

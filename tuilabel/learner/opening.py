"""From a dataset and a checkpoint to a learner and the test set that judges its models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tuilabel.datasets import ImagePool
from tuilabel.learner.base import Learner, check_learner
from tuilabel.learner.round import TestSet
from tuilabel.vae.latents import Latents, encode_pool


def open_learner(
    name: str,
    pool: ImagePool,
    checkpoint: Path | None,
    *,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Learner, np.ndarray | None]:
    """The learner called `name` on `pool`, and the features of the test split, float32 (M, D), where there is one.

    Parameters
    ----------
    checkpoint : the VAE; None for a learner that needs none (`needs_checkpoint`).
    on_progress : of encoding, called with (images done, images in all).

    Raises
    ------
    UsageError : where there is no such learner or no such device.
    TuilabelError : as `encode_pool`.
    """
    check_learner(name)
    if name == "cnn":
        from tuilabel.learner.cnn import CNNLearner, pixel_rows

        return CNNLearner(pool.images), None if pool.test is None else pixel_rows(pool.test.images)
    if checkpoint is None:
        raise ValueError(f"the learner {name} needs a checkpoint")
    latents = encode_pool(pool, checkpoint, device, on_progress)
    return _on_latents(name, latents), latents.test


def test_set(pool: ImagePool, features: np.ndarray | None) -> TestSet | None:
    """The test split, where there is one; a request says what the dataset's classes are called in its project."""
    return None if pool.test is None or features is None else TestSet(features, pool.test.targets)


def _on_latents(name: str, latents: Latents) -> Learner:
    from tuilabel.learner.latent import LatentLearner, MLPLearner

    if name == "mlp":
        return MLPLearner(latents.pool)
    return LatentLearner(latents.pool, latents.path.with_suffix(".graph.npz"))

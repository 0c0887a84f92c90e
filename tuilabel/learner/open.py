"""Open a learner for a pool and an encoder, and the test set that evaluates its models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tuilabel.datasets import ImagePool
from tuilabel.encoders import Encoder, Latents
from tuilabel.encoders.held_out import encode_pool
from tuilabel.learner.base import Learner, check_learner, needs_encoder
from tuilabel.learner.evaluation import TestSet


def open_learner(
    name: str,
    pool: ImagePool,
    encoder: Encoder | None,
    *,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Learner, np.ndarray | None]:
    """The learner called `name` on `pool`, and the features of the test split, float32 (M, D), if the pool has one.

    Parameters
    ----------
    encoder : computes the latents; None for a learner that needs none (see `needs_encoder`).
    on_progress : called while encoding with (images done, images in total).

    Raises
    ------
    UsageError : if the learner is unknown or the device is not available.
    TuilabelError : see `Encoder.encode`.
    ValueError : if the learner needs an encoder and `encoder` is None.
    """
    check_learner(name)
    if not needs_encoder(name):
        return learner_for(name, pool, None)
    if encoder is None:
        raise ValueError(f"the learner {name!r} needs an encoder, got None")
    return learner_for(name, pool, encode_pool(encoder, pool, device, on_progress))


def learner_for(name: str, pool: ImagePool, latents: Latents | None) -> tuple[Learner, np.ndarray | None]:
    """Like `open_learner`, from latents computed before; None for a learner that needs none."""
    if latents is None:
        from tuilabel.learner.cnn import CNNLearner, pixel_rows

        return CNNLearner(pool.images), None if pool.test is None else pixel_rows(pool.test.images)
    from tuilabel.learner.latent import MLPLearner
    from tuilabel.learner.wide import latent_learner

    if name == "mlp":
        return MLPLearner(latents.pool, latents.compact), latents.test
    graph = None if latents.path is None else latents.path.with_suffix(".graph.npz")
    return latent_learner(latents.pool, latents.compact, graph), latents.test


def open_test_set(pool: ImagePool, features: np.ndarray | None) -> TestSet | None:
    """The test split of the pool with its features, (M, D); None if there is no test split.

    Its targets are the classes of the dataset; `TestSet.with_classes` maps them to those of a project.
    """
    return None if pool.test is None or features is None else TestSet(features, pool.test.targets)

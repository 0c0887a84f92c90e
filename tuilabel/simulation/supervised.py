"""The accuracy of the MLP with many random labels, up to all: where every learning curve ends."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.evaluation import TestSet
from tuilabel.simulation.run import Point, Run

COUNTS = (100, 1000, 10_000)
LONG, FROM = 4000, 5000  # steps (instead of at most 400), from so many labels on


def counts_for(pool_size: int) -> list[int]:
    """The numbers of labels: round numbers, and all."""
    return [n for n in COUNTS if n < pool_size] + [pool_size]


def supervised_run(
    latents: NDArray[np.float32], targets: NDArray[np.int64], n_classes: int, test: TestSet, seed: int
) -> Run:
    """Train the MLP ensemble from scratch at each number of labels; each set of labels includes the previous one.

    Like simulations it computes in one thread.

    Parameters
    ----------
    latents, targets : of the whole pool, (N, D) and (N,).
    """
    import torch

    from tuilabel.learner.mlp import MLPEnsemble

    order = np.random.default_rng(seed).permutation(len(targets))
    threads, points = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for n in counts_for(len(targets)):
            chosen = np.sort(order[:n])
            begin = time.perf_counter()
            model = MLPEnsemble(n_classes, seed=seed, steps=LONG if n >= FROM else None)
            model.fit(latents[chosen], targets[chosen])
            seconds = time.perf_counter() - begin
            metrics = test.evaluate(model)
            points.append(
                Point(
                    n_labels=n,
                    accuracy=metrics.accuracy,
                    balanced_accuracy=metrics.balanced_accuracy,
                    calibration_error=metrics.calibration_error,
                    fit_seconds=seconds,
                    query_seconds=0.0,
                    audit=None,
                    lure=None,
                    confidence=None,
                    agreement=None,
                )
            )
    finally:
        torch.set_num_threads(threads)
    return Run("random", "mlp", seed, tuple(points))

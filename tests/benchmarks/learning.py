"""How long rounds of learning take."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import Latents
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.strategies import strategy_names

Rows = Iterator[tuple[str, str, str]]
NONE = np.array([], dtype=np.int64)


def mnist() -> tuple[ImagePool, Latents, RoundRunner]:
    pool = open_pool("mnist")
    latents = VAEEncoder(find_checkpoint("mnist")).encode(pool)
    assert pool.test is not None
    assert latents.test is not None
    return pool, latents, RoundRunner(MLPLearner(latents.pool), TestSet(latents.test, np.array(pool.test.targets)))


def seconds_of(runner: RoundRunner, labels: np.ndarray, repeats: int) -> float:
    """The median over `repeats` rounds with 500 labels, after three to warm up."""
    indices = np.sort(np.random.default_rng(0).choice(len(labels), 500, replace=False))
    request = TrainRequest(1, indices, labels[indices], 10, indices < 0, NONE, NONE, "margin", 20, 2, 0)
    seconds = []
    for _ in range(3 + repeats):
        begin = time.perf_counter()
        runner.run(request)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[3:])


def round_of_mnist(folder: Path) -> Rows:
    pool, latents, runner = mnist()
    assert pool.targets is not None
    plain = seconds_of(RoundRunner(MLPLearner(latents.pool)), np.array(pool.targets), 25)
    yield "retrain on 500 labels, score 60,000, pick 20", f"{1000 * plain:.0f} ms", "80 ms"
    tested = seconds_of(runner, np.array(pool.targets), 25)
    yield "… and measure on 10,000 test items", f"{1000 * tested:.0f} ms", ""


def round_of_a_million(folder: Path) -> Rows:
    """In its own process, to measure memory."""
    path = folder / "million.npy"
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(10, 32)).astype(np.float32)
    np.save(path, centres[np.arange(1_000_000) % 10] + rng.normal(size=(1_000_000, 32)).astype(np.float32))
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.learning", str(path)], capture_output=True, text=True, check=True
    )
    seconds, megabytes = done.stdout.split()
    path.unlink()
    yield "the same with a pool of 1,000,000", f"{float(seconds):.2f} s", "1.0 s"
    yield "… resident memory", f"{float(megabytes):,.0f} MB", "under 1,500 MB"


def every_strategy(folder: Path) -> Rows:
    """Time to pick 20 of 60,000 items, with the plain MLP trained on 500 labels."""
    pool, _, runner = mnist()
    targets = np.array(pool.targets)
    indices = np.sort(np.random.default_rng(0).choice(len(targets), 500, replace=False))
    for name in strategy_names():
        request = TrainRequest(1, indices, targets[indices], 10, indices < 0, NONE, NONE, name, 20, 2, 0, n_batches=1)
        seconds = [runner.run(request).query_seconds for _ in range(4)]
        yield f"scoring 60,000 and picking 20 by {name}", f"{1000 * statistics.median(seconds[1:]):.0f} ms", ""


if __name__ == "__main__":
    latents = np.load(sys.argv[1], mmap_mode="r")
    took = seconds_of(RoundRunner(MLPLearner(latents)), np.arange(len(latents)) % 10, 3)
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

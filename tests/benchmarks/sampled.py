"""`python -m tests.benchmarks sampled`: what it costs that a strategy sees a sample of a large pool.

Of a pool of more than `round.SCORED` items each round scores a fresh sample, and some strategies look at fewer. Here
the same code runs on MNIST's 60,000 images, with these limits scaled down to a share of the pool and the same seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.simulation.run import RunSettings, open_runner, simulate_run
from tuilabel.strategies.support import SAMPLE

AT = (60, 100, 300, 500)  # labels


@contextmanager
def limited(seen: int) -> Iterator[None]:
    """Let a round score at most so many items, and coverage look at no more of them."""
    with (
        patch("tuilabel.learner.trainer.round.SCORED", seen),
        patch("tuilabel.strategies.coverage.SAMPLE", min(seen, SAMPLE)),
    ):
        yield


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks sampled", description=__doc__)
    parser.add_argument("--strategies", default="entropy,auto,coverage")
    parser.add_argument("--shares", default="1,0.2,0.05", help="of the pool that a round sees")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--learner", default="latent")
    parser.add_argument("--json", type=Path, help="write the accuracies to this file after each run")
    options = parser.parse_args(arguments)
    pool = open_pool("mnist")
    runner = open_runner(options.learner, pool, VAEEncoder(find_checkpoint("mnist")))
    runner.learner.prepare()
    shares = [float(share) for share in options.shares.split(",")]
    found: dict[str, list[list[float]]] = {}
    for seed in range(options.seeds):
        for name in options.strategies.split(","):
            for share in shares:
                settings = RunSettings(name, options.learner, seed, batch_size=40, budget=max(AT), initial=20)
                with limited(round(share * len(pool))):
                    run = simulate_run(pool, runner, settings)
                of_labels = {point.n_labels: point.accuracy for point in run.points}
                found.setdefault(f"{name} {share:.0%}", []).append([of_labels[n] for n in AT])
                if options.json is not None:
                    options.json.write_text(json.dumps(found), encoding="utf-8")
    table = Table("strategy, share seen", *(f"{n} labels" for n in AT), "runs", box=None, pad_edge=False)
    for key, curves in found.items():
        values = 100 * np.array(curves)  # (seeds, labels)
        error = values.std(axis=0, ddof=min(1, len(values) - 1)) / len(values) ** 0.5
        table.add_row(
            key, *(f"{m:.2f} ± {e:.2f}" for m, e in zip(values.mean(axis=0), error, strict=True)), f"{len(values)}"
        )
    Console(width=110).print(table)
    print("accuracy on the test split in %, mean and standard error")
    return 0

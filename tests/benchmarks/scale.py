"""`python -m tests.benchmarks scale`: what a round costs in pools of up to ten million items.

The latents are those of MNIST's 60,000 images, repeated with a little noise, so that classes are known and accuracy is
that of real latents. Each size and learner runs in a process of its own. Memory that is mapped from the file of latents
can be given back at any moment, so it is listed apart from the process's own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tuilabel.datasets import open_pool
from tuilabel.encoders.storage import stored_dtype
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.learner.base import Learner
from tuilabel.learner.latent import LatentLearner, MLPLearner
from tuilabel.learner.trainer.early import spare_processors
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.learner.trainer.round import RoundRunner, _scored

LABELS, BATCH = 500, 20
NOISE = 0.1  # standard deviation of what is added to repeated latents; the latents' own is about 1
NONE = np.array([], dtype=np.int64)
COLUMNS = {  # heading: (key, format)
    "learner": ("learner", "{}"),
    "items": ("items", "{:,}"),
    "open": ("open_seconds", "{:.2f} s"),
    "first batch": ("first_batch_seconds", "{:.2f} s"),
    "graph": ("graph_seconds", "{:.1f} s"),
    "retrain": ("fit_seconds", "{:.2f} s"),
    "score": ("score_seconds", "{:.2f} s"),
    "pick": ("pick_seconds", "{:.2f} s"),
    "round": ("round_seconds", "{:.2f} s"),
    "accuracy": ("accuracy", "{:.2%}"),
    "own memory": ("own_megabytes", "{:,.0f} MB"),
    "with map": ("resident_megabytes", "{:,.0f} MB"),
}


def write_pool(path: Path, n: int) -> None:
    """Write latents of n items to `path`, as the program keeps them, and their classes next to it."""
    pool = open_pool("mnist")
    latents = VAEEncoder(find_checkpoint("mnist")).encode(pool).pool
    assert pool.targets is not None
    rng = np.random.default_rng(0)
    classes = np.resize(np.array(pool.targets, dtype=np.uint8), n)
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=stored_dtype(n), shape=(n, latents.shape[1]))
    for start in range(0, n, len(latents)):
        part = latents[: n - start]
        noise = 0 if start == 0 else NOISE * rng.standard_normal(part.shape, dtype=np.float32)
        rows[start : start + len(part)] = part + noise
    rows.flush()
    np.save(path.with_suffix(".classes.npy"), classes)


def measure(path: Path, name: str, repeats: int, strategy: str, threads: int) -> dict[str, Any]:
    """Measure one learner on the latents at `path`, in this process."""
    begin = time.perf_counter()
    latents = np.load(path, mmap_mode="r")
    learner: Learner = MLPLearner(latents) if name == "mlp" else LatentLearner(latents)
    opened = time.perf_counter()
    classes = np.load(path.with_suffix(".classes.npy"), mmap_mode="r")
    runner = RoundRunner(learner)
    first = time.perf_counter()
    runner.run(_request(NONE, NONE, strategy))
    picked = time.perf_counter()
    import torch

    torch.set_num_threads(threads)
    graph = time.perf_counter()
    learner.prepare()
    prepared = time.perf_counter()
    indices = np.random.default_rng(0).choice(len(latents), LABELS + repeats * BATCH, replace=False)
    results, seconds, scored = [], [], []
    for k in range(repeats + 1):
        labelled = np.sort(indices[: LABELS + k * BATCH])
        request = _request(labelled, np.array(classes[labelled], dtype=np.int64), strategy)
        begun = time.perf_counter()
        results.append(runner.run(request))
        seconds.append(time.perf_counter() - begun)
        assert runner.scores is not None
        again = time.perf_counter()
        _scored(runner.scores.model, latents, runner.scores.items)
        scored.append(time.perf_counter() - again)
    memory, peak = _memory(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    predicted = runner.predicted()
    assert predicted is not None
    fit, score = (statistics.median(values[1:]) for values in ([r.fit_seconds for r in results], scored))
    return {
        "learner": name,
        "items": len(latents),
        "threads": threads,
        "open_seconds": opened - begin,
        "first_batch_seconds": picked - first,
        "graph_seconds": prepared - graph,
        "fit_seconds": fit,
        "score_seconds": score,
        "pick_seconds": max(0.0, statistics.median(r.query_seconds for r in results[1:]) - score),
        "round_seconds": statistics.median(seconds[1:]),
        "scored": len(runner.scores) if runner.scores is not None else 0,
        "accuracy": float(np.mean(predicted == classes)),
        "own_megabytes": memory["Anonymous"] / 1024,
        "resident_megabytes": peak,
    }


def _request(indices: np.ndarray, labels: np.ndarray, strategy: str) -> TrainRequest:
    return TrainRequest(1, indices, labels, 10, indices < 0, NONE, NONE, strategy, BATCH, 2, 0)


def _memory() -> dict[str, int]:
    """Kilobytes of this process by kind, as Linux counts them."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks scale", description=__doc__)
    parser.add_argument("--sizes", default="60000,1000000,10000000", help="numbers of items, with commas")
    parser.add_argument("--learners", default="mlp,latent")
    parser.add_argument("--strategy", default="auto")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count, after one that does not")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="the trainer leaves one processor free"
    )
    parser.add_argument("--folder", type=Path, help="where the latents are kept; else they are removed")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure is not None:
        print(
            json.dumps(measure(options.measure, options.learners, options.repeats, options.strategy, options.threads))
        )
        return 0
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="tuilabel-scale-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for n in [int(size) for size in options.sizes.split(",")]:
            path = folder / f"{n}.npy"
            if not path.with_suffix(".classes.npy").exists():
                write_pool(path, n)
            for name in options.learners.split(","):
                command = [sys.executable, "-m", "tests.benchmarks", "scale", "--measure", path, "--learners", name]
                command += ["--repeats", str(options.repeats), "--strategy", options.strategy]
                command += ["--threads", str(options.threads)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                rows.append(json.loads(done.stdout))
                print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), file=sys.stderr)
    table = Table(*COLUMNS, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(form.format(row[key]) for key, form in COLUMNS.values()))
    Console(width=130).print(table)
    spare = f"{options.threads} threads (the trainer uses {spare_processors()}), load {os.getloadavg()[0]:.1f}"
    print(f"{LABELS} labels, batches of {BATCH} by {options.strategy}, medians of {options.repeats} rounds, {spare}")
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0

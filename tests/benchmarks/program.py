"""The program from outside: start-up, keys, the disk."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.helpers.events import event
from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.datasets import open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.labels import LabelStore, current_answers

Rows = Iterator[tuple[str, str, str]]


def help_command(folder: Path) -> Rows:
    seconds = []
    for _ in range(9):
        begin = time.perf_counter()
        subprocess.run([*TUILABEL, "--help"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        seconds.append(time.perf_counter() - begin)
    yield "tuilabel --help", f"{statistics.median(seconds):.2f} s", "0.4 s"


def start(folder: Path) -> Rows:
    VAEEncoder(find_checkpoint("mnist")).encode(open_pool("mnist"))
    frames, batches = [], []
    for k in range(7):
        project = folder / f"start-{k}"
        with Terminal([*TUILABEL, "label", "--project", str(project)], directory=folder) as terminal:
            terminal.wait_for("tuilabel +mnist")
            frames.append(time.perf_counter() - terminal.started)
            terminal.wait_for("round 1")
            batches.append(time.perf_counter() - terminal.started)
    yield "tuilabel label to the first frame", f"{statistics.median(frames):.2f} s", "1.0 s"
    yield "… to the first batch, latents cached", f"{statistics.median(batches):.2f} s", "2.5 s"


def first_start(folder: Path) -> Rows:
    seconds = []
    for k in range(2):
        environment = {"TUILABEL_CACHE": str(folder / f"cache-{k}")}
        project = str(folder / f"first-{k}")
        with Terminal(
            [*TUILABEL, "label", "--project", project], directory=folder, environment=environment
        ) as terminal:
            terminal.wait_for("round 1", 120)
            seconds.append(time.perf_counter() - terminal.started)
    yield "first start, nothing cached, to the first batch", f"{statistics.median(seconds):.1f} s", "15 s"


def keys(folder: Path) -> Rows:
    """True labels: 200 typed fast, so that the trainer works all the time, then 60 with pauses for the results."""
    pool, project = open_pool("mnist"), folder / "keys"
    assert pool.targets is not None
    latencies, sizes, batches = [], [], []
    with Terminal([*TUILABEL, "label", "--project", str(project)], directory=folder) as terminal:
        terminal.wait_for("round 1")
        terminal.settle(2)  # until torch is loaded
        for number in range(2, 15):
            fast = number < 12
            for k, key in enumerate(truth(project, pool), start=1):
                pieces = terminal.burst(key, 0.04 if fast else 0.3)
                if k == 20:
                    batches.append(whole_screen(pieces))
                    terminal.wait_for(f"round {number}")
                    terminal.settle(0.5)
                elif fast:
                    latencies.append(pieces[0][0])
                else:
                    sizes.append(sum(size for _, size in pieces))
    yield "key to the first byte of its answer during training, p95", f"{1000 * p95(latencies):.1f} ms", "16 ms"
    yield "… median", f"{1000 * statistics.median(latencies):.1f} ms", ""
    yield (
        "bytes written per label key, including the new model's figures",
        f"{statistics.median(sizes):.0f}",
        "under 1,000",
    )
    yield "… p95", f"{p95(sizes):.0f}", ""
    yield "last key of a batch to the next 20 images, p95", f"{1000 * p95(batches):.0f} ms", "60 ms"
    yield "… median", f"{1000 * statistics.median(batches):.0f} ms", ""


def whole_screen(pieces: list[tuple[float, int]]) -> float:
    """When nine tenths of the bytes had arrived: the rest are the figures of the next model."""
    total, so_far = sum(size for _, size in pieces), 0
    for seconds, size in pieces:
        so_far += size
        if so_far >= 0.9 * total:
            return seconds
    return pieces[-1][0]


def disk(folder: Path) -> Rows:
    store = LabelStore.open(folder / "disk.db")
    seconds = []
    for k in range(300):
        begin = time.perf_counter()
        store.append([event(k)])
        seconds.append(time.perf_counter() - begin)
    store.close()
    yield "a label to disk, flushed, p95", f"{1000 * p95(seconds):.1f} ms", "10 ms"
    yield "… median", f"{1000 * statistics.median(seconds):.1f} ms", ""


def truth(project: Path, pool) -> list[str]:  # type: ignore[no-untyped-def]
    """The correct keys for the newest batch."""
    store = LabelStore.open(project / "labels.db")
    newest, answered = store.rounds()[-1], current_answers(store.events())
    store.close()
    ids = [item.item for item in newest.items if item.item not in answered]
    return [str(pool.targets[index]) for index in pool.indices_of(ids).tolist()]


def p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95))

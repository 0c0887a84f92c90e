"""Annotators at real screens with real trainers, for thousands of labels: does anything grow, or become slow?

    uv run python -m tests.benchmarks soak [--labels 20000] [--annotators 3] [--pace 0.35] …

Each annotator types the true classes of the bundled MNIST into `tuilabel label` in a pseudo-terminal, all in one
project, and now and then takes a label back, looks at the charts and at the history. Per 1,000 labels of the project:
memory of screen and trainer (resident, and without what they share with files), processor time of the screen per key,
and how long the screen takes to answer a key. The slope is Theil and Sen's, over the samples of all annotators after
the first fifth, with its 95 % interval. Processor time per key does not depend on what else the machine does; the
time until an answer does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table
from scipy.stats import theilslopes

from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.labels import LabelStore, Round
from tuilabel.labels.store import Cursor

PER_SAMPLE = 1000  # labels of the project
WARM_UP = 0.2  # of the labels, before which nothing counts: caches fill
FEWEST = 6  # samples for a slope
FLAT = 0.1  # of its value: what may be added by the labels after that
PATIENCE = 120.0  # seconds for a key to be answered and stored, on a machine with much else to do
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Sample:
    """One annotator's screen over the last labels; memory in bytes, times in seconds."""

    annotator: str
    labels: int
    """Of the whole project."""
    screen: int
    screen_alone: int
    trainer: int
    trainer_alone: int
    key_p95: float
    key_median: float
    cpu_per_key: float
    batch_wait: float
    """Longest time without a batch."""


MEASURED = {
    "screen, resident": ("screen", MEGABYTE, "MB"),
    "screen, its own": ("screen_alone", MEGABYTE, "MB"),
    "trainer, resident": ("trainer", MEGABYTE, "MB"),
    "trainer, its own": ("trainer_alone", MEGABYTE, "MB"),
    "key to its answer, p95": ("key_p95", 1e-3, "ms"),
    "… median": ("key_median", 1e-3, "ms"),
    "processor time per key": ("cpu_per_key", 1e-3, "ms"),
    "longest wait for a batch": ("batch_wait", 1, "s"),
}


class Annotator:
    """Types what is true, and measures."""

    def __init__(self, name: str, terminal: Terminal, project: Path, pool: ImagePool, pace: float) -> None:
        self._name, self._terminal, self._pool, self._pace = name, terminal, pool, pace
        self._screen = psutil.Process(terminal.pid)
        self._store, self._known = LabelStore.open(project / "labels.db"), Cursor()
        self._rounds: list[Round] = []
        self._waiting: dict[str, str] = {}
        """The keys that have been typed and are not stored yet, by item."""
        self._dice = random.Random(name)
        self.labels = 0

    def _next_round(self) -> Round:
        begin = time.monotonic()
        while not self._rounds:
            changes = self._store.since(self._known)
            self._known = changes.cursor
            self.labels += sum(event.kind == "label" for event in changes.events)
            for event in changes.events:
                if event.annotator == self._name:
                    self._waiting.pop(event.item, None)
            self._rounds += [row for row in changes.rounds if row.annotator == self._name]
            if not self._rounds:
                self._terminal.settle(0.1)
            if self._waiting and time.monotonic() - begin > PATIENCE:  # it was typed before the image was there
                self._type(next(iter(self._waiting.values())))
                begin = time.monotonic()
        return self._rounds.pop(0)

    def label(self, until: int) -> Iterator[Sample]:
        """Label until the project has so many labels; yields a sample whenever it has a thousand more."""
        latencies: list[float] = []
        waits: list[float] = [0.0]
        due, used = PER_SAMPLE, self._used()
        while self.labels < until:
            begin = time.monotonic()
            row = self._next_round()
            self._terminal.wait_for(rf"round {row.number}\b", 600)
            waits.append(time.monotonic() - begin)
            self._terminal.settle(0.2)
            for item, index in zip(row.items, self._pool.indices_of([i.item for i in row.items]).tolist(), strict=True):
                assert self._pool.targets is not None
                key = str(self._pool.targets[index])
                self._waiting[item.item] = key
                latencies.append(self._type(key))
                if item is row.items[2] and self._dice.random() < 0.2:
                    latencies += [self._type("\x7f"), self._type(key)]
            self._terminal.output = b""  # a day's worth of it would be the benchmark's own memory
            if self.labels >= due:
                now = self._used()
                yield self._sample(latencies, (now - used) / len(latencies), max(waits))
                due = (self.labels // PER_SAMPLE + 1) * PER_SAMPLE
                self._look_around()
                latencies, waits, used = [], [0.0], self._used()

    def _type(self, key: str) -> float:
        """Seconds until the first byte of the answer."""
        begin = time.monotonic()
        latency = self._terminal.burst(key, 0.03, PATIENCE)[0][0]
        while (left := begin + self._dice.uniform(0.5, 1.5) * self._pace - time.monotonic()) > 0:
            if self._terminal.read(left) == 0:
                break
        return latency

    def _look_around(self) -> None:
        """Charts and history, and back."""
        for key in "=,":
            self._terminal.type(key)
            self._terminal.settle(1.0)
            self._terminal.key("escape")
            self._terminal.settle(1.0)

    def _used(self) -> float:
        times = self._screen.cpu_times()
        return times.user + times.system

    def _sample(self, latencies: Sequence[float], cpu: float, wait: float) -> Sample:
        screen = self._screen.memory_full_info()
        trainers = [p.memory_full_info() for p in self._screen.children() if "worker" in " ".join(p.cmdline())]
        return Sample(
            self._name, self.labels, screen.rss, screen.uss, sum(m.rss for m in trainers), sum(m.uss for m in trainers),
            float(np.percentile(latencies, 95)), statistics.median(latencies), cpu, wait,
        )  # fmt: skip


def annotate(name: str, folder: Path, project: Path, until: int, pace: float) -> None:
    """One annotator with a terminal; samples go to a file."""
    pool = open_pool("mnist")
    command = [*TUILABEL, "label", "--project", str(project), "--annotator", name]
    with Terminal(command, directory=folder) as terminal, (folder / f"{name}.jsonl").open("a") as file:
        terminal.wait_for(r"round \d", 300)
        for sample in Annotator(name, terminal, project, pool, pace).label(until):
            file.write(json.dumps(asdict(sample)) + "\n")
            file.flush()
        terminal.key("ctrl+q")
        terminal.wait_for_exit(60)


def read_samples(folder: Path) -> list[Sample]:
    """The samples of all annotators."""
    return [Sample(**json.loads(line)) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def report(samples: Sequence[Sample], lost: int, console: Console) -> None:
    """Print the samples in steps, slopes per 1,000 labels with their intervals, and whether each is flat."""
    most = max(sample.labels for sample in samples)
    table = Table("what", *(f"{most * k // 5:,}" for k in range(1, 6)), "per 1,000 labels", "", box=None)
    later = [sample for sample in samples if sample.labels > WARM_UP * most]
    at = np.array([sample.labels / 1000 for sample in later])
    for title, (name, unit, symbol) in MEASURED.items():
        fifths = [
            statistics.median(
                [getattr(s, name) / unit for s in samples if k * most <= 5 * s.labels - 1 < (k + 1) * most] or [np.nan]
            )
            for k in range(5)
        ]
        values = np.array([getattr(sample, name) / unit for sample in later])
        if len({sample.labels for sample in later}) < FEWEST:
            table.add_row(f"{title}, {symbol}", *(f"{value:.1f}" for value in fifths), "–", "too few samples")
            continue
        values -= [
            np.mean([v for v, s in zip(values, later, strict=True) if s.annotator == x.annotator]) for x in later
        ]
        slope, _, low, high = theilslopes(values, at)
        is_flat = low <= 0 or slope * (1 - WARM_UP) * most / 1000 <= FLAT * fifths[1]
        table.add_row(
            f"{title}, {symbol}", *(f"{value:.1f}" for value in fifths),
            f"{slope:+.2f} ({low:+.2f} to {high:+.2f})", "flat" if is_flat else "GROWS",
        )  # fmt: skip
    console.print(table)
    console.print(f"{most:,} labels, lost: {lost}; load {os.getloadavg()[0]:.1f}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=20_000)
    parser.add_argument("--annotators", type=int, default=3)
    parser.add_argument("--pace", type=float, default=0.35, help="seconds between two keys of one annotator")
    parser.add_argument("--minutes", type=float, default=60, help="end after this time with what there is")
    parser.add_argument("--keep", type=Path, help="a folder for project and samples, which is not removed")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tuilabel-soak-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        project = folder / "soak.tuilabel"
        VAEEncoder(find_checkpoint("mnist")).encode(open_pool("mnist"))
        names = [f"annotator{k}" for k in range(1, given.annotators + 1)]
        context = multiprocessing.get_context("spawn")
        running = [
            context.Process(target=annotate, args=(name, folder, project, given.labels, given.pace)) for name in names
        ]
        until = time.monotonic() + 60 * given.minutes
        for process in running:
            process.start()
            time.sleep(2)  # whoever comes first begins the project
        for process in running:
            process.join(max(0.0, until - time.monotonic()))
        failed = any(process.exitcode for process in running)
        for process in running:
            process.terminate()
            process.join()
        samples = read_samples(folder)
        if not samples:
            print(f"nobody made {PER_SAMPLE:,} labels")
            return 1
        with_labels = LabelStore.read(project / "labels.db")
        n_events = len(with_labels.events())
        with_labels.close()
        lost = max(0, max(sample.labels for sample in samples) - n_events)
        report(samples, lost, Console(width=150))
        return int(failed)

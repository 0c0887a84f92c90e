"""Many annotators on one store, killed at random: what is lost, what is asked twice, and how long a commit takes.

    uv run python -m tests.benchmarks team --store sqlite|postgresql [--annotators 20] [--labels 250] [--pace 0.5] …

Each annotator is a process with a session, a writer and a follower as the program has them. Only the trainer is
scripted: it picks the same items for all, so that everybody wants what somebody else has. An answer counts as
acknowledged once its tick is green. A killed annotator comes back at once. With `--alone` there are no sessions:
writers append as fast as they can.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import random
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.events import event
from tests.helpers.postgresql import PASSWORD, is_installed, running_server
from tuilabel.datasets import ImagePool
from tuilabel.labels import BackgroundWriter, Event, LabelStore, Seat
from tuilabel.labels.follower import Follower
from tuilabel.labels.store import ServerAddress
from tuilabel.learner.trainer.messages import ItemPredictions, Message, RoundResult, TrainRequest
from tuilabel.session import LabellingSession

Opener = Callable[[], LabelStore]
CLASSES = ("a", "b", "c")
PATIENCE = 120.0  # seconds without a new label after which the run is given up


@dataclass(frozen=True)
class Work:
    """What the annotators are to do."""

    annotators: int = 20
    labels: int = 250
    pace: float = 0.5
    """Seconds between two answers of one annotator, on average."""
    kills: int = 40
    alone: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    seconds: float
    kills: int
    acknowledged: int
    lost: int
    """Acknowledged answers that the store does not have."""
    items: int
    answered_twice: int
    """Items with answers of several annotators."""
    latencies: Sequence[float]
    """Seconds from each key to its green tick."""

    def rows(self) -> Iterator[tuple[str, str]]:
        yield "annotators' answers with a green tick", f"{self.acknowledged:,}"
        yield "kills", f"{self.kills}"
        yield "lost", f"{self.lost}"
        yield (
            "answered by two",
            f"{self.answered_twice} of {self.items:,} ({self.answered_twice / max(1, self.items):.2%})",
        )
        yield "events a second", f"{self.acknowledged / self.seconds:.0f}"
        p50, p95, most = np.quantile(self.latencies, (0.5, 0.95, 1))
        yield "key to green tick", f"median {p50 * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms, most {most * 1e3:.0f} ms"


class ScriptedTrainer:
    """Picks the same items for all, in an order of its own, and predicts nothing in particular."""

    def __init__(self, n_items: int) -> None:
        self._order = np.random.default_rng(0).permutation(n_items)
        self._deliver: Callable[[Message], object] = lambda _: None

    def start(self, deliver: Callable[[Message], object]) -> None:
        self._deliver = deliver

    def ask(self, question: object) -> None:
        pass

    def close(self) -> None:
        pass

    def restart(self) -> None:
        pass

    def submit(self, request: TrainRequest) -> None:
        is_left = np.ones(len(self._order), bool)
        is_left[request.indices] = is_left[request.excluded] = False
        left = self._order[is_left[self._order]]

        def predicted(indices: np.ndarray) -> ItemPredictions:
            return ItemPredictions(indices, indices % 3, np.full(len(indices), 0.5, np.float32))

        n = request.n_batches * request.batch_size
        audit = predicted(left[::-1][: request.n_batches * request.audit_size])
        self._deliver(
            RoundResult(request.serial, len(request.indices), "margin", predicted(left[:n]), audit,
                        predicted(request.shown), None, None, None, None, None, None, 0.0, 0.0)
        )  # fmt: skip


def pool_of(n: int) -> ImagePool:
    """A pool of n different images of one pixel by four."""
    images = np.arange(n, dtype="<u4").view(np.uint8).reshape(n, 1, 4, 1)
    return ImagePool.from_arrays(images, CLASSES, name="numbers")


def run(opener: Opener, work: Work, folder: Path) -> Outcome:
    """Let the annotators work, and count."""
    pool = pool_of(work.annotators * (work.labels + 60) + 500)
    opener().close()
    context = multiprocessing.get_context("fork")
    target = _write if work.alone else _annotate

    def started(k: int) -> Any:
        process = context.Process(target=target, args=(opener, work, pool, f"annotator{k:02}", folder), daemon=True)
        process.start()
        return process

    begin = time.monotonic()
    running = {k: started(k) for k in range(work.annotators)}
    dice, kills, last, moved = random.Random(0), 0, 0, begin
    every = max(0.5, work.labels * work.pace / max(1, work.kills))
    next_kill = begin + every
    while running:
        time.sleep(0.05)
        for k, process in list(running.items()):
            if not process.is_alive():
                assert process.exitcode == 0, f"annotator {k} ended with {process.exitcode}"
                del running[k]
        if kills < work.kills and running and time.monotonic() > next_kill:
            victim = dice.choice(sorted(running))
            os.kill(running[victim].pid, signal.SIGKILL)
            running[victim].join()
            running[victim] = started(victim)
            kills, next_kill = kills + 1, time.monotonic() + every * dice.uniform(0.5, 1.5)
        done = sum(path.stat().st_size for path in folder.glob("*.ack"))
        if done != last:
            last, moved = done, time.monotonic()
        assert time.monotonic() - moved < PATIENCE, "nobody got any further"
    seconds = time.monotonic() - begin
    acknowledged = [line.split() for path in sorted(folder.glob("*.ack")) for line in path.read_text().splitlines()]
    store = opener()
    events = store.events()
    store.close()
    stored = Counter(e.key for e in events)
    assert not [key for key, n in stored.items() if n > 1], "an event is there twice"
    by_item: dict[str, set[str]] = {}
    for e in events:
        by_item.setdefault(e.item, set()).add(e.annotator)
    twice = sum(len(names) > 1 for names in by_item.values())
    lost = sum(key not in stored for key, _ in acknowledged)
    return Outcome(seconds, kills, len(acknowledged), lost, len(by_item), twice, [float(s) for _, s in acknowledged])


@contextmanager
def acknowledging(
    folder: Path, annotator: str, asked_at: dict[str, float]
) -> Iterator[Callable[[Sequence[Event]], None]]:
    """A receiver of saved events that notes them outside the store, as an eye sees the tick."""
    descriptor = os.open(folder / f"{annotator}.ack", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def on_saved(events: Sequence[Event]) -> None:
        now = time.monotonic()
        lines = "".join(f"{e.key} {now - asked_at[e.key]:.6f}\n" for e in events)
        os.write(descriptor, lines.encode())

    try:
        yield on_saved
    finally:
        os.close(descriptor)


def _write(opener: Opener, work: Work, _pool: ImagePool, annotator: str, folder: Path) -> None:
    """Append as fast as possible, one event at a time."""
    store = opener()
    written = sum(e.annotator == annotator for e in store.events())
    asked_at: dict[str, float] = {}
    with acknowledging(folder, annotator, asked_at) as on_saved:
        for k in range(written, work.labels):
            answer = event(0, item=f"{annotator}-{k}", key=uuid.uuid4().hex, annotator=annotator)
            asked_at[answer.key] = time.monotonic()
            store.append([answer])
            on_saved([answer])
    store.close()


def _annotate(opener: Opener, work: Work, pool: ImagePool, annotator: str, folder: Path) -> None:
    """Answer what the session asks, until there are enough answers of one's own."""
    dice = random.Random(f"{annotator} {os.getpid()}")
    store = opener()
    known = store.since()
    left = work.labels - sum(e.annotator == annotator for e in known.events)
    asked_at: dict[str, float] = {}
    mailbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with acknowledging(folder, annotator, asked_at) as on_saved:
        writer = BackgroundWriter(store, on_saved)

        class Timed:
            """Notes when an answer is handed to the writer."""

            put_class_changes, put_round = staticmethod(writer.put_class_changes), staticmethod(writer.put_round)

            @staticmethod
            def put(*events: Event) -> None:
                asked_at.update((e.key, time.monotonic()) for e in events)
                writer.put(*events)

        seat = Seat(store, uuid.uuid4().hex, annotator)
        follower = Follower(store, seat, known.cursor, mailbox.put)
        trainer = ScriptedTrainer(len(pool.ids))
        session = LabellingSession(
            pool, log=known.events, rounds=known.rounds, class_changes=known.class_changes, writer=Timed,
            trainer=trainer, classes=CLASSES, batch_size=20, annotator=annotator, session_id=seat.session,
            drawer=follower,
        )  # fmt: skip
        session.meet(seat.enter(session.asked))
        follower.start(session.asked)
        trainer.start(session.handle)
        session.start()
        next_key = time.monotonic()
        while left > 0:
            try:
                session.handle(mailbox.get(timeout=max(0.0, next_key - time.monotonic())))
                continue
            except queue.Empty:
                pass
            batch = session.batch
            item = next((i for i in batch.items if session.answer_at(i.index) is None), None) if batch else None
            next_key = time.monotonic() + dice.uniform(0.2, 1.8) * work.pace
            if item is None:
                continue
            session.label(item.index, item.index % 3, 500)
            left -= 1
        writer.flush()
        writer.close()
        follower.close()
    store.close()


def opener_of(address: ServerAddress | Path) -> Opener:
    """Opens the store of a benchmark."""
    return lambda: LabelStore.open(address) if isinstance(address, Path) else LabelStore.connect(address)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="annotators on one store, killed at random")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--annotators", type=int, default=Work.annotators)
    parser.add_argument("--labels", type=int, default=Work.labels)
    parser.add_argument("--pace", type=float, default=Work.pace)
    parser.add_argument("--kills", type=int, default=Work.kills)
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args(arguments)
    work = Work(given.annotators, given.labels, given.pace, given.kills, given.alone)
    with tempfile.TemporaryDirectory(prefix="tuilabel-team-") as name:
        folder = Path(name)
        if given.store == "sqlite":
            outcome = run(opener_of(folder / "labels.db"), work, folder)
        elif not is_installed():
            print("PostgreSQL is not installed", file=sys.stderr)
            return 2
        else:
            with running_server(durable=True) as server:
                address = replace(ServerAddress.parse(server.url, "team"), password=PASSWORD)
                outcome = run(opener_of(address), work, folder)
    print(f"{given.store}, {work}, {outcome.seconds:.0f} s")
    for name, value in outcome.rows():
        print(f"  {name:40} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Sessions that are killed at random moments: which answers with a green tick are gone afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.events import event
from tests.helpers.projects import open_project
from tuilabel.labels import BackgroundWriter, Event
from tuilabel.labels.keeper import StoreKeeper

N_KILLS = int(os.environ.get("KILLS", "1000"))
OPEN = b"open\n"
LONGEST = 0.2  # seconds that a session labels, or, one time in five, that it has to start


def kills(folder: Path) -> Iterator[tuple[str, str, str]]:
    """One session at a time, then three at once in one project."""
    for n_sessions in (1, 3):
        green, lost, damaged = killed(folder / f"kills-{n_sessions}.tuilabel", n_sessions)
        who = "one session" if n_sessions == 1 else f"{n_sessions} sessions at once"
        yield f"{N_KILLS:,} × kill -9, {who}, {green:,} green ticks: lost", f"{lost:,}", "0"
        yield "… starts that found damage", f"{damaged:,}", "0"


def killed(project: Path, n_sessions: int) -> tuple[int, int, int]:
    """How many ticks turned green in sessions that were killed, how many of these answers are gone, failed starts."""
    dice = random.Random(3)
    green: list[str] = []
    failed = 0
    for start in range(N_KILLS // n_sessions):
        sessions = [_fork(project, start * n_sessions + k) for k in range(n_sessions)]
        if dice.random() < 0.8:
            for _, told in sessions:
                os.read(told, len(OPEN))
        time.sleep(dice.random() * LONGEST)
        for process, _ in sessions:
            os.kill(process, signal.SIGKILL)
        for process, told in sessions:
            failed += os.WIFEXITED(os.waitpid(process, 0)[1])
            with open(told, "rb") as lines:  # noqa: PTH123 - a descriptor
                green += [line.decode().strip() for line in lines if line.endswith(b"\n") and line != OPEN]
    with open_project(project) as opened:
        store = opened.open_store()
        there = {stored.key for stored in store.events()}
        failed += store.damage() is not None
        store.close()
    return len(green), len(set(green) - there), failed


def _fork(project: Path, number: int) -> tuple[int, int]:
    """A session that answers without a pause and tells the key of each green tick; its process, and where to read."""
    told, tell = os.pipe()
    process = os.fork()
    if process:
        os.close(tell)
        return process, told
    try:
        _label(project, number, tell)
    finally:
        os._exit(1)  # nobody comes here but by an error


def _label(project: Path, number: int, tell: int) -> None:
    def on_saved(events: object) -> None:
        os.write(tell, "".join(f"{saved.key}\n" for saved in events).encode())  # type: ignore[attr-defined]

    opened = open_project(project)
    store = opened.open_store()
    keeper = StoreKeeper(project, opened.store, store, opened.settings_file.read_text(), store.since())
    writer = BackgroundWriter(store, on_saved=on_saved, keeper=keeper, keep_after=0.01)
    os.write(tell, OPEN)
    answer = number * 1_000_000
    while True:
        labels: list[Event] = [event(answer + k) for k in range(random.choice((1, 1, 1, 12)))]
        answer += len(labels)
        writer.put(*labels)
        writer.flush()

"""A label on disk, beside a table of sqlite3 without anything that guards it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tests.benchmarks.rivals.task import Contender, Limit, Task, take_turns
from tests.helpers.events import event
from tuilabel.labels import LabelStore


def labels(folder: Path) -> Iterator[Task]:
    """One label, flushed before it is acknowledged."""
    store, numbers = LabelStore.open(folder / "ours.db"), count()
    plain = sqlite3.connect(folder / "plain.db", isolation_level=None)
    plain.execute("PRAGMA synchronous = FULL")
    plain.execute("CREATE TABLE labels (item TEXT, class TEXT)")
    with (folder / "bytes").open("wb", buffering=0) as file:

        def flush() -> None:
            file.write(bytes(4096))
            os.fsync(file.fileno())

        seconds = take_turns(
            {
                "tuilabel": lambda: store.append([event(next(numbers))]),
                "sqlite3, a table of two columns": lambda: plain.execute("INSERT INTO labels VALUES ('item', 'cat')"),
                "a plain file": flush,
            },
            300,
            warm=20,
        )
    store.close()
    plain.close()
    contenders = [Contender(name, each) for name, each in seconds.items()]
    once = contenders.pop().median
    yield Task("A label to disk, flushed", contenders, Limit(once, "4 kB at the end of a file, and one fsync"))

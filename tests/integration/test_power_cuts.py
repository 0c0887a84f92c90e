"""The power goes at any moment of a transaction, and the disk holds any part of what was not flushed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import apsw
import pytest

from tests.helpers.events import event
from tests.helpers.power import Recorder, put
from tuilabel.labels import LabelStore
from tuilabel.labels.store import schema

N_ANSWERS = 6


def record(path: Path) -> tuple[Recorder, list[int]]:
    """Write answers one by one as the store does; also how many operations there were when each was green."""
    LabelStore.open(path).close()
    recorder = Recorder()
    recorder.register("recording")
    recorder.log.append(("write", str(path), 0, path.read_bytes()))
    recorder.log.append(("sync", str(path), 0, b""))
    connection = apsw.Connection(str(path), vfs="recording")
    for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    names = [column.name for column in schema.events.columns if column.name != "number"]
    insert = f"INSERT INTO events ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)})"
    green = []
    for number in range(N_ANSWERS):
        row = {column.name: column.key for column in schema.events.columns}
        values = schema.row_from(event(number, note="x" * 3000))  # so that pages are added as well
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, [values[row[name]] for name in names])
        connection.execute("COMMIT")
        green.append(len(recorder.log))
    connection.close()
    return recorder, green


@pytest.mark.parametrize("kept", [0.0, 0.5, 1.0])
def test_power_cuts_lose_nothing(tmp_path: Path, kept: float) -> None:
    recorder, green = record(tmp_path / "labels.db")
    assert {"write", "sync", "delete"} <= {what for what, *_ in recorder.log}
    dice = random.Random(17)
    for moment in range(2, len(recorder.log) + 1):
        put(recorder.state_at(moment, dice, kept), tmp_path / "cut")
        store = LabelStore.open(tmp_path / "cut" / "labels.db")
        keys = [stored.key for stored in store.events()]
        assert store.damage() is None
        store.close()
        n_green = sum(at <= moment for at in green)
        assert keys[:n_green] == [event(number).key for number in range(n_green)], moment
        assert len(keys) <= n_green + 1
        shutil.rmtree(tmp_path / "cut")


def test_without_flushing_the_directory_a_power_cut_would_lose_answers(tmp_path: Path) -> None:
    """The simulation finds what it is made to find: a journal that comes back takes the last answer with it."""
    recorder, green = record(tmp_path / "labels.db")
    recorder.log = [(what, name, 0 if what == "delete" else number, data) for what, name, number, data in recorder.log]
    put(recorder.state_at(green[-1], random.Random(17), 0.0), tmp_path / "cut")
    store = LabelStore.open(tmp_path / "cut" / "labels.db")
    assert len(store.events()) < N_ANSWERS
    store.close()

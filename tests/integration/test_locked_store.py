"""A store that another program keeps locked is waited for, with a word."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.events import event
from tuilabel.errors import TuilabelError
from tuilabel.labels import LabelStore
from tuilabel.labels.store import waiting
from tuilabel.labels.store.sqlite import copy_file

LOCK = (
    "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None); "
    "connection.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
)
OPENERS: dict[str, Callable[[Path], None]] = {
    "open": lambda path: LabelStore.open(path).close(),
    "read": lambda path: LabelStore.read(path).close(),
    "copy": lambda path: copy_file(path, path.with_name("copy.db")),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = LabelStore.open(tmp_path / "labels.db")
    store.append([event(0, "cat")])
    store.close()
    return tmp_path / "labels.db"


@contextmanager
def locked(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Meanwhile another program keeps the file locked; it ends when its input does."""
    command = [sys.executable, "-c", LOCK, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


class Said(logging.Handler):
    """Keeps what is said, and then lets go of the lock."""

    def __init__(self, holder: subprocess.Popen[str]) -> None:
        super().__init__()
        self.lines, self._holder = list[str](), holder

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._holder.kill()


@pytest.mark.parametrize("opener", OPENERS)
def test_a_locked_store_is_waited_for_with_a_word(opener: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SAY_AFTER", 0.1)
    with locked(path) as holder:
        said = Said(holder)
        waiting.log.addHandler(said)
        try:
            OPENERS[opener](path)
        finally:
            waiting.log.removeHandler(said)
    (line,) = said.lines
    assert f"{path} is locked by " in line
    assert "waiting for it, 5 minutes at most; Ctrl+C ends" in line
    if Path("/proc/locks").exists() and "another program" not in line:
        assert f"(process {holder.pid} of " in line


@pytest.mark.parametrize("opener", OPENERS)
def test_a_store_that_stays_locked_is_given_up(opener: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "GIVE_UP_AFTER", 0.1)
    with locked(path), pytest.raises(TuilabelError, match=r"has kept it locked for .* close the other program"):
        OPENERS[opener](path)
    assert not path.with_name("copy.db").exists()


def test_a_store_that_is_free_or_written_for_a_moment_is_opened_without_a_word(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(path) as holder:
        threading.Timer(0.1, holder.kill).start()
        LabelStore.open(path).close()
    assert not caplog.records

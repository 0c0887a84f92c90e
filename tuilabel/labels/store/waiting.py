"""Waits for a SQLite file that another program keeps locked, and says so."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tuilabel.errors import TuilabelError, printable

SAY_AFTER = 3.0  # seconds: twenty annotators at one file keep each other waiting for less
GIVE_UP_AFTER = 300.0  # seconds
RETRY_AFTER = 0.05  # seconds

log = logging.getLogger("tuilabel")  # the name that begins what the program says


class Patience:
    """With a file that is found locked again and again: says so once, and gives up in the end."""

    def __init__(self, path: Path) -> None:
        self._path, self._begun, self._said = path, time.monotonic(), False

    def found_locked(self) -> None:
        """Once more the file was locked; raises `TuilabelError` if that goes on for too long."""
        waited = time.monotonic() - self._begun
        if waited >= GIVE_UP_AFTER:
            raise TuilabelError(
                f"cannot open {self._path}: {_holder(self._path)} has kept it locked for {GIVE_UP_AFTER / 60:g} "
                "minutes; close the other program that uses it"
            )
        if waited >= SAY_AFTER and not self._said:
            self._said = True
            log.warning(
                printable(
                    f"{self._path} is locked by {_holder(self._path)}: waiting for it, {GIVE_UP_AFTER / 60:g} minutes "
                    "at most; Ctrl+C ends"
                )
            )

    def on_copied(self, status: int, _remaining: int, _total: int) -> None:
        """To be called by `sqlite3.Connection.backup`, which tries for ever and without a word."""
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            self.found_locked()


def wait_for_turn(path: Path) -> None:
    """Return once the database in the file `path` can be written, or has another problem than a lock.

    Here and not in SQLite, which waits in one piece: neither a word nor Ctrl+C would come through.

    Raises
    ------
    TuilabelError : if it stays locked.
    """
    patience = Patience(path)
    while True:
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
                connection.execute("BEGIN IMMEDIATE")
            return  # closing takes the transaction back
        except sqlite3.Error as error:
            if "locked" not in str(error):
                return
        patience.found_locked()
        time.sleep(RETRY_AFTER * random.uniform(0.5, 1.5))


def _holder(path: Path) -> str:
    """The program that has locked a file, as far as the system says."""
    import psutil

    try:
        status, locks = path.stat(), Path("/proc/locks").read_text(encoding="ascii").splitlines()
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        pids = [int(fields[4]) for fields in map(str.split, locks) if fields[1] == "POSIX" and fields[5] == place]
        process = psutil.Process(next(pid for pid in pids if pid not in (os.getpid(), -1)))
        return f"{process.name()} (process {process.pid} of {process.username()})"
    except (OSError, ValueError, LookupError, StopIteration, psutil.Error):  # another system, or another's process
        return "another program"

"""Who may be in a project at once, and what the lock does to files of others."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.events import event
from tests.helpers.projects import open_project
from tests.helpers.users import as_user
from tuilabel.errors import TuilabelError
from tuilabel.labels.lock import Holder, ProjectLock, holders
from tuilabel.labels.snapshots import take_snapshot

STAY = (
    "import sys; from pathlib import Path; from tuilabel.labels.lock import ProjectLock; "
    "lock = ProjectLock.take(Path(sys.argv[1]), exclusive='exclusive' in sys.argv); "
    "print('in', flush=True); sys.stdin.read()"
)


def another_process(directory: Path, *kind: str) -> subprocess.Popen[str]:
    """A process that is in the project until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", STAY, str(directory), *kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def test_sessions_share_a_project_and_see_each_other(tmp_path: Path) -> None:
    with another_process(tmp_path) as first, ProjectLock.take(tmp_path) as lock:
        assert not lock.alone
        assert [holder.process for holder in holders(tmp_path)] == [first.pid, os.getpid()]
        with pytest.raises(TuilabelError, match=rf"is being worked on by .*process {first.pid}.*process {os.getpid()}"):
            ProjectLock.take(tmp_path, exclusive=True)
        lock.close()
        assert [holder.process for holder in holders(tmp_path)] == [first.pid]
        first.kill()
    assert holders(tmp_path) == []
    with ProjectLock.take(tmp_path) as lock:
        assert lock.alone
        assert [holder.process for holder in holders(tmp_path)] == [os.getpid()]


def test_who_needs_a_project_alone_keeps_the_others_out(tmp_path: Path) -> None:
    with another_process(tmp_path, "exclusive") as first:
        with pytest.raises(TuilabelError, match=rf"is being worked on by .* \(process {first.pid}, since "):
            ProjectLock.take(tmp_path)
        first.kill()
    ProjectLock.take(tmp_path).close()


def test_a_project_whose_owner_is_gone_is_offered_to_be_taken_over(tmp_path: Path) -> None:
    """A child that inherited the lock, or a server of files, may hold it for a process that no longer runs."""
    with ProjectLock.take(tmp_path, exclusive=True) as kept:
        here = Holder.here()
        gone = {"host": here.host, "user": "bo", "process": 2**22 + 1, "since": here.since}
        (tmp_path / "lock").write_text(json.dumps(gone) + "\n")
        with pytest.raises(TuilabelError, match=r"held for bo on .*no longer runs.*`take_over=True`"):
            ProjectLock.take(tmp_path)
        with ProjectLock.take(tmp_path, take_over=True) as taken:
            assert taken.alone
            with pytest.raises(TuilabelError, match="is being worked on by"):
                ProjectLock.take(tmp_path, exclusive=True)
        assert kept.alone


def test_a_lock_is_never_opened_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(TuilabelError, match="lock is a link"):
        ProjectLock.take(tmp_path)
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").hardlink_to(tmp_path / "theirs")
    with pytest.raises(TuilabelError, match="not a file of its own"):
        ProjectLock.take(tmp_path)
    assert (tmp_path / "theirs").read_text() == "precious"


def test_a_file_system_without_locks_is_refused_unless_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_descriptor: int, _kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(TuilabelError, match=r"has no locks.*`allow_unlocked=True`"):
        ProjectLock.take(tmp_path)
    with ProjectLock.take(tmp_path, allow_unlocked=True) as lock:
        assert not lock.is_sure


def test_everything_in_the_project_of_a_team_is_writable_for_its_group(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    before = os.umask(0o022)
    try:
        with open_project(tmp_path / "p.tuilabel") as project:
            store = project.open_store()
            store.append([event(1)])
            take_snapshot(project.directory, project.store, store.extent())
            store.close()
            project.save_classes(("a", "b", "c"))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {"p.tuilabel", "logs", "snapshots", "lock", "labels.db", "settings.toml", "store.json"} <= modes.keys()
    assert {name for name, mode in modes.items() if mode & 0o060 != 0o060} == set()
    assert all(mode & stat.S_ISGID for name, mode in modes.items() if name in ("p.tuilabel", "logs", "snapshots"))


GROUP, ADA, BOB = 2000, 1001, 1002


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory of a team, which is group-writable and hands the group down."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, 0, GROUP)
        folder.chmod(0o2775)
        open_project(folder / "warm-up.tuilabel").close()  # imports all that the others need
        yield folder


def add(directory: Path, number: int) -> str:
    """Add an answer as a session does; how many there are, or why it cannot."""
    try:
        with open_project(directory) as project:
            store = project.open_store()
            store.append([event(number)])
            take_snapshot(project.directory, project.store, store.extent())
            project.save_classes(("a", "b"))
            n = len(store.events())
            store.close()
    except TuilabelError as error:
        return str(error)
    return f"{n}"


def test_members_of_a_group_label_in_turn(shared: Path) -> None:
    project = shared / "p.tuilabel"
    add(shared / "warm-up.tuilabel", 1)
    for number, user in enumerate((ADA, BOB, ADA), start=1):
        assert as_user(user, GROUP, lambda number=number: add(project, number)) == f"{number}"  # type: ignore[misc]


def test_the_journal_of_a_killed_colleague_is_named_with_what_to_do(shared: Path) -> None:
    """The next one who opens the store must undo what is in it."""
    project = shared / "p.tuilabel"
    add(shared / "warm-up.tuilabel", 1)
    assert as_user(ADA, GROUP, lambda: add(project, 1)) == "1"
    journal = project / "labels.db-journal"

    def be_killed() -> str:
        connection = sqlite3.connect(project / "labels.db", isolation_level=None)
        for statement in ("PRAGMA cache_size=1", "BEGIN IMMEDIATE", "CREATE TABLE more (x)"):
            connection.execute(statement)
        connection.executemany("INSERT INTO more VALUES (?)", [("x" * 2000,)] * 100)
        journal.chmod(0o600)
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    as_user(ADA, GROUP, be_killed)
    refused = as_user(BOB, GROUP, lambda: add(project, 2))
    assert re.search(
        r"^cannot open .*labels\.db: .*; a program of user 1001 was killed while it wrote, .*labels\.db-journal: "
        r"let user 1001 open the project once, or `chmod g\+rw` that file",
        refused,
    ), refused
    assert as_user(ADA, GROUP, lambda: add(project, 2)) == "2"
    assert as_user(BOB, GROUP, lambda: add(project, 3)) == "3"


def test_a_lock_of_an_older_version_is_understood(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("12345")
    with ProjectLock.take(tmp_path):
        assert [holder.process for holder in holders(tmp_path)] == [os.getpid()]

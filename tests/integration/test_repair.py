"""What happens to a store from outside: it is noticed before an answer is taken, and nothing is lost."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Condition

import pytest

from tests.helpers.events import START, event
from tests.helpers.projects import open_project
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import BackgroundWriter, ClassChange, Event, LabelStore, Project, Round, RoundItem
from tuilabel.labels.keeper import StoreKeeper
from tuilabel.labels.lock import ProjectLock
from tuilabel.labels.rescue import Entry, in_order
from tuilabel.labels.salvage import salvage
from tuilabel.labels.snapshots import snapshots
from tuilabel.project.recovery import backup_project, repair_project, restore_project

CHANGES = [
    ClassChange("c1", "begin", "7", None, "ann", START, 0),
    ClassChange("c2", "add", "owl", None, "bo", START, 0),
    ClassChange("c3", "rename", "owl", "eagle", "bo", START, 0),
]
ROUND = Round(
    1,
    START,
    "margin",
    20,
    0.9,
    100,
    0.1,
    (RoundItem("a", True, "7", 0.5, 0.01), RoundItem("b", False, None, None, None)),
)


def entries_in(path: Path) -> list[Entry]:
    store = LabelStore.read(path)
    try:
        return in_order(store.since())
    finally:
        store.close()


def filled(path: Path, n: int = 60) -> list[Entry]:
    """A store with events, class changes between them, long notes and a round."""
    store = LabelStore.open(path)
    store.add_class_changes(CHANGES[:1])
    store.append([event(k, note="ß" * 9000 if k % 20 == 0 else None, class_name='猫 "7"') for k in range(1, n // 2)])
    store.add_class_changes(CHANGES[1:2])
    store.append([event(k, confidence=None, audit=True) for k in range(n // 2, n)])
    store.add_class_changes(CHANGES[2:])
    store.add_round(ROUND)
    store.add_round(replace(ROUND, number=2))
    store.close()
    return entries_in(path)


def test_everything_is_salvaged_from_a_file_whose_first_page_is_gone(tmp_path: Path) -> None:
    before = filled(tmp_path / "labels.db")
    data = bytearray((tmp_path / "labels.db").read_bytes())
    assert salvage(tmp_path / "labels.db") == before
    data[:4096] = b"x" * 4096
    (tmp_path / "labels.db").write_bytes(data)
    assert salvage(tmp_path / "labels.db") == before


def test_whole_rows_are_salvaged_from_a_file_that_was_cut_short(tmp_path: Path) -> None:
    before = filled(tmp_path / "labels.db", 400)
    data = (tmp_path / "labels.db").read_bytes()
    (tmp_path / "labels.db").write_bytes(data[: len(data) // 2 - 100])
    saved = salvage(tmp_path / "labels.db")
    assert saved == [entry for entry in before if entry in saved]
    assert 50 < len(saved) < len(before)


def test_nothing_is_salvaged_from_rubbish(tmp_path: Path) -> None:
    (tmp_path / "labels.db").write_bytes(bytes(range(256)) * 500 + b"\x0d" * 9000)
    assert salvage(tmp_path / "labels.db") == []


@dataclass
class Desk:
    """A session's writer at work on a project, and what it reports."""

    project: Project
    store: LabelStore
    keeper: StoreKeeper
    writer: BackgroundWriter
    saved: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    heard: Condition = field(default_factory=Condition)

    def on_saved(self, events: object) -> None:
        with self.heard:
            self.saved += [event.key for event in events]  # type: ignore[attr-defined]
            self.heard.notify_all()

    def on_failed(self, reason: str, _waiting: int) -> None:
        with self.heard:
            self.failures.append(reason)
            self.heard.notify_all()

    def label(self, *numbers: int) -> None:
        """Answer, and wait until the ticks are green."""
        self.writer.put(*(event(n) for n in numbers))
        self.writer.flush()

    def failure(self) -> str:
        """What the screen says, once it says something."""
        with self.heard:
            assert self.heard.wait_for(lambda: self.failures, 30)
            return self.failures[-1]

    def close(self) -> Path | None:
        unsaved = self.writer.close()
        rescue = self.keeper.close(unsaved)
        self.store.close()
        self.project.close()
        return rescue


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Opens sessions on the project `p.tuilabel`, which keep their store every 20 ms."""
    opened: list[Desk] = []

    def open_desk(keep_after: float = 0.02) -> Desk:
        project = open_project(tmp_path / "p.tuilabel")
        store = project.open_store()
        settings = project.settings_file.read_text()
        keeper = StoreKeeper(project.directory, project.store, store, settings, store.since())
        desk = Desk(project, store, keeper, None)  # type: ignore[arg-type]
        desk.writer = BackgroundWriter(
            store, desk.on_saved, desk.on_failed, retry_after=0.05, keeper=keeper, keep_after=keep_after
        )
        opened.append(desk)
        return desk

    yield open_desk
    for desk in opened:
        desk.close()


def keys(*numbers: int) -> list[str]:
    return [event(n).key for n in numbers]


def stored(path: Path) -> list[str]:
    return [entry.key for entry in entries_in(path) if isinstance(entry, Event)]


def foreign(path: Path) -> None:
    path.unlink(missing_ok=True)
    store = LabelStore.open(path)
    store.append([event(900), event(901)])
    store.close()


def overwrite(path: Path) -> None:
    """Copy another store over it, as `cp` does: the file stays the same one."""
    foreign(path.with_name("other.db"))
    with path.open("r+b") as file:
        file.write(path.with_name("other.db").read_bytes())
        file.truncate()


def replace_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("away"))
    path.parent.mkdir()
    foreign(path)


FAULTS: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "moved": lambda path: path.rename(path.with_name("away.db")),
    "replaced": foreign,
    "overwritten": overwrite,
    "emptied": lambda path: os.truncate(path, 0),
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "rubbish": lambda path: path.write_bytes(b"rubbish" * 4000),
    "directory deleted": lambda path: shutil.rmtree(path.parent),
    "directory moved": lambda path: path.parent.rename(path.parent.with_name("away")),
    "directory replaced": replace_directory,
}


def to_label(directory: Path) -> None:
    with open_project(directory) as project:
        project.open_store().close()


def to_read(directory: Path) -> None:
    Project.read(directory).read_store().close()


@pytest.mark.parametrize("fault", FAULTS)
def test_no_answer_is_lost_whatever_happens_to_the_store(
    desks: Callable[..., Desk], tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    earlier = desks()
    earlier.label(1, 2)
    earlier.close()
    desk = desks(keep_after=30.0)  # nothing but the next key finds out
    desk.label(3)
    desk.label(4, 5)
    FAULTS[fault](desk.project.store)
    desk.writer.put(event(6))
    assert "`tuilabel repair`" in desk.failure()
    assert event(6).key not in desk.saved
    assert desk.saved == keys(3, 4, 5)
    rescue = desk.close()
    assert rescue is not None
    repaired = repair_project(project=tmp_path / "p.tuilabel")
    assert repaired.missing == 0
    assert stored(tmp_path / "p.tuilabel/labels.db") == keys(1, 2, 3, 4, 5, 6)
    with open_project(tmp_path / "p.tuilabel") as project:
        project.open_store().close()
    assert not rescue.exists()
    assert repair_project(project=tmp_path / "p.tuilabel").events == 6  # nothing to do


@pytest.mark.parametrize("fault", ["deleted", "replaced", "emptied", "cut short", "directory deleted"])
def test_a_lost_store_is_reported_before_the_next_key(desks: Callable[..., Desk], fault: str) -> None:
    desk = desks()
    desk.label(1)
    FAULTS[fault](desk.project.store)
    assert "all answers are in" in desk.failure()


def test_what_a_session_reads_back_of_its_own_is_not_kept_twice(desks: Callable[..., Desk]) -> None:
    """Its memory would grow twice as fast."""
    desk = desks(keep_after=1000.0)
    desk.label(1, 2)
    desk.keeper.saw(desk.store.since())
    gc.collect()
    kept = [entry.key for entry in gc.get_objects() if type(entry) is Event and entry.key in keys(1, 2)]
    assert sorted(kept) == sorted(keys(1, 2))


def test_labelling_goes_on_when_the_store_is_back(desks: Callable[..., Desk], tmp_path: Path) -> None:
    desk = desks()
    desk.label(1)
    away = desk.project.store.rename(tmp_path / "away.db")
    desk.writer.put(event(2))
    desk.failure()
    away.rename(desk.project.store)
    desk.writer.flush()
    assert desk.saved == keys(1, 2)
    assert desk.close() is None
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.mark.parametrize("fault", ["deleted", "emptied", "cut short", "replaced", "rubbish"])
@pytest.mark.parametrize("open_it", [to_label, to_read])
def test_a_store_that_is_not_the_one_it_was_is_never_taken_as_new(
    desks: Callable[..., Desk], tmp_path: Path, fault: str, open_it: Callable[[Path], None]
) -> None:
    desk = desks()
    desk.label(*range(1, 40))
    desk.close()
    FAULTS[fault](tmp_path / "p.tuilabel/labels.db")
    before = sorted(path.name for path in (tmp_path / "p.tuilabel").iterdir())
    with pytest.raises(TuilabelError, match=r"run `tuilabel repair"):
        open_it(tmp_path / "p.tuilabel")
    assert sorted(path.name for path in (tmp_path / "p.tuilabel").iterdir()) == before
    repaired = repair_project(project=tmp_path / "p.tuilabel")
    assert repaired.missing == 0
    assert stored(tmp_path / "p.tuilabel/labels.db") == keys(*range(1, 40))


def test_the_twin_knows_of_the_first_answer_at_once(desks: Callable[..., Desk], tmp_path: Path) -> None:
    """A session is killed before it has had time for anything else, and the store is deleted."""
    desk = desks(keep_after=30.0)
    desk.label(1)
    (tmp_path / "p.tuilabel/labels.db").unlink()
    with pytest.raises(TuilabelError, match=r"is gone, and it had 1 event: .*run `tuilabel repair"):
        to_read(tmp_path / "p.tuilabel")


def test_an_older_copy_in_the_place_of_a_store_is_reported(desks: Callable[..., Desk], tmp_path: Path) -> None:
    desk = desks()
    desk.label(1)
    shutil.copy(desk.project.store, tmp_path / "older.db")
    desk.label(2, 3)
    desk.close()
    shutil.copy(tmp_path / "older.db", tmp_path / "p.tuilabel/labels.db")
    with pytest.raises(TuilabelError, match=r"had 3 events.* and has 1 and"):
        Project.read(tmp_path / "p.tuilabel").read_store()


def test_a_project_without_answers_may_lose_its_store(tmp_path: Path) -> None:
    with open_project(tmp_path / "p.tuilabel") as project:
        project.open_store().close()
        project.store.unlink()
        project.open_store().close()


def test_snapshots_are_taken_at_each_start_and_the_last_five_are_kept(
    desks: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.labels.keeper.EVERY", 10)
    for start in range(0, 140, 20):
        desk = desks()
        desk.label(*range(start, start + 10))
        desk.label(*range(start + 10, start + 20))
        desk.close()
    kept = snapshots(tmp_path / "p.tuilabel")
    assert len(kept) == 5
    assert stored(kept[-1]) == keys(*range(140))
    desks().close()
    assert snapshots(tmp_path / "p.tuilabel") == kept  # nothing has changed


def test_a_backup_is_made_during_a_session_and_restored_after_it(desks: Callable[..., Desk], tmp_path: Path) -> None:
    directory, file = tmp_path / "p.tuilabel", tmp_path / "monday.db"
    desk = desks()
    desk.label(1, 2)
    assert backup_project(file, project=directory).events == 2
    with pytest.raises(UsageError, match="exists"):
        backup_project(file, project=directory)
    desk.label(3)
    with pytest.raises(TuilabelError, match="is being worked on by"):
        restore_project(file, project=directory)
    desk.close()
    restored = restore_project(file, project=directory)
    assert stored(directory / "labels.db") == keys(1, 2)
    assert restored.set_aside is not None
    assert stored(restored.set_aside) == keys(1, 2, 3)
    with open_project(directory) as project:
        project.open_store().close()
    repair_project(project=directory, backups=[restored.set_aside])
    assert stored(directory / "labels.db") == keys(1, 2, 3)


def test_a_backup_of_another_project_is_not_restored(desks: Callable[..., Desk], tmp_path: Path) -> None:
    desk = desks()
    desk.label(1)
    desk.close()
    foreign(tmp_path / "other.db")
    with pytest.raises(TuilabelError, match="is of another project"):
        restore_project(tmp_path / "other.db", project=tmp_path / "p.tuilabel")
    assert stored(tmp_path / "p.tuilabel/labels.db") == keys(1)


def test_what_is_repaired_is_as_it_was_written(tmp_path: Path) -> None:
    directory = tmp_path / "p.tuilabel"
    with open_project(directory) as project:
        project.open_store().close()
    before = filled(directory / "labels.db", 300)
    data = bytearray((directory / "labels.db").read_bytes())
    data[:4096] = b"x" * 4096
    (directory / "labels.db").write_bytes(data)
    repaired = repair_project(project=directory)
    assert entries_in(directory / "labels.db") == before
    assert repaired.set_aside is not None
    assert repaired.set_aside.read_bytes() == data


def test_a_store_of_a_newer_version_is_not_repaired(tmp_path: Path) -> None:
    """It would be set aside as damaged, and what this version does not know of it be dropped."""
    with open_project(tmp_path / "p") as project:
        project.open_store().close()
    with closing(sqlite3.connect(project.store)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(TuilabelError, match=r"newer version of tuilabel \(format 99\)"):
        repair_project(project=tmp_path / "p")
    assert [path.name for path in (tmp_path / "p").glob("labels*")] == ["labels.db"]


def test_nothing_is_repaired_while_somebody_is_in(tmp_path: Path) -> None:
    with open_project(tmp_path / "p.tuilabel") as project:
        project.open_store().close()
    with ProjectLock.take(tmp_path / "p.tuilabel"), pytest.raises(TuilabelError, match="is being worked on by"):
        repair_project(project=tmp_path / "p.tuilabel")

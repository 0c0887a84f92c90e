"""Labels are trusted with hours of work: never lost, never changed, never written twice."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.events import START, event
from tests.helpers.projects import open_project
from tuilabel.datasets import DatasetRef
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import (
    BackgroundWriter,
    ClassChange,
    Event,
    LabelStore,
    Project,
    Round,
    RoundItem,
    current_answers,
)
from tuilabel.labels.events import Kind
from tuilabel.labels.store.schema import events as EVENTS

ROUND = Round(
    3,
    START,
    "margin",
    20,
    0.93,
    1_000,
    0.1,
    (RoundItem("a", True, "7", 0.5, 0.01), RoundItem("b", False, None, None, None)),
)


@pytest.fixture
def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = LabelStore.open(tmp_path / "labels.db")
    yield opened
    opened.close()


def test_what_is_written_is_read_back(store: LabelStore, tmp_path: Path) -> None:
    events = [
        event(1),
        event(2, kind="skip", query_probability=0.5, audit=True),
        event(3, kind="undo", undoes=event(1).key),
    ]
    store.append(events)
    store.add_round(ROUND)
    again = LabelStore.open(tmp_path / "labels.db")
    assert again.events() == events
    assert again.rounds() == [ROUND]
    again.close()


def test_an_event_is_never_written_twice(store: LabelStore) -> None:
    store.append([event(1)])
    store.append([event(1), event(2)])
    assert store.events() == [event(1), event(2)]


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET class_name='0'", "DELETE FROM events", "DELETE FROM round_items"]
)
def test_stored_rows_cannot_be_changed(store: LabelStore, tmp_path: Path, statement: str) -> None:
    store.append([event(1)])
    store.add_round(ROUND)
    with (
        sqlite3.connect(tmp_path / "labels.db") as connection,
        pytest.raises(sqlite3.IntegrityError, match="never changed"),
    ):
        connection.execute(statement)
    connection.close()


def test_commits_are_flushed_to_disk(store: LabelStore, tmp_path: Path) -> None:
    with store._database.engine.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "delete"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 3  # EXTRA: the directory, too


def test_the_file_is_complete_after_each_commit(store: LabelStore, tmp_path: Path) -> None:
    store.append([event(1), event(2)])
    (tmp_path / "copy.db").write_bytes((tmp_path / "labels.db").read_bytes())
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["copy.db", "labels.db"]
    copy = LabelStore.open(tmp_path / "copy.db")
    assert copy.events() == [event(1), event(2)]
    copy.close()


def test_written_labels_survive_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tuilabel.labels import LabelStore; "
        "sys.path.insert(0, sys.argv[2]); from tests.helpers.events import event; "
        "LabelStore.open(Path(sys.argv[1])).append([event(1), event(2)]); os.kill(os.getpid(), 9)"
    )
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "labels.db"), root], check=False)
    store = LabelStore.open(tmp_path / "labels.db")
    assert store.events() == [event(1), event(2)]
    store.close()


def fill_disk(store: LabelStore) -> None:
    """Make SQLite report a full disk from now on."""

    @sa.event.listens_for(store._database.engine, "begin")
    def _limit(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")


def test_a_full_disk_is_reported_and_loses_nothing(store: LabelStore) -> None:
    store.append([event(1)])
    fill_disk(store)
    with pytest.raises(TuilabelError, match=r"cannot write .*labels\.db: database or disk is full; make room"):
        store.append([event(k, annotator="x" * 9000) for k in range(2, 9)])
    assert store.events() == [event(1)]


def test_a_file_that_is_not_a_store_is_reported(tmp_path: Path) -> None:
    (tmp_path / "labels.db").write_text("not a database" * 1000)
    with pytest.raises(TuilabelError, match="file is not a database"):
        LabelStore.open(tmp_path / "labels.db")
    with pytest.raises(TuilabelError, match="no labels at"):
        LabelStore.read(tmp_path / "other.db")


FORMAT_2 = """
CREATE TABLE about (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE events (number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "key" VARCHAR(32) NOT NULL UNIQUE,
 kind VARCHAR(8) NOT NULL, item VARCHAR(32) NOT NULL, class_name TEXT, annotator TEXT NOT NULL, at VARCHAR(32) NOT NULL,
 milliseconds INTEGER NOT NULL, round INTEGER NOT NULL, strategy TEXT NOT NULL, query_probability DOUBLE,
 model INTEGER, predicted TEXT, confidence DOUBLE, audit BOOLEAN NOT NULL, undoes VARCHAR(32), note TEXT,
 step VARCHAR(32));
CREATE TABLE class_changes (number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "key" VARCHAR(32) NOT NULL UNIQUE,
 kind VARCHAR(8) NOT NULL, name TEXT NOT NULL, "into" TEXT, annotator TEXT NOT NULL, at VARCHAR(32) NOT NULL,
 after INTEGER NOT NULL, undoes VARCHAR(32));
CREATE TABLE rounds ("row" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL,
 asked_at VARCHAR(32) NOT NULL, strategy TEXT NOT NULL, model INTEGER, test_accuracy DOUBLE, mean_uncertainty DOUBLE);
CREATE TABLE round_items (round_row INTEGER NOT NULL, position INTEGER NOT NULL, item VARCHAR(32) NOT NULL,
 audit BOOLEAN NOT NULL, predicted TEXT, confidence DOUBLE, query_probability DOUBLE, PRIMARY KEY (round_row, position),
 FOREIGN KEY(round_row) REFERENCES rounds ("row"));
CREATE TRIGGER events_update BEFORE UPDATE ON events
 BEGIN SELECT RAISE(ABORT, 'labels are never changed, only added to'); END;
INSERT INTO about VALUES (2);
INSERT INTO rounds VALUES (1, 3, '2026-01-01T00:00:00+00:00', 'margin', 20, 0.93, 0.1);
"""


def test_a_store_of_format_2_has_origins_in_its_strategies(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    written = [("label", "margin"), ("label", "by-class"), ("flag", "history"), ("skip", "review"), ("label", "import"),
               ("note", "note"), ("undo", "margin"), ("undo", "withdraw"), ("undo", "review")]  # fmt: skip
    with sqlite3.connect(path) as connection:
        connection.executescript(FORMAT_2)
        for k, (kind, strategy) in enumerate(written):
            connection.execute(
                'INSERT INTO events ("key", kind, item, class_name, annotator, at, milliseconds, round, strategy, '
                "audit, model) VALUES (?, ?, 'a', '7', 'ann', ?, 640, 1, ?, 0, 20)",
                (f"{k:032x}", kind, START.isoformat(), strategy),
            )
    connection.close()
    opened = LabelStore.open(path)
    new = event(9, origin="history", strategy="withdraw")
    opened.append([new])
    *old, last = opened.events()
    assert [(e.origin, e.strategy) for e in old] == [
        ("batch", "margin"), ("by-class", ""), ("history", ""), ("review", ""), ("import", ""),
        ("direct", ""), ("undo", "margin"), ("withdraw", ""), ("undo", ""),
    ]  # fmt: skip
    assert last == new
    assert {e.trained_on for e in old} == {20}
    opened.add_round(ROUND)
    first, second = opened.rounds()
    assert (first.number, first.trained_on, first.test_accuracy, first.test_size) == (3, 20, 0.93, None)
    assert second == ROUND
    opened.close()
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="never changed"):
        connection.execute("UPDATE events SET origin = 'batch'")
    connection.close()


def test_a_store_of_a_newer_version_is_left_alone(store: LabelStore, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "labels.db") as connection:
        connection.execute("UPDATE about SET version = 99")
    connection.close()
    with pytest.raises(TuilabelError, match="newer version"):
        LabelStore.open(tmp_path / "labels.db")


# -- current answers ---------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["label", "skip", "undo"])), max_size=25))
def test_current_answers_are_those_of_a_stack_for_each_item(actions: list[tuple[str, Kind]]) -> None:
    stacks: dict[str, list[Event]] = {name: [] for name in "abc"}
    events: list[Event] = []
    for number, (item, kind) in enumerate(actions):
        if kind == "undo":
            if stacks[item]:
                events.append(event(number, item, "undo", undoes=stacks[item].pop().key))
            continue
        events.append(event(number, item, kind))
        stacks[item].append(events[-1])
    assert current_answers(events) == {item: stack[-1] for item, stack in stacks.items() if stack}


# -- the writer --------------------------------------------------------------------------------------------------------


class ShakyStore:
    """A store whose first `failures` writes fail."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.entries: list[Event | Round] = []

    def append(self, events: Sequence[Event]) -> None:
        self._fail()
        self.entries.extend(events)

    def add_round(self, row: Round) -> None:
        self._fail()
        self.entries.append(row)

    def add_class_changes(self, changes: Sequence[ClassChange]) -> None:
        raise NotImplementedError

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise TuilabelError("disk is full")


def test_the_background_writer_keeps_the_order_and_reports_what_is_saved() -> None:
    store = ShakyStore(0)
    saved: list[Event] = []
    writer = BackgroundWriter(store, on_saved=saved.extend)
    entries: list[Event | Round] = [event(1), event(2), ROUND, event(3)]
    for entry in entries:
        writer.put_round(entry) if isinstance(entry, Round) else writer.put(entry)
    writer.flush()
    assert store.entries == entries
    assert writer.close() == []
    assert saved == [event(1), event(2), event(3)]


def test_a_failed_write_is_reported_and_retried() -> None:
    store = ShakyStore(2)
    reported: list[tuple[str, int]] = []
    failed = threading.Event()

    def on_failed(reason: str, waiting: int) -> None:
        reported.append((reason, waiting))
        failed.set()

    writer = BackgroundWriter(store, on_failed=on_failed, retry_after=0.01)
    writer.put(event(1))
    assert failed.wait(5)
    writer.put(event(2))
    writer.flush()
    assert store.entries == [event(1), event(2)]
    assert reported[0] == ("disk is full", 1)
    assert writer.close() == []


def test_a_store_that_does_not_answer_is_reported_while_answers_wait_for_it() -> None:
    told, answers = threading.Event(), threading.Event()
    reported: list[tuple[str, int]] = []
    saved: list[Event] = []

    class FrozenStore(ShakyStore):
        def append(self, events: Sequence[Event]) -> None:
            assert answers.wait(10)
            super().append(events)

    def on_failed(reason: str, waiting: int) -> None:
        reported.append((reason, waiting))
        told.set()

    store = FrozenStore(0)
    writer = BackgroundWriter(store, saved.extend, on_failed, slow_after=0.01)
    writer.put(event(1))
    assert told.wait(5)
    answers.set()
    writer.flush()
    assert writer.close() == []
    assert reported == [("the store has not answered for 0.01 s", 1)]
    assert saved == store.entries == [event(1)]


def test_a_round_that_is_finally_written_clears_the_failure() -> None:
    """The screen accepts no answer after a failure: without this message it would never accept one again."""
    saved: list[Sequence[Event]] = []
    writer = BackgroundWriter(ShakyStore(1), on_saved=saved.append, retry_after=0.01)
    writer.put_round(ROUND)
    writer.flush()
    writer.close()
    assert saved == [[]]


def test_closing_returns_what_could_not_be_written() -> None:
    writer = BackgroundWriter(ShakyStore(10**9), retry_after=0.01)
    writer.put(event(1))
    writer.put_round(ROUND)
    assert writer.close() == [event(1)]


# -- projects ----------------------------------------------------------------------------------------------------------


def test_a_project_keeps_its_classes_and_appends_new_ones(tmp_path: Path) -> None:
    with open_project(tmp_path / "p", named=("cat", "dog")) as project:
        assert project.classes == ("cat", "dog")
        assert project.logs.is_dir()
    with open_project(tmp_path / "p") as project:
        assert project.classes == ("cat", "dog")
    with open_project(tmp_path / "p", named=("cat", "dog", "owl")):
        pass
    assert Project.read(tmp_path / "p").classes == ("cat", "dog", "owl")
    with pytest.raises(UsageError, match="has the classes cat,dog,owl"):
        open_project(tmp_path / "p", named=("dog", "cat", "owl"))


def test_a_project_of_another_dataset_is_refused(tmp_path: Path) -> None:
    open_project(tmp_path / "p").close()
    with pytest.raises(TuilabelError, match="holds labels of mnist, not svhn"):
        open_project(tmp_path / "p", "svhn")
    open_project(tmp_path / "p").close()


def test_a_project_is_opened_by_several_sessions_or_by_one_alone(tmp_path: Path) -> None:
    with open_project(tmp_path / "p"), open_project(tmp_path / "p") as second:
        with pytest.raises(TuilabelError, match=r"worked on by .*process \d+"):
            Project.open(tmp_path / "p", "mnist", "f" * 32, ("a", "b"), exclusive=True)
        second.close()
    Project.open(tmp_path / "p", "mnist", "f" * 32, ("a", "b"), exclusive=True).close()


def test_a_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TuilabelError, match="pass another `project`"):
        open_project(tmp_path / "file" / "p")
    with pytest.raises(TuilabelError, match="cannot create the project"):
        open_project(tmp_path / "file")


HAND_WRITTEN = """\
# labels for the zoo
classes = [
    "a",   # ants
    "b",   # bears
    # nocturnal
    "owl",
]   # in the order of the keys
dataset = "mnist"   # see the wiki

fingerprint = "ffffffffffffffffffffffffffffffff"

[keys]   # mine
undo = "backspace"
"""


@pytest.mark.parametrize(
    ("classes", "before", "after"),
    [
        (("a", "b", "owl", "yak"), '    "owl",\n', '    "owl",\n    "yak",\n'),
        (("ant", "b", "owl"), '"a",   # ants', '"ant",   # ants'),
        (("a", "owl"), '    "b",   # bears\n', ""),
    ],
)
def test_a_class_change_keeps_comments_and_layout_of_the_settings(
    tmp_path: Path, classes: tuple[str, ...], before: str, after: str
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(HAND_WRITTEN)
    with open_project(tmp_path) as project:
        assert settings.read_text() == HAND_WRITTEN
        project.save_classes(classes)
    assert settings.read_text() == HAND_WRITTEN.replace(before, after)
    assert Project.read(tmp_path).classes == classes


def test_images_that_moved_are_noted_above_the_tables_of_the_settings(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(HAND_WRITTEN)
    Project.open(tmp_path, "zoo", "e" * 32, ("a", "b"), source=DatasetRef("/pictures/zoo"), moved=True).close()
    text = settings.read_text()
    assert 'dataset = "zoo"   # see the wiki\n' in text
    assert Project.read(tmp_path).source == DatasetRef("/pictures/zoo")
    assert text.partition("[keys]")[2] == HAND_WRITTEN.partition("[keys]")[2]


@pytest.mark.parametrize("labels_from_folders", [True, False])
def test_the_source_is_kept_as_earlier_versions_kept_it(tmp_path: Path, labels_from_folders: bool) -> None:
    ref = DatasetRef("/pictures/zoo", labels_from_folders=labels_from_folders)
    Project.open(tmp_path, "zoo", "e" * 32, ("a", "b"), source=ref).close()
    line = 'source = "/pictures/zoo?labels=folders"' if labels_from_folders else 'source = "/pictures/zoo"'
    assert line in (tmp_path / "settings.toml").read_text().splitlines()
    assert Project.read(tmp_path).source == ref


def test_a_built_in_dataset_needs_no_source_in_the_settings(tmp_path: Path) -> None:
    Project.open(tmp_path, "mnist", "e" * 32, ("a", "b"), source=DatasetRef("mnist")).close()
    assert "source" not in (tmp_path / "settings.toml").read_text()
    assert Project.read(tmp_path).source == DatasetRef("mnist")


def test_images_whose_path_is_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TuilabelError, match=r"/p/\\udcff is not; rename that directory"):
        Project.open(tmp_path, "p", "f" * 32, ("a",), source=DatasetRef("/p/\udcff"))


def test_settings_that_another_editor_saved_keep_their_line_ends(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_bytes(HAND_WRITTEN.replace("\n", "\r\n").encode())
    with open_project(tmp_path) as project:
        project.save_classes(("ant", "b", "owl"))
    assert settings.read_bytes() == HAND_WRITTEN.replace('"a"', '"ant"').replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    "content",
    ["dataset = ", "dataset = 3\nclasses = []", "classes = ['a']", "\xff", "dataset = 'mnist'\nclasses = 'ab'"],
)
def test_damaged_settings_are_reported(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.toml").write_bytes(content.encode("latin1"))
    with pytest.raises(TuilabelError, match=r"settings\.toml is damaged"):
        open_project(tmp_path)
    with pytest.raises(TuilabelError, match=r"settings\.toml is damaged"):
        Project.read(tmp_path)


def test_a_project_of_others_is_not_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_project(tmp_path / "p").close()
    (tmp_path / "p/lock").unlink()
    monkeypatch.setattr("os.access", lambda path, _mode: path != tmp_path / "p")
    with pytest.raises(TuilabelError, match=r"may only be read, as `tuilabel stats`.*: copy it"):
        open_project(tmp_path / "p")
    assert not (tmp_path / "p/lock").exists()


@pytest.fixture
def nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that this process has not written; root may write whatever its mode is, so that is all there is to it."""
    monkeypatch.setattr("tuilabel.labels.store.sqlite._ROLLBACK", set())
    folder = tmp_path / "theirs"
    folder.mkdir()
    return folder / "labels.db"


def test_a_store_is_read_without_leaving_anything_behind(nobodys: Path) -> None:
    store = LabelStore.open(nobodys)
    store.append([event(1)])
    store.close()
    before = nobodys.stat()
    reading = LabelStore.read(nobodys)
    assert reading.events() == [event(1)]
    reading.close()
    assert [path.name for path in nobodys.parent.iterdir()] == ["labels.db"]
    assert (nobodys.stat().st_mtime_ns, nobodys.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_the_write_ahead_log_of_an_older_version_is_read_and_converted(nobodys: Path, tmp_path: Path) -> None:
    store = LabelStore.open(tmp_path / "labels.db")
    with closing(sqlite3.connect(tmp_path / "labels.db")) as older:
        older.execute("PRAGMA journal_mode=WAL")
        columns = ", ".join(column.name for column in EVENTS.columns if column.name != "number")
        store.append([event(1)])
        store.close()
        older.execute(f"INSERT INTO events ({columns}) SELECT {columns.replace('key', '?', 1)} FROM events", ["b" * 32])
        older.commit()
        for name in ("labels.db", "labels.db-wal"):  # as a snapshot of a disk has them
            shutil.copyfile(tmp_path / name, nobodys.parent / name)
    both = sorted(nobodys.parent.iterdir())
    for opening, left in ((LabelStore.read, both), (LabelStore.open, [nobodys])):
        opened = opening(nobodys)
        assert [stored.key for stored in opened.events()] == [event(1).key, "b" * 32]
        opened.close()
        assert sorted(nobodys.parent.iterdir()) == left


def test_a_half_written_transaction_is_not_read(nobodys: Path, tmp_path: Path) -> None:
    """A process was killed while it wrote: the journal says what was there before."""
    store = LabelStore.open(tmp_path / "labels.db")
    store.append([event(1)])
    with closing(sqlite3.connect(tmp_path / "labels.db")) as killed:
        killed.execute("PRAGMA cache_spill=2")
        killed.execute("PRAGMA cache_size=2")
        killed.execute("CREATE TABLE more (text)")
        killed.executemany("INSERT INTO more VALUES (?)", [("x" * 3000,)] * 50)
        for name in ("labels.db", "labels.db-journal"):
            shutil.copyfile(tmp_path / name, nobodys.parent / name)
        killed.rollback()
    store.close()
    assert nobodys.stat().st_size > (tmp_path / "labels.db").stat().st_size
    reading = LabelStore.read(nobodys)
    assert reading.events() == [event(1)]
    reading.close()
    assert len(list(nobodys.parent.iterdir())) == 2


def test_what_a_team_shares_is_writable_for_its_group(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    before = os.umask(0o022)
    try:
        LabelStore.open(tmp_path / "labels.db").close()
        (tmp_path / "mine").mkdir(mode=0o755)
        (tmp_path / "mine").chmod(0o755)
        LabelStore.open(tmp_path / "mine" / "labels.db").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "labels.db").stat().st_mode) == 0o664
    assert stat.S_IMODE((tmp_path / "mine" / "labels.db").stat().st_mode) == 0o644


def test_reading_a_store_of_an_older_format_does_not_change_it(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    connection = sqlite3.connect(path)
    connection.executescript(FORMAT_2)
    connection.close()
    before = path.read_bytes()
    reading = LabelStore.read(path)
    reading.events()
    reading.close()
    assert path.read_bytes() == before


def test_a_project_remembers_its_guideline_and_the_keys_of_its_classes(tmp_path: Path) -> None:
    with Project.open(tmp_path / "p", "mnist", "f", ("cat", "dog")) as project:
        assert project.guideline is None
        project.remember_guideline(tmp_path / "rules.md")
        project.remember_class_keys({"cat": "c", "dog": "d"})
        project.remember_class_keys({"cat": "k", "owl": "o"})
    settings = tmp_path / "p" / "settings.toml"
    again = Project.read(tmp_path / "p")
    assert again.guideline == tmp_path / "rules.md"
    assert again.settings["class-keys"] == {"cat": "k", "owl": "o"}
    settings.write_text(settings.read_text().replace(f'"{tmp_path / "rules.md"}"', '"rules.md"'))
    assert Project.read(tmp_path / "p").guideline == tmp_path / "p" / "rules.md"
    settings.write_text(settings.read_text().replace('"rules.md"', "3"))
    with pytest.raises(TuilabelError, match="guideline must be the path of a file"):
        _ = Project.read(tmp_path / "p").guideline

"""Classes are added, renamed and merged while labelling, and no label loses its meaning."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.events import START, event
from tests.helpers.projects import open_project
from tests.helpers.sessions import RecordingTrainer, SessionMaker, answer_all, item_at
from tests.helpers.toy import Toy
from tuilabel.errors import UsageError
from tuilabel.labels import (
    BackgroundWriter,
    ClassBook,
    ClassChange,
    Event,
    InlineWriter,
    LabelStore,
    Project,
    current_answers,
    with_current_names,
)
from tuilabel.labels.exchange import resolve_answers
from tuilabel.session import LabellingSession


def change(kind: str, name: str, into: str | None = None, *, after: int = 0, undoes: str | None = None) -> ClassChange:
    key = f"{kind} {name} {into} {after} {undoes}"
    return ClassChange(key, kind, name, into, "ann", START, after, undoes)  # type: ignore[arg-type]


BEGUN = [change("begin", "cat"), change("begin", "dog"), change("begin", "owl")]


# -- meaning of names --------------------------------------------------------------------------------------------------


def names_now(events_in: list[str], changes: list[ClassChange]) -> list[str | None]:
    events = [event(k, class_name=name) for k, name in enumerate(events_in)]
    return [e.class_name for e in with_current_names(events, [*BEGUN, *changes])]


def test_labels_follow_their_class_through_renames_and_merges() -> None:
    changes = [
        change("rename", "cat", "kitten", after=1),
        change("merge", "owl", "dog", after=2),
        change("rename", "dog", "beast", after=3),
    ]
    assert names_now(["cat", "owl", "dog", "kitten"], changes) == ["kitten", "beast", "beast", "kitten"]


def test_a_reused_class_name_captures_no_old_labels() -> None:
    changes = [change("rename", "cat", "kitten", after=1), change("add", "cat", after=2)]
    assert names_now(["cat", "kitten", "cat"], changes) == ["kitten", "kitten", "cat"]
    merged = [change("merge", "cat", "dog", after=1), change("add", "cat", after=1)]
    assert names_now(["cat", "cat"], merged) == ["dog", "cat"]


def test_a_label_of_a_colleague_who_has_not_seen_the_rename_yet_counts() -> None:
    changes = [change("rename", "cat", "kitten", after=1), change("merge", "owl", "dog", after=1)]
    assert names_now(["cat", "cat", "owl"], changes) == ["kitten", "kitten", "dog"]


def test_two_annotators_who_add_one_class_get_one_class() -> None:
    book = ClassBook([*BEGUN, change("add", "fox", after=1), change("add", "fox", after=2), change("begin", "cat")])
    assert book.names == ("cat", "dog", "owl", "fox")
    assert book.initial_names == ("cat", "dog", "owl")
    book.apply(change("undo", "fox", after=3, undoes="add fox None 1 None"))
    assert "fox" in book.names  # the other annotator added it as well


def test_no_two_classes_ever_have_one_name() -> None:
    rename, back = change("rename", "cat", "kitten"), change("undo", "cat", "kitten", undoes="rename cat kitten 0 None")
    assert ClassBook([*BEGUN, change("rename", "cat", "dog")]).names == ("cat", "dog", "owl")
    assert ClassBook([*BEGUN, rename, change("add", "cat"), back]).names == ("kitten", "dog", "owl", "cat")


def test_undoing_a_merge_restores_the_class_of_every_label() -> None:
    merge = change("merge", "cat", "dog", after=2)
    changes = [merge, change("undo", "cat", "dog", after=3, undoes=merge.key)]
    assert names_now(["cat", "dog", "dog"], changes) == ["cat", "dog", "dog"]
    again = change("redo", "cat", "dog", after=3, undoes=merge.key)
    assert names_now(["cat", "dog", "dog"], [*changes, again]) == ["dog", "dog", "dog"]


def test_class_ids_stay_when_classes_come_and_go() -> None:
    book = ClassBook([*BEGUN, change("merge", "dog", "cat"), change("add", "emu")])
    assert (book.names, book.class_ids) == (("cat", "owl", "emu"), (0, 2, 3))
    assert [book.position(slot) for slot in range(5)] == [0, 0, 1, 2, None]


# -- the store ---------------------------------------------------------------------------------------------------------


OLD_SCHEMA = """
CREATE TABLE about (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE events (number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "key" VARCHAR(32) NOT NULL UNIQUE,
 kind VARCHAR(8) NOT NULL, item VARCHAR(32) NOT NULL, class_name TEXT, annotator TEXT NOT NULL, at VARCHAR(32) NOT NULL,
 milliseconds INTEGER NOT NULL, round INTEGER NOT NULL, strategy TEXT NOT NULL, query_probability DOUBLE,
 model INTEGER, predicted TEXT, confidence DOUBLE, audit BOOLEAN NOT NULL, undoes VARCHAR(32));
CREATE TABLE rounds ("row" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL,
 asked_at VARCHAR(32) NOT NULL, strategy TEXT NOT NULL, model INTEGER, test_accuracy DOUBLE, mean_uncertainty DOUBLE);
CREATE TABLE round_items (round_row INTEGER NOT NULL, position INTEGER NOT NULL, item VARCHAR(32) NOT NULL,
 audit BOOLEAN NOT NULL, predicted TEXT, confidence DOUBLE, query_probability DOUBLE, PRIMARY KEY (round_row, position),
 FOREIGN KEY(round_row) REFERENCES rounds ("row"));
CREATE TRIGGER events_update BEFORE UPDATE ON events
 BEGIN SELECT RAISE(ABORT, 'labels are never changed, only added to'); END;
INSERT INTO about VALUES (1);
"""


def old_store(path: Path, items: list[tuple[str, str]]) -> None:
    """A store as format 1 made it, with labels (item, class)."""
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD_SCHEMA)
        for k, (item, name) in enumerate(items):
            values = (f"{k:032x}", "label", item, name, "ann", START.isoformat(), 640, 1, "coverage", False)
            connection.execute(
                'INSERT INTO events ("key", kind, item, class_name, annotator, at, milliseconds, round, strategy, '
                "audit) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
    connection.close()


def test_a_store_of_format_1_opens_with_every_label_and_accepts_new_events(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    old_store(path, [("a" * 32, "7"), ("b" * 32, "3")])
    store = LabelStore.open(path)
    assert [(e.class_name, e.note, e.step) for e in store.events()] == [("7", None, None), ("3", None, None)]
    assert store.class_changes() == []
    store.append([event(9, kind="note", note="odd", step="s")])
    store.add_class_changes(BEGUN[:1])
    store.close()
    again = LabelStore.open(path)
    assert again.events()[-1] == event(9, kind="note", note="odd", step="s")
    assert again.class_changes() == [replace(BEGUN[0], after=3)]
    again.close()
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="never changed"):
        connection.execute("DELETE FROM class_changes")
    connection.close()


def test_labels_of_a_format_1_store_follow_later_changes(toy: Toy, make_session: SessionMaker, tmp_path: Path) -> None:
    old_store(tmp_path / "labels.db", [(toy.pool.ids[k].decode(), "a") for k in range(3)])
    session = make_session(toy)
    assert session.statistics().class_counts == (3, 0, 0)
    session.rename_class(0, "z")
    session.add_class("a")
    assert make_session(toy).statistics().class_counts == (3, 0, 0, 0)


def test_class_changes_are_written_once_and_in_order(tmp_path: Path) -> None:
    store = LabelStore.open(tmp_path / "labels.db")
    writer = BackgroundWriter(store)
    writer.put(event(1), event(2))
    writer.put_class_changes(*BEGUN)
    writer.put_class_changes(BEGUN[0])
    writer.put(event(3))
    assert writer.close() == []
    assert store.class_changes() == [replace(change, after=2) for change in BEGUN]
    assert store.events() == [event(1), event(2), event(3)]
    store.close()


def test_a_bulk_confirmation_is_one_transaction(toy: Toy, make_session: SessionMaker, tmp_path: Path) -> None:
    store = LabelStore.open(tmp_path / "labels.db")
    wrote: list[int] = []

    class Counting(InlineWriter):
        def put(self, *events: Event) -> None:
            wrote.append(len(events))
            super().put(*events)

    session = make_session(toy, writer=Counting(store))
    in_batch = {item.index for item in session.batch.items} if session.batch else set()
    session.confirm_class([i for i in range(40) if i not in in_batch][:20], 1)
    assert wrote == [20]
    store.close()


def test_notes_are_not_answers() -> None:
    events = [event(1), event(2, event(1).item, "note", note="blurred"), event(3, event(1).item, "note", note="sharp")]
    assert current_answers(events) == {event(1).item: event(1)}


def test_export_writes_the_current_class_names() -> None:
    events = with_current_names([event(1, class_name="cat")], [*BEGUN, change("rename", "cat", "kitten", after=1)])
    assert [event.class_name for event in resolve_answers(events).labels] == ["kitten"]


# -- the project -------------------------------------------------------------------------------------------------------


def change_in(project: Project, *changes: ClassChange) -> None:
    store = LabelStore.open(project.store)
    store.add_class_changes([*BEGUN, *changes])
    store.close()


def test_the_store_wins_when_the_settings_are_behind(tmp_path: Path) -> None:
    with open_project(tmp_path / "p", named=("cat", "dog", "owl")) as project:
        change_in(project, change("rename", "cat", "kitten"), change("merge", "owl", "dog"), change("add", "emu"))
    with open_project(tmp_path / "p") as project:
        assert project.classes == ("kitten", "dog", "emu")
    assert Project.read(tmp_path / "p").classes == ("kitten", "dog", "emu")
    with open_project(tmp_path / "p", named=("kitten", "dog", "emu", "fox")) as project:
        assert project.classes == ("kitten", "dog", "emu", "fox")


def test_an_old_command_line_still_opens_the_project(tmp_path: Path) -> None:
    with open_project(tmp_path / "p", named=("cat", "dog", "owl")) as project:
        change_in(project, change("rename", "cat", "kitten"), change("merge", "owl", "dog"))
    with open_project(tmp_path / "p", named=("cat", "dog", "owl")) as project:
        assert project.classes == ("kitten", "dog")
    with pytest.raises(UsageError, match="has the classes kitten,dog"):
        open_project(tmp_path / "p", named=("dog", "cat"))
    with pytest.raises(UsageError, match="called owl before"):
        open_project(tmp_path / "p", named=("kitten", "dog", "owl"))


def test_settings_follow_the_classes_and_keep_other_keys(tmp_path: Path) -> None:
    with open_project(tmp_path / "p") as project:
        project.save_classes(("a", "c"))
    assert Project.read(tmp_path / "p").classes == ("a", "c")
    assert "fingerprint" in (tmp_path / "p" / "settings.toml").read_text()


# -- the session -------------------------------------------------------------------------------------------------------


def test_a_renamed_class_keeps_labels_key_and_test_accuracy(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 2)
    before = session.statistics()
    session.rename_class(1, " bee ")
    assert (session.classes, session.class_ids) == (("a", "bee", "c"), (0, 1, 2))
    after = session.statistics()
    assert (after.class_counts, after.test_accuracy) == (before.class_counts, before.test_accuracy)
    again = make_session(toy)
    assert (again.classes, again.statistics().class_counts) == (session.classes, before.class_counts)
    names = {event.class_name for entry in again.history() if (event := again.answer_at(entry.index))}
    assert names == {"a", "bee", "c"}


def test_merged_classes_count_as_one_also_on_test_images(toy: Toy, make_session: SessionMaker) -> None:
    trainer = RecordingTrainer(toy)
    session = make_session(toy, trainer=trainer)
    answer_all(session, toy, 2)
    counts = session.statistics().class_counts
    session.merge_classes(0, 2)
    assert (session.classes, session.class_ids) == (("b", "c"), (1, 2))
    assert session.statistics().class_counts == (counts[1], counts[0] + counts[2])
    request = trainer.requests[-1]
    assert request.n_classes == 2
    assert request.target_of is not None
    assert request.target_of.tolist() == [1, 0, 1]
    accuracy = session.statistics().test_accuracy
    assert accuracy is not None
    assert accuracy > 0.9
    assert session.batch is not None
    assert all(item.predicted in (0, 1, None) for item in session.batch.items)
    answer = session.answer_at(int(session.labels()[0][0]))
    assert answer is not None
    assert answer.class_name in ("b", "c")
    session.undo()
    assert (session.classes, session.statistics().class_counts) == (("a", "b", "c"), counts)
    session.redo()
    assert session.statistics().class_counts == (counts[1], counts[0] + counts[2])
    assert make_session(toy).statistics().class_counts == session.statistics().class_counts


def test_predictions_on_the_screen_stay_right_when_class_positions_change(toy: Toy, make_session: SessionMaker) -> None:
    trainer = RecordingTrainer(toy)
    session = make_session(toy, trainer=trainer)
    answer_all(session, toy, 2)
    assert session.batch is not None
    names = [session.classes[item.predicted] for item in session.batch.items if item.predicted is not None]
    trainer.paused = True
    session.merge_classes(0, 1)
    assert session.batch is not None
    now = [session.classes[item.predicted] for item in session.batch.items if item.predicted is not None]
    assert now == ["b" if name == "a" else name for name in names]
    assert len(now) == len(session.batch.items)


def test_results_from_before_a_merge_are_dropped(toy: Toy, make_session: SessionMaker) -> None:
    trainer = RecordingTrainer(toy)
    session = make_session(toy, trainer=trainer)
    answer_all(session, toy, 2)
    session.label(item_at(session, 0), 0)
    old = trainer.results[-1]
    session.merge_classes(0, 2)
    newest = session.result
    session.handle(replace(old, serial=old.serial))
    assert session.result is newest


def test_an_added_class_is_usable_at_once_and_removable_only_while_unused(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    assert session.add_class("d") == 3
    session.label(item_at(session, 0), 3)
    assert session.statistics().class_counts[3] == 1
    bob = make_session(toy, annotator="bob")
    assert not bob.can_undo
    session.undo()
    session.undo()
    assert session.classes == ("a", "b", "c")
    session.redo()
    session.redo()
    assert session.statistics().class_counts[3] == 1
    assert session.class_ids == (0, 1, 2, 3)


def test_undo_skips_a_class_that_others_use(toy: Toy, make_session: SessionMaker) -> None:
    ann = make_session(toy)
    ann.label(item_at(ann, 0), 0)
    ann.add_class("d")
    make_session(toy, annotator="bob").label(1, 3)
    ann = make_session(toy)
    ann.undo()
    assert ann.classes == ("a", "b", "c", "d")
    assert ann.statistics().class_counts == (0, 0, 0, 1)
    assert not ann.can_undo


def test_a_project_starts_without_classes_and_gets_a_model_from_two_on(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, classes=())
    assert session.batch is not None, "the first batch needs no class"
    assert session.batch.strategy == "coverage"
    truth = toy.truth(item_at(session, 0))
    first = session.add_class("first")
    session.label(item_at(session, 0), first)
    assert session.result is not None
    assert session.result.n_labels == 0, "one class is no model"
    session.add_class("second")
    for item in session.batch.items[1:]:
        session.label(item.index, int(toy.truth(item.index) != truth))
    assert session.result.n_labels == 10
    assert session.batch.items[0].predicted is not None
    again = make_session(toy, classes=())
    assert again.classes == ("first", "second")
    while again.undo() is not None or again.classes:
        pass
    assert again.batch is not None
    assert not again.can_undo
    assert again.statistics().labelled == 0


def test_the_last_two_classes_can_be_merged(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, classes=("cat", "cats"))
    assert session.batch is not None
    for item in session.batch.items:
        session.label(item.index, item.index % 2)
    session.merge_classes(1, 0)
    assert session.classes == ("cat",)
    assert session.statistics().class_counts == (10,)
    assert session.batch is not None
    session.undo()
    assert session.classes == ("cat", "cats")


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda s: s.add_class("  "), "needs a name"),
        (lambda s: s.add_class("x\ty"), "control characters"),
        (lambda s: s.add_class("b"), "class b already"),
        (lambda s: s.rename_class(0, "b"), "merge the two"),
        (lambda s: s.rename_class(7, "x"), "class_pos must be"),
        (lambda s: s.merge_classes(1, 1), "into itself"),
        (lambda s: s.answer(3, "label"), "must be 0 to"),
        (lambda s: s.answer(3, "label", 9), "class_pos must be 0 to"),
    ],
)
def test_invalid_changes_are_refused_and_change_nothing(
    toy: Toy, make_session: SessionMaker, do: Callable[[LabellingSession], object], words: str
) -> None:
    session = make_session(toy)
    session.label(item_at(session, 0), 0)
    with pytest.raises(UsageError, match=words):
        do(session)
    assert session.statistics().labelled == 1


def test_user_classes_have_no_test_accuracy_until_they_match_the_dataset(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy, classes=("one", "b", "c"))
    answer_all(session, toy, 1)
    assert session.statistics().test_accuracy is None
    session.rename_class(0, "a")
    assert session.statistics().test_accuracy is not None
    session.add_class("d")
    assert session.statistics().test_accuracy is not None


def test_labels_use_current_class_positions_after_many_changes(toy: Toy, make_session: SessionMaker) -> None:
    session = make_session(toy)
    answer_all(session, toy, 1)
    session.merge_classes(0, 1)
    session.add_class("d")
    session.label(item_at(session, 0), 2)
    indices, labels = session.labels()
    assert (len(indices), labels.max()) == (11, 2)
    assert np.bincount(labels, minlength=3).tolist() == list(session.statistics().class_counts)

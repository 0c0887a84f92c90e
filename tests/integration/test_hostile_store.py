"""A store that somebody has prepared: what it brings along does not act."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.events import event
from tests.helpers.projects import open_project
from tuilabel.errors import TuilabelError
from tuilabel.labels import LabelStore, Project
from tuilabel.project.recovery import repair_project

PREPARED = {
    "trigger": (
        "CREATE TRIGGER helpful AFTER INSERT ON events BEGIN "
        "INSERT INTO rounds (number, asked_at, strategy) VALUES (99, '2026-01-01T00:00:00+00:00', 'x'); END",
    ),
    "view": (
        "ALTER TABLE rounds RENAME TO other",
        "CREATE VIEW rounds AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT * FROM n, other",
    ),
}


def prepared(directory: Path, *statements: str) -> None:
    with open_project(directory) as project:
        store = project.open_store()
        store.append([event(number, "cat") for number in range(3)])
        store.close()
    with closing(sqlite3.connect(directory / "labels.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize("kind", PREPARED)
def test_a_store_with_a_trigger_or_view_of_somebody_is_refused(kind: str, tmp_path: Path) -> None:
    prepared(tmp_path / "p", *PREPARED[kind])
    path = tmp_path / "p" / "labels.db"
    for opener in (LabelStore.open, LabelStore.read):
        with pytest.raises(TuilabelError, match=rf"has a {kind} \w+, which is not tuilabel's"):
            opener(path)


def test_repair_keeps_the_labels_and_leaves_the_trigger_out(tmp_path: Path) -> None:
    prepared(tmp_path / "p", *PREPARED["trigger"])
    repair_project(project=tmp_path / "p")
    store = Project.read(tmp_path / "p").read_store()
    assert [stored.key for stored in store.events()] == [event(number).key for number in range(3)]
    store.close()

"""A project whose labels are on a server: its directory says where, and never the password."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.events import START, event
from tests.helpers.postgresql import PASSWORD, Server
from tests.helpers.projects import open_project
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import ClassChange, Event, LabelStore, Project, Round, RoundItem
from tuilabel.labels.store import LabelsMoved
from tuilabel.labels.store.team import read_team, set_role
from tuilabel.project.move_store import move_store


@pytest.fixture
def url(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of a schema of the test's own, whose password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return f"{server.url}?schema={tmp_path.name.lower().replace('-', '_')}"


def test_the_settings_say_where_the_labels_are(tmp_path: Path, url: str) -> None:
    with open_project(tmp_path / "p", store=url) as project:
        store = project.open_store()
        store.append([event(1)])
        store.close()
    assert not (tmp_path / "p" / "labels.db").exists()
    text = (tmp_path / "p" / "settings.toml").read_text()
    assert f'store = "{url}"' in text
    assert PASSWORD not in text
    reading = Project.read(tmp_path / "p").read_store()
    assert reading.events() == [event(1)]
    reading.close()
    for again in (None, url):
        with open_project(tmp_path / "p", store=again) as project:
            assert project.where == url


def test_another_store_than_the_one_with_the_labels_is_refused(tmp_path: Path, url: str) -> None:
    open_project(tmp_path / "in file").close()
    with pytest.raises(UsageError, match=r"keeps its labels in .*labels\.db, not in postgresql://.* move-store"):
        open_project(tmp_path / "in file", store=url)
    open_project(tmp_path / "on server", store=url).close()
    with pytest.raises(UsageError, match=r"keeps its labels in postgresql://"):
        open_project(tmp_path / "on server", store=url + "x")


def test_a_server_that_cannot_be_reached_leaves_no_directory(tmp_path: Path) -> None:
    with pytest.raises(TuilabelError, match=r"cannot open postgresql://.*; check that the server can be reached"):
        open_project(tmp_path / "p", store="postgresql://127.0.0.1:1/labels")
    assert not (tmp_path / "p").exists()


def test_the_environment_says_where_new_projects_keep_their_labels(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_project(tmp_path / "old").close()
    monkeypatch.setenv("TUILABEL_STORE", url)
    with open_project(tmp_path / "new") as new, open_project(tmp_path / "old") as old:
        assert new.where == url
        assert old.where == str(tmp_path / "old" / "labels.db"), "its labels are there"


@pytest.mark.parametrize("store", ["sqlite:///labels.db", "postgresql://ada:hidden@db/labels"])
def test_settings_with_a_bad_address_are_reported(tmp_path: Path, store: str) -> None:
    open_project(tmp_path / "p").close()
    settings = tmp_path / "p" / "settings.toml"
    settings.write_text(f'store = "{store}"\n' + settings.read_text())
    with pytest.raises(UsageError, match=r"settings\.toml: store must") as caught:
        Project.read(tmp_path / "p")
    assert "hidden" not in str(caught.value)


# -- moving ------------------------------------------------------------------------------------------------------------

ROUND = Round(1, START, "margin", 20, 0.9, 100, 0.1, (RoundItem("a", True, "7", 0.5, 0.01),), "ann", "s1")


def add(directory: Path, *events: Event) -> None:
    with open_project(directory) as project:
        store = project.open_store()
        store.append(events)
        store.close()


def read(directory: Path) -> list[Event]:
    store = Project.read(directory).read_store()
    try:
        return store.events()
    finally:
        store.close()


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A project with labels in a file."""
    with open_project(tmp_path / "p") as project:
        store = project.open_store()
        store.append([event(1), event(2)])
        store.add_class_changes([ClassChange("c", "add", "owl", None, "ann", START, 0)])
        store.append([event(3, annotator="Zo\xeb")])
        store.add_round(ROUND)
        set_role(store, "ada", "labeller", by="ann")
        store.close()
    return tmp_path / "p"


def test_labels_move_to_a_server_and_back(labelled: Path, url: str) -> None:
    there = move_store(url, project=labelled)
    assert (there.events, there.class_changes, there.rounds) == (3, 1, 1)
    assert PASSWORD not in (labelled / "settings.toml").read_text()
    add(labelled, event(4))
    with open_project(labelled) as project:
        store = project.open_store()
        assert store.class_changes()[0].after == 2
        assert store.rounds() == [ROUND]
        assert read_team(store).roles == {"ann": "owner", "ada": "labeller"}
        store.close()
    back = move_store("file", project=labelled)
    assert (back.events, back.destination) == (4, str(labelled / "labels.db"))
    assert "store" not in Project.read(labelled).settings
    add(labelled, event(5))
    assert [e.key for e in read(labelled)] == [event(k).key for k in range(1, 6)]
    again = move_store(url, project=labelled)
    assert again.events == 5
    assert len(read(labelled)) == 5


def test_nobody_labels_in_a_store_that_was_moved(labelled: Path, url: str) -> None:
    still_open = LabelStore.open(labelled / "labels.db")
    move_store(url, project=labelled)
    with pytest.raises(TuilabelError, match="the labels were moved to another store; quit"):
        still_open.append([event(9)])
    still_open.close()
    with pytest.raises(LabelsMoved, match=r"were moved to postgresql://.*: run `tuilabel move-store"):
        LabelStore.open(labelled / "labels.db")
    move_store("file", project=labelled)
    with pytest.raises(LabelsMoved, match=r"were moved to .*labels\.db: go on there"):
        open_project(labelled.parent / "on another host", store=url)


def test_a_move_that_was_interrupted_is_completed(labelled: Path, url: str) -> None:
    settings = (labelled / "settings.toml").read_text()
    move_store(url, project=labelled)
    (labelled / "settings.toml").write_text(settings)  # it was killed before it wrote them
    with pytest.raises(LabelsMoved):
        open_project(labelled)
    assert move_store(url, project=labelled).events == 3
    add(labelled, event(4))
    assert len(read(labelled)) == 4


def test_labels_are_not_moved_onto_others(labelled: Path, url: str) -> None:
    with open_project(labelled.parent / "other", store=url) as project:
        store = project.open_store()
        store.append([event(8)])
        store.close()
    with pytest.raises(TuilabelError, match=r"postgresql://.* holds other labels"):
        move_store(url, project=labelled)
    assert len(read(labelled)) == 3
    add(labelled, event(4))


def test_labels_are_not_moved_to_where_they_are(labelled: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"are in .*labels\.db already"):
        move_store("file", project=labelled)
    move_store(url, project=labelled)
    by_another_name = url.replace("127.0.0.1", "localhost")
    with pytest.raises(UsageError, match="already, by another address"):
        move_store(by_another_name, project=labelled)
    add(labelled, event(4))


def test_labels_are_not_moved_while_somebody_is_in(labelled: Path, url: str) -> None:
    with open_project(labelled), pytest.raises(TuilabelError, match="process"):
        move_store(url, project=labelled)
    assert len(read(labelled)) == 3

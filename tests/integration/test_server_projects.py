"""A project whose labels are on a server: its directory says where, and never the password."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.events import event
from tests.helpers.postgresql import PASSWORD, Server
from tests.helpers.projects import open_project
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import Project


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

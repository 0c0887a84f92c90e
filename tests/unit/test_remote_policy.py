"""Which URLs a table of images may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilabel.datasets.sources.remote_policy import check_named, check_remote, is_local
from tuilabel.datasets.sources.resolve import open_source
from tuilabel.errors import TuilabelError


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8888/api", "http://localhost/x.jpg", "https://[::1]/x.jpg", "http://[::ffff:127.0.0.1]/x",
        "http://169.254.169.254/latest/meta-data/", "http://0.0.0.0/x", "http://2130706433/x",
    ],
)  # fmt: skip
def test_a_table_does_not_reach_this_machine_or_its_cloud(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TuilabelError, match="this machine or its link: TUILABEL_LOCAL_URLS=1 allows it"):
        check_named(url, "/data/list.csv")
    with pytest.raises(TuilabelError):
        check_named(url, "https://198.51.100.7/list.csv")
    monkeypatch.setenv("TUILABEL_LOCAL_URLS", "1")
    check_named(url, "/data/list.csv")


def test_a_table_on_this_machine_names_its_neighbours() -> None:
    check_named("http://127.0.0.1:8000/a.jpg", "http://127.0.0.1:8000/list.csv")


@pytest.mark.parametrize("url", ["ssh://me@host/x", "ftp://host/x", "reference://x", "github://a:b@/x", "smb://host/x"])
def test_a_table_names_pictures_by_the_usual_protocols_only(url: str) -> None:
    with pytest.raises(TuilabelError, match="a table may not name"):
        check_named(url, "/data/list.csv")
    check_named(url, url + "/list.csv")


def test_public_hosts_and_unknown_ones_are_not_local() -> None:
    assert not is_local("198.51.100.7")
    assert not is_local("no such host.invalid")


def test_what_a_table_may_not_name_is_a_problem_of_its_row(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("path\nhttp://169.254.169.254/x.jpg\n")
    source = open_source(str(table))
    (entry,) = source.list()
    ((_, content),) = source.read([entry.name])
    assert "this machine or its link" in str(content)


def test_nothing_remote_is_read_where_that_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUILABEL_NO_REMOTE", "1")
    with pytest.raises(TuilabelError, match="nothing remote is read"):
        check_remote("https://example.org/x")
    with pytest.raises(TuilabelError, match="nothing remote is read"):
        open_source("https://user:secret@example.org/photos.zip")
    table = tmp_path / "t.csv"
    table.write_text("path\nhttps://example.org/x.jpg\n")
    source = open_source(str(table))
    (entry,) = source.list()
    ((_, content),) = source.read([entry.name])
    assert "nothing remote is read" in str(content)

"""Where files are kept, and what a failure leaves behind."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from tuilabel.errors import TuilabelError, is_printable, printable
from tuilabel.files import atomic_write, cache_dir, config_file, no_empty_folders
from tuilabel.labels.lock import user_name


def unknown_user(*_: object) -> str:
    raise KeyError("getpwuid(): uid not found: 54321")


def test_a_user_without_a_login_name_has_one_to_label_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", unknown_user)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    assert user_name() == "user-54321"


def test_a_user_without_a_home_has_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def homeless(_name: str) -> str:
        raise RuntimeError("could not determine the home directory")

    for name in ("TUILABEL_CACHE", "TUILABEL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    for find in (homeless, lambda name: f"~/.cache/{name}"):  # later and earlier versions of platformdirs
        monkeypatch.setattr("tuilabel.files.platformdirs.user_cache_dir", find)
        monkeypatch.setattr("tuilabel.files.platformdirs.user_config_dir", find)
        assert cache_dir().parent == tmp_path
        assert not config_file().is_file()


def test_the_cache_of_a_user_without_a_home_is_nobody_elses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TUILABEL_CACHE", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("tuilabel.files.platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    folder = cache_dir()
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()
    (tmp_path / "planted").mkdir()
    folder.symlink_to(tmp_path / "planted")
    with pytest.raises(TuilabelError, match="belongs to somebody else"):
        cache_dir()


def test_no_link_is_followed_when_a_file_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    victim, out = tmp_path / "victim", tmp_path / "labels.csv"
    victim.write_text("precious")
    out.symlink_to(victim)
    with atomic_write(out) as temporary:
        temporary.write_text("new")
    assert not out.is_symlink()
    assert (out.read_text(), victim.read_text()) == ("new", "precious")
    monkeypatch.setattr("os.urandom", lambda _: bytes.fromhex("f0123456"))
    (tmp_path / f".labels.csv.{os.getpid()}.f0123456.tmp").symlink_to(victim)
    with pytest.raises(TuilabelError, match="cannot write"), atomic_write(out):
        pass
    assert victim.read_text() == "precious"


def test_a_failure_removes_the_empty_folders_that_it_made(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    files = [tmp_path / "typo/A/raw/x", tmp_path / "before/B/y", tmp_path / "kept/z"]

    def download() -> None:
        for file in files:
            file.parent.mkdir(parents=True)
        files[2].write_text("half")
        raise OSError("no route to host")

    with pytest.raises(OSError, match="no route"), no_empty_folders(files):
        download()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["before", "kept", "z"]


@pytest.mark.parametrize(
    "name",
    ["می\u200cخواهم", "क्\u200dष", "10\u00a0km", "１\u3000２", "👨\u200d👩", "dog [small]", "naïve"],
)
def test_joiners_and_spaces_are_letters(name: str) -> None:
    assert is_printable(name)
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [("\x1b[31m", r"\x1b[31m"), ("a\u202eb", r"a\u202eb"), ("\u2066x\u2069", r"\u2066x\u2069"), ("\u200f", r"\u200f")],
)
def test_controls_of_terminal_and_direction_are_escaped(name: str, shown: str) -> None:
    assert not is_printable(name)
    assert printable(name) == shown

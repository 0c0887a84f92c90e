"""Where files are kept, and what a failure leaves behind."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from tuilabel.errors import is_printable, printable
from tuilabel.files import cache_dir, config_file, no_empty_folders
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

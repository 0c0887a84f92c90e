"""Names of classes, annotators and projects that look like markup are shown as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from tuilabel.cli import app

NAMES = ["x[/]y", "dog [small]", "[unknown]", ":smile:", "[bold red]", "\\[a]", "می\u200cخواهم", "10\u00a0km"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUILABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    folder = tmp_path / "pets [new]"
    folder.mkdir()
    for k in range(len(NAMES)):
        Image.new("RGB", (8, 8), (20 * k, 0, 0)).save(folder / f"{k}.png")
    rows = [f"{k}.png,{name}\n" for k, name in enumerate(NAMES)]
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(rows), encoding="utf-8")
    return folder


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_names_with_brackets_are_shown_as_they_are(folder: Path) -> None:
    words = ("labels.csv", "pets [new]", "--annotator", "[/ada]", "--project", "p [x].tuilabel", "--apply")
    shown = run("import", *words)
    assert all(name in shown for name in NAMES)
    shown = run("stats", "--project", "p [x].tuilabel")
    assert all(f"\n{name} " in shown for name in NAMES)
    assert "[/ada] 8" in shown
    assert "p [x].tuilabel" in shown
    exported = run("export", "--project", "p [x].tuilabel")
    assert all(f",{name}," in exported for name in NAMES)


def test_controls_in_names_never_reach_the_terminal(folder: Path) -> None:
    run("import", "labels.csv", "pets [new]", "--annotator", "a\u202eda", "--apply")
    settings = folder.parent / "pets-new.tuilabel/settings.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("pets-new", r"a\u001b[31mb"), encoding="utf-8")
    shown = run("stats", "--project", "pets-new.tuilabel")
    assert r"a\u202eda 8" in shown
    assert r"a\x1b[31mb" in shown

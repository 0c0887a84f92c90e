"""No name of a project, class, annotator, note or file controls the terminal, on the screen or in a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.folders import jpeg, picture
from tests.helpers.program import FIRST_START, Runner
from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.project.open_session import open_session
from tuilabel.project.options import SessionOptions

TITLE = "\x1b]0;owned\x07"
ERASE = "\x1b[2Jgone"
C1 = "\x9b31mred"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose every name was made by somebody hostile, with a program that checks none."""
    for module in ("classes", "events"):
        monkeypatch.setattr(f"tuilabel.labels.{module}.is_printable", lambda _: True)
    folder = tmp_path / f"shots{ERASE}"
    folder.mkdir()
    for k in range(24):
        (folder / f"{k}{TITLE}.jpg").write_bytes(jpeg(picture("red" if k % 2 else "blue", k)))
    options = SessionOptions(
        str(folder), tmp_path / f"p{TITLE}.tuilabel", device="cpu", classes=("a", "b"), batch_size=8,
        annotator=f"ann{TITLE}", learner="mlp", encoder="pca",
    )  # fmt: skip
    with open_session(options) as session:
        assert session.batch is not None
        for k, item in enumerate(session.batch.items[:6]):
            session.label(item.index, k % 2)
            session.note(item.index, f"look{ERASE}{C1}")
        last = session.batch.items[6].index
        session.label(last, session.add_class(f"owl{TITLE}{C1}"))
    return tmp_path / f"p{TITLE}.tuilabel"


def test_the_screen(project: Path, tmp_path: Path) -> None:
    command = [*TUILABEL, "label", "--project", project.name, "--annotator", f"bob{ERASE}", "--device", "cpu"]
    with Terminal(command, directory=tmp_path, columns=140) as terminal:
        terminal.wait_for("7 of 24 labelled", FIRST_START)
        terminal.wait_for(r"owl\\x1b")
        for keys in ("-", "\x1b", ",", "\t", "\t", "\x1b", "=", "\x1b", ".", "\x1b", "?", "\x1b", "#", "\x1b", "/"):
            terminal.type(keys)  # every screen, whatever the keys are
            terminal.settle(0.3)
        terminal.key("escape")
        terminal.key("ctrl+q")
        terminal.wait_for_exit()
    for bad in (TITLE, ERASE, C1):
        assert bad.encode() not in terminal.output


def test_commands(project: Path, run: Runner) -> None:
    named = ("--project", project.name)
    for arguments in (
        ("stats", *named),
        ("stats", *named, "--problems"),
        ("stats", f"nowhere{TITLE}"),
        ("label", *named),
        ("export", *named, "--out", f"no{ERASE}/l.csv", "--where", f"class:{C1}"),
        ("import", f"none{TITLE}.csv", *named),
        ("doctor", *named),
        ("predict", *named, "--on", f"x{TITLE}"),
    ):
        done = run(*arguments)
        for text in (done.stdout, done.stderr):
            assert not any(bad in text for bad in ("\x1b]", "\x1b[2J", "\x9b", "\x07")), arguments

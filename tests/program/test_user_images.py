"""Labelling user images in the real program, from a folder to labels by file name."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tomllib
from pathlib import Path

from tests.helpers.folders import COLOURS, colour_folder, jpeg, picture
from tests.helpers.program import FIRST_START, IMAGES, Runner
from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.datasets import open_pool
from tuilabel.labels import LabelStore, current_answers

KEYS = dict(zip(COLOURS, "123", strict=True))


def queried_colours(folder: Path, project: Path) -> list[str]:
    """The colours of the unanswered images of the newest batch, in their order."""
    pool = open_pool(str(folder), reading="none")
    store = LabelStore.open(project / "labels.db")
    newest, answered = store.rounds()[-1], current_answers(store.events())
    store.close()
    indices = pool.indices_of([item.item for item in newest.items if item.item not in answered])
    return [pool.files.last_name(int(index)).split("/")[0] for index in indices]


def label(terminal: Terminal, folder: Path, project: Path, n: int, done: int) -> None:
    for colour in queried_colours(folder, project)[:n]:
        done += 1
        terminal.type(KEYS[colour])
        terminal.wait_for(rf"\b{done} of \d+ labelled")


def test_from_a_folder_to_labels_by_file_name(tmp_path: Path, run: Runner) -> None:
    folder = colour_folder(tmp_path / "shots", each=15)
    (folder / "broken.jpg").write_text("no picture")
    project = tmp_path / "shots.tuilabel"
    command = [*TUILABEL, "label", "shots", "--batch", "10", "--learner", "mlp", "--annotator", "ada"]
    with Terminal([*command, "--classes", "blue,green,red"], directory=tmp_path) as terminal:
        terminal.wait_for("round 1 by coverage, no model yet", FIRST_START)
        terminal.wait_for(IMAGES)
        label(terminal, folder, project, 10, 0)
        terminal.wait_for("round 2 by", FIRST_START)
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    colour_folder(folder, each=2, first=50)
    (folder / "blue/0.jpg").rename(folder / "blue/renamed.jpg")
    with Terminal(command, directory=tmp_path) as terminal:
        terminal.wait_for("10 of 51 labelled", FIRST_START)
        label(terminal, folder, project, 5, 10)
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    rows = list(csv.DictReader(io.StringIO(run("export", "shots").stdout)))
    assert len(rows) == 15
    assert all((folder / row["path"]).is_file() for row in rows)
    assert all(row["label"] == row["path"].split("/")[0] for row in rows)
    assert {row["annotator"] for row in rows} == {"ada"}
    (folder / rows[0]["path"]).unlink()
    exported = run("export", "shots")
    assert len(list(csv.DictReader(io.StringIO(exported.stdout)))) == 15
    assert "1 labelled image" in exported.stderr
    folder.rename(tmp_path / "away")
    away = run("export", "--project", "shots.tuilabel")
    assert list(csv.DictReader(io.StringIO(away.stdout))) == rows, "labels outlive their images"
    (tmp_path / "away").rename(folder)
    figures = json.loads(run("stats", "shots", "--json").stdout)
    assert figures["files"] == {"listed": 51, "unread": 0, "copies": 0, "gone": 1, "problems": 1, "not_images": 0}
    assert "broken.jpg" in run("stats", "shots", "--problems").stdout


def test_a_typed_name_makes_a_class_and_file_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for k in range(25):
        (folder / f"\x1b]0;owned{k}\x07\n.jpg").write_bytes(jpeg(picture("red", k)))
    with Terminal([*TUILABEL, "label", "odd", "--learner", "mlp"], directory=tmp_path) as terminal:
        terminal.wait_for("round 1 by coverage", FIRST_START)
        terminal.wait_for(IMAGES)
        terminal.type("red\r")
        terminal.wait_for("Made the class red: 1 or r labels with it")
        terminal.type("rrbblue\r")
        terminal.wait_for("Made the class blue: 2 or b labels with it")
        terminal.wait_for("4 of 25 labelled")
        terminal.key("tab")
        terminal.wait_for(r"\\x1b\]0;owned\d+\\x07\\n\.jpg")
        assert b"\x1b]0;owned" not in terminal.output
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0
    with sqlite3.connect(tmp_path / "odd.tuilabel" / "labels.db") as database:
        names = [name for (name,) in database.execute("SELECT name FROM class_changes ORDER BY number")]
        labels = [name for (name,) in database.execute("SELECT class_name FROM events ORDER BY number")]
    assert names == ["red", "blue"]
    assert labels == ["red", "red", "red", "blue"]
    assert tomllib.loads((tmp_path / "odd.tuilabel" / "settings.toml").read_text())["class-keys"] == {
        "red": "r",
        "blue": "b",
    }


def test_an_unknown_dataset_is_a_one_line_error(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_text("no picture")
    (tmp_path / "text.zip").write_text("no archive")
    cases = {
        "./empty": "no images in",
        "./broken": "no readable image",
        "./nowhere": "does not exist",
        "text.zip": "text.zip",
        "nowhere": "unknown dataset 'nowhere'",
    }
    for dataset, words in cases.items():
        done = run("encode", dataset, "--encoder", "pca")
        assert done.returncode in (1, 2), dataset
        assert done.stderr.splitlines()[-1].startswith("tuilabel: "), done.stderr
        assert words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

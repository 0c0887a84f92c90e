"""Projects, checkpoints, settings and results of version 0.1 open unharmed (tests/data/v0.1)."""

from __future__ import annotations

import csv
import io
import json
import lzma
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.helpers.program import FIRST_START
from tests.helpers.terminal import TUILABEL, Terminal
from tuilabel.cli import app

DATA = Path(__file__).parents[1] / "data" / "v0.1"
COMMANDS: dict[str, list[str]] = json.loads((DATA / "commands.json").read_text())["compared"]
FOLDER = "/home/ada"  # where version 0.1 had the files
BARS = ["fashion-mnist", "--data-dir", "data"]

Run = Callable[..., str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files in a folder of their own, as version 0.1 left them."""
    folder = tmp_path_factory.mktemp("v0.1") / "files"
    shutil.copytree(DATA / "files", folder)
    for path in folder.rglob("*.xz"):
        path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
    for path in folder.glob("*-tuilabel"):  # Git ignores *.tuilabel
        path.rename(path.with_name(path.name.replace("-", ".")))
    for path in [*folder.rglob("settings.toml"), *folder.rglob("annotations.jsonl")]:
        path.write_text(path.read_text().replace(FOLDER, str(folder)))
    return folder


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs a command in the folder of the files and returns what it prints."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("TUILABEL_CACHE", str(root / "cache"))

    def run_(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    return run_


@contextmanager
def screen(root: Path, *arguments: str) -> Iterator[Terminal]:
    """The labelling screen in a terminal, until it is quit."""
    environment = {"TUILABEL_CACHE": str(root / "cache")}
    command = [*TUILABEL, "label", *arguments, "--learner", "mlp", "--annotator", "ada"]
    with Terminal(command, directory=root, environment=environment) as terminal:
        yield terminal
        terminal.key("ctrl+q")
        assert terminal.wait_for_exit() == 0


def assert_same(now: Any, then: Any, where: str = "") -> None:
    """Everything in the old JSON document is in the new one with the same value; texts may be reworded."""
    if isinstance(then, dict):
        for name, value in then.items():
            assert name in now, f"{where}.{name} is gone"
            assert_same(now[name], value, f"{where}.{name}")
    elif isinstance(then, list):
        assert len(now) == len(then), where
        for k, value in enumerate(then):
            assert_same(now[k], value, f"{where}[{k}]")
    elif isinstance(then, float):
        assert now == pytest.approx(then, rel=1e-6), where
    elif not where.endswith(".text"):
        assert now == then, where


def expected(name: str) -> str:
    return (DATA / "expected" / name).read_text()


@pytest.mark.parametrize("name", ["stats-bars.json", "stats-shots.json"])
def test_statistics_are_the_same(run: Run, name: str) -> None:
    assert_same(json.loads(run(*COMMANDS[name])), json.loads(expected(name)))


@pytest.mark.parametrize("name", ["predict-bars.csv", "predict-shots.csv", "predict-latents.csv"])
def test_predictions_are_the_same(run: Run, name: str) -> None:
    now, then = (list(csv.reader(io.StringIO(text))) for text in (run(*COMMANDS[name]), expected(name)))
    assert now[0] == then[0]
    assert [row[:3] for row in now[1:]] == [row[:3] for row in then[1:]]
    new, old = (np.array([row[3:] for row in rows[1:]], dtype=float) for rows in (now, then))
    np.testing.assert_allclose(new, old, atol=0.02)


def test_encoding_gives_the_same_latents(run: Run, root: Path) -> None:
    run("encode", *BARS, "--checkpoint", "tiny.safetensors", "--out", "again.npy", "--device", "cpu")
    np.testing.assert_allclose(np.load(root / "again.npy"), np.load(root / "latents.npy"), atol=1e-4)


def test_an_unfinished_training_continues(run: Run) -> None:
    now, then = json.loads(run(*COMMANDS["resumed.json"])), json.loads(expected("resumed.json"))
    for name in ("reconstruction_nats", "kl_nats"):
        assert now["metrics"][name] == pytest.approx(then["metrics"][name], rel=0.02), name


def test_a_simulation_continues_and_keeps_its_runs(run: Run, root: Path) -> None:
    then = json.loads((root / "simulation.json").read_text())
    run(
        "simulate", *BARS, "--checkpoint", "tiny.safetensors", "--learner", "mlp", "--strategy", "margin,random",
        "--batch", "10", "--budget", "40", "--seeds", "2", "--jobs", "1", "--resume", "--out", "simulation.json",
    )  # fmt: skip
    now = json.loads((root / "simulation.json").read_text())
    assert {run["seed"] for run in now["runs"]} == {0, 1}
    now["runs"] = [run for run in now["runs"] if run["seed"] == 0]
    assert_same(now, then)


FORMATS = ["labels.csv", "labels.jsonl", "labels.parquet", "imagefolder", "ultralytics", "label-studio", "prodigy"]


@pytest.mark.parametrize("name", FORMATS)
def test_exports_are_imported_again(run: Run, root: Path, name: str) -> None:
    project = f"{name}.tuilabel"
    run("import", f"exports/{name}", "shots", "--project", project, "--apply")
    rows = csv.DictReader(io.StringIO(run("export", "shots", "--project", project, "--format", "csv")))
    then = csv.DictReader(io.StringIO((root / "exports" / "labels.csv").read_text()))
    assert {row["path"]: row["label"] for row in rows} == {row["path"]: row["label"] for row in then}


def test_undo_reverts_what_was_done_with_that_version(run: Run, root: Path) -> None:
    """The steps are a merge of classes, another name for a class, and labels given by class."""
    shutil.copytree(root / "bars.tuilabel", root / "undone.tuilabel")
    project = ["--project", "undone.tuilabel"]
    with screen(root, *BARS, *project, "--checkpoint", "tiny.safetensors") as terminal:
        terminal.wait_for("71 of 120 labelled", FIRST_START)
        for _ in range(3):
            terminal.key("backspace")
        terminal.wait_for("68 of 120 labelled")
    then = json.loads(expected("undone.json"))
    then.pop("rounds")  # the trainer may have picked one more before the first key
    assert_same(json.loads(run("stats", *BARS, *project, "--json")), {**then, "project": "undone.tuilabel"})


def test_settings_keep_their_comments_and_their_keys_work(run: Run, root: Path) -> None:
    shutil.copytree(root / "shots.tuilabel", root / "keys.tuilabel")
    settings = root / "keys.tuilabel" / "settings.toml"
    before = settings.read_text()
    with screen(root, "shots", "--project", "keys.tuilabel") as terminal:
        terminal.wait_for("13 of 24 labelled", FIRST_START)
        terminal.wait_for(r"\? \d+%", FIRST_START)  # a prediction: the images are there
        terminal.type("*")
        terminal.type("x")
        terminal.wait_for("14 of 24 labelled")
    now = json.loads(run("stats", "shots", "--project", "keys.tuilabel", "--json"))
    then = json.loads(expected("stats-shots.json"))
    assert (now["skipped"], now["classes"]["blue"]) == (then["skipped"] + 1, then["classes"]["blue"] + 1)
    now_there = iter(settings.read_text().splitlines())
    assert all(line in now_there for line in before.splitlines()), "all that was there, in its order"


def test_the_options_of_that_version_are_still_accepted(run: Run) -> None:
    done = run(
        "train-vae", *BARS, "--epochs", "1", "--batch-size", "40", "--latent-dim", "4", "--device", "cpu",
        "--views", "signs", "--information", "2", "--contrast", "3", "--out", "new.safetensors", "--json",
    )  # fmt: skip
    assert {"signs", 2.0, 3.0} <= set(json.loads(done)["settings"].values())

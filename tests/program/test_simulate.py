"""`tuilabel simulate` in the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers.program import Runner
from tests.helpers.terminal import TUILABEL, Terminal
from tests.helpers.tiny import Tiny

OWN = '''import numpy as np
def first(context, k):
    """The first ones."""
    return np.arange(k)
'''


def tiny_options(tiny: Tiny) -> list[str]:
    return ["fashion-mnist", "--data-dir", str(tiny.data_dir), "--checkpoint", str(tiny.checkpoint), "--jobs", "1"]


def test_runs_are_simulated_printed_plotted_and_saved(run: Runner, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    command = ["simulate", *tiny_options(tiny), "--strategy", "mine:first,random", "--budget", "45", "--seeds", "2"]
    command += ["--learner", "mlp"]
    done = run(*command, "--out", "r.json", "--plot", "r.png", "--estimates")
    assert done.returncode == 0, done.stderr
    for words in ("fashion-mnist: 2 seeds", "vs random", "LURE", "oo mine:first"):
        assert words in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "4 of 4 runs" in done.stderr
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    kept = (tmp_path / "r.json").read_text()
    runs = json.loads(kept)["runs"]
    assert [(r["strategy"], r["seed"]) for r in runs] == [
        ("mine:first", 0), ("random", 0), ("mine:first", 1), ("random", 1),
    ]  # fmt: skip
    assert all(r["n_labels"] == [20, 40, 45] and len(r["accuracy"]) == 3 for r in runs)
    other = run(*command, "--out", "r.json", "--resume", "--batch", "5")
    assert other.returncode == 2
    assert other.stderr.strip().splitlines()[-1].startswith("tuilabel: r.json was made with `--batch 20`, not 5")
    fewer = run(*command, "--estimates", "--out", "r.json", "--resume", "--seeds", "1")
    assert "fashion-mnist: 1 seed," in fewer.stdout
    assert (tmp_path / "r.json").read_text() == kept


def test_the_document_alone_on_stdout(run: Runner, tiny: Tiny) -> None:
    options = ["--strategy", "random", "--seeds", "1", "--initial", "7", "--budget", "7"]
    done = run("simulate", *tiny_options(tiny), *options, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["dataset"], document["pool_size"], document["test_size"]) == ("fashion-mnist", 300, 60)
    assert (document["latent_dim"], document["checkpoint"]) == (6, str(tiny.checkpoint))
    assert [r["n_labels"] for r in document["runs"]] == [[7]]


def test_an_interrupted_simulation_resumes(run: Runner, tiny: Tiny, tmp_path: Path) -> None:
    command = ["simulate", *tiny_options(tiny), "--learner", "mlp", "--strategy", "random", "--out", "r.json"]
    command += ["--budget", "60", "--batch", "10"]
    process = subprocess.Popen(
        [*TUILABEL, *command, "--seeds", "400"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job of a shell ignores it
    )  # fmt: skip
    while not (tmp_path / "r.json").exists() or len(json.loads((tmp_path / "r.json").read_text())["runs"]) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes get it
    out, told = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in told
    runs = json.loads((tmp_path / "r.json").read_text())["runs"]
    last = told.strip().splitlines()[-1]
    assert last.startswith(f"tuilabel: interrupted: {len(runs)} of 400 runs are in r.json")
    assert "--resume" in last
    done = run(*command, "--seeds", str(len(runs) + 1), "--resume")
    assert done.returncode == 0, done.stderr
    assert f"{len(runs)} of {len(runs) + 1} runs" in done.stderr
    assert json.loads((tmp_path / "r.json").read_text())["runs"][:-1] == runs


def test_on_a_terminal_progress_is_erased_and_colours_are_used(tiny: Tiny, tmp_path: Path) -> None:
    command = [*TUILABEL, "simulate", *tiny_options(tiny), "--learner", "mlp", "--seeds", "2", "--budget", "60"]
    with Terminal(command, directory=tmp_path, rows=60, columns=100) as terminal:
        terminal.wait_for(r"simulating.* of 12 rounds · \d of 4 runs")
        assert terminal.wait_for_exit() == 0
        assert "simulating" not in terminal.text
        assert "━━ auto  ━━ random" in terminal.text
        assert any(
            cell.fg not in ("default", "white") for row in terminal.screen.buffer.values() for cell in row.values()
        )


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--budget", "301"], 2, "--budget must be at most 300, the images of fashion-mnist, got 301"),
        (["--strategy", "margn"], 2, "did you mean margin?"),
        (["--plot", "x.jpg"], 2, "--plot must be a .png, .svg or .pdf file, got x.jpg"),
        (
            ["--plot", "nowhere/x.png"],
            2,
            "--plot must be a file that can be written, got nowhere/x.png: there is no folder nowhere",
        ),
        (["--resume"], 2, "--resume needs a file of earlier results: name it with `--out`"),
    ],
)
def test_an_impossible_simulation_is_a_one_line_error(
    run: Runner, tiny: Tiny, options: list[str], code: int, words: str
) -> None:
    done = run("simulate", *tiny_options(tiny), *options)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("tuilabel: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr

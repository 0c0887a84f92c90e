"""Pretrained networks and functions as encoders in the real program, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.folders import colour_folder
from tests.helpers.program import Runner

FUNCTIONS = """
import numpy as np

def colours(images):
    return np.concatenate([images.mean((1, 2)), images.std((1, 2))], axis=1)

def broken(images):
    return images.no_such_attribute
"""


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUILABEL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    return colour_folder(tmp_path / "shots", each=6)


def test_the_bundled_network_and_a_function_encode_a_folder(shots: Path, run: Runner) -> None:
    for encoder in ("efficientnet_lite2", "mine:colours"):
        done = run("encode", "shots", "--encoder", encoder, "--json", "--device", "cpu")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["items"] == 18


def test_a_simulation_with_a_function_learns_colours(shots: Path, run: Runner) -> None:
    options = (
        "--labels-from-folders",
        "--budget",
        9,
        "--initial",
        3,
        "--batch",
        3,
        "--seeds",
        1,
        "--strategy",
        "random",
    )
    done = run("simulate", "shots", "--encoder", "mine:colours", *options, "--out", "r.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((shots.parent / "r.json").read_text())["encoder"] == "mine:colours"


@pytest.mark.parametrize(
    ("encoder", "code", "problem"),
    [
        ("mine:broken", 1, "the encoder 'mine:broken' failed: AttributeError"),
        ("mine:missing", 2, "mine has no missing; check its name"),
        ("timn:resnet18", 2, "unknown encoder 'timn:resnet18'"),
        ("torchvision:resnet18@nowhere.pth", 2, "cannot use 'nowhere.pth': must be a file of weights"),
        ("efficientnet_lite", 2, "did you mean efficientnet_lite2?"),
    ],
)
def test_encoders_that_do_not_work_are_one_line(
    shots: Path, run: Runner, encoder: str, code: int, problem: str
) -> None:
    done = run("encode", "shots", "--encoder", encoder, "--device", "cpu")
    assert done.returncode == code
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("tuilabel: ")]
    assert problem in line
    assert "Traceback" not in done.stderr

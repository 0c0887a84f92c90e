"""`tuilabel thesis` in the real program: runs are saved and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.program import Runner
from tests.helpers.tiny import Tiny
from tuilabel.errors import TuilabelError
from tuilabel.simulation.thesis_run import run_thesis


def test_a_claim_is_tested_saved_and_resumed(run: Runner, tiny: Tiny, tmp_path: Path) -> None:
    kept = tmp_path / "thesis.json"
    settings: dict[str, Any] = {"data_dir": tiny.data_dir, "checkpoint": tiny.checkpoint, "jobs": 1, "file": kept}
    results = run_thesis("fashion-mnist", claims=(1, 5), budget=40, seeds=1, **settings)
    first = json.loads(kept.read_text())
    assert first == json.loads(json.dumps(results.to_json()))
    assert [finding.claim for finding in results.findings] == [1, 5]
    assert [run["n_labels"] for run in first["blocks"]["strategies"]] == [[20, 40]] * 2
    assert first["blocks"]["supervised"][0]["n_labels"] == [100, 300]
    with pytest.raises(TuilabelError, match="was made with budget 40, not 60"):
        run_thesis("fashion-mnist", resume=True, budget=60, **settings)
    command = ["thesis", "fashion-mnist", "--data-dir", tiny.data_dir, "--checkpoint", tiny.checkpoint, "--claim", "1"]
    done = run(*command, "--claim", "5", "--budget", "40", "--jobs", "1", "--out", kept, "--seeds", "2", "--resume")
    assert done.returncode == 0, done.stderr
    assert "strategies: 4 of 4 runs" in done.stderr
    assert "1. VAE latents carry a simple MLP" in done.stdout
    assert "strategies: entropy, information-density; 20 random labels" in done.stdout
    second = json.loads(kept.read_text())
    for block, runs in first["blocks"].items():
        assert len(second["blocks"][block]) == 2 * len(runs)
        assert all(run in second["blocks"][block] for run in runs)
    assert second["claims"][1]["figures"][0]["low"] is not None


def test_without_resume_an_earlier_file_is_set_aside_and_another_one_left_alone(tiny: Tiny, tmp_path: Path) -> None:
    kept = tmp_path / "thesis.json"
    settings: dict[str, Any] = {"data_dir": tiny.data_dir, "checkpoint": tiny.checkpoint, "jobs": 1, "file": kept}

    def again() -> None:
        run_thesis("fashion-mnist", claims=(5,), budget=20, seeds=1, **settings)

    again()
    first = kept.read_text()
    again()
    assert (tmp_path / "thesis.json.bak").read_text() == first
    for other in ("my diary", "[1, 2]", '{"runs": []}'):
        kept.write_text(other)
        with pytest.raises(TuilabelError, match="does not contain results of `tuilabel thesis`"):
            again()
        assert kept.read_text() == other

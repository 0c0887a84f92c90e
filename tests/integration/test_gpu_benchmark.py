"""The benchmark of a GPU is ready to run: the same code on a CPU, on little work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks import gpu


def test_rows_have_figures_of_ours_and_of_a_plain_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu", "--quick", "--json", str(tmp_path / "gpu.json")]) == 0
    document = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    assert document["device"] == "cpu"
    assert len(document["rows"]) == 6
    assert all(row["ours"] > 0 and row["plain"] > 0 and row["ratio"] > 0 for row in document["rows"])
    assert "efficientnet_lite2" in capsys.readouterr().out


def test_without_a_gpu_one_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 0
    assert capsys.readouterr().out.count("\n") == 1

"""A VAE that several processes train is the one that a single process trains, whatever becomes of them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.several_processes import SETTINGS, gradients, train
from tuilabel.encoders.vae.checkpoint import load_checkpoint
from tuilabel.encoders.vae.header import partial_path, read_header
from tuilabel.encoders.vae.processes import Processes, own_device
from tuilabel.errors import UsageError

MODULE = "tests.helpers.several_processes"
PATIENCE = 300.0  # seconds; enough on a busy machine


@pytest.fixture(autouse=True)
def _single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("device", "vae.execution"):
        monkeypatch.setattr(f"tuilabel.encoders.{module}.half_precision", lambda device: False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def assert_same_model(one: Path, two: Path) -> None:
    """The losses agree, and weights differ by far less than training moved them."""
    (model, header), (other, other_header) = load_checkpoint(one), load_checkpoint(two)
    losses, other_losses = (
        {name: value for name, value in h.metrics.items() if name != "seconds"} for h in (header, other_header)
    )
    assert other_losses == pytest.approx(losses, rel=2e-3, abs=2e-3)
    images = torch.rand(16, 1, 16, 16)
    with torch.no_grad():
        latents, others = model.encode(images)[0], other.encode(images)[0]
    assert float((latents - others).norm() / latents.norm()) < 0.02


def test_torchrun_trains_the_model_of_a_single_process(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", MODULE, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    expected, found = gradients(), torch.load(tmp_path / "gradients.pt")
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert torch.allclose(found[name], values, rtol=1e-3, atol=2e-5 * float(values.abs().max())), name
    train(tmp_path / "one.safetensors")
    assert_same_model(tmp_path / "one.safetensors", tmp_path / "two.safetensors")
    assert read_header(tmp_path / "two.safetensors").epochs_done == SETTINGS.epochs
    assert not partial_path(tmp_path / "two.safetensors").exists()


def test_when_a_process_is_lost_the_state_is_kept_and_one_process_finishes_the_training(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-m", MODULE, str(tmp_path), "lost"],
            env={**os.environ, **common, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    )
    _, said = first.communicate(timeout=PATIENCE)
    second.communicate(timeout=PATIENCE)
    out = tmp_path / "two.safetensors"
    assert (first.returncode, "Traceback" in said) == (1, False), said
    assert re.search(r"a process of the training was lost in epoch [12] of 2; the state is saved", said), said
    assert f"the state is saved in {partial_path(out)}" in said
    assert not out.exists()
    train(out, resume=True)
    train(tmp_path / "one.safetensors")
    assert_same_model(tmp_path / "one.safetensors", out)


@pytest.mark.parametrize("batch_size", [2, 31, 256])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_row_of_a_batch_belongs_to_one_process(batch_size: int, size: int) -> None:
    parts = [Processes(rank, size).part(batch_size) for rank in range(size)]
    rows = torch.arange(batch_size)
    assert torch.equal(torch.cat([part.of(rows) for part in parts]), rows)
    assert sum(part.weight for part in parts) == pytest.approx(size)


def test_each_process_has_its_gpu_and_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.vae.processes.resolve_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_device("cuda", Processes(1, 2)) == torch.device("cuda:1")
    with pytest.raises(UsageError, match="device must be auto, cuda or cpu for several processes"):
        own_device("cuda:0", Processes(1, 2))
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UsageError, match=r"more processes than GPUs on this machine \(2\)"):
        own_device("cuda", Processes(2, 3))

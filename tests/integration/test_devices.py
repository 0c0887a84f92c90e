"""What is chosen for a device, and what happens when its memory runs out or it stops working. No GPU is needed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from tests.helpers.several_processes import SETTINGS, images
from tuilabel.encoders.device import sent
from tuilabel.encoders.memory import Fitting
from tuilabel.encoders.vae import execution
from tuilabel.encoders.vae.checkpoint import load_checkpoint
from tuilabel.encoders.vae.execution import Execution, fastest
from tuilabel.encoders.vae.header import partial_path, read_header
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.model import VAE
from tuilabel.encoders.vae.training import train_vae
from tuilabel.errors import TuilabelError

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GONE = "CUDA error: unspecified launch failure\nCUDA kernel errors might be reported asynchronously"


class Memory:
    """A computation that has memory for so many images at once; by default for any number on the CPU."""

    def __init__(self, fits: int, fits_on_cpu: int = 1_000) -> None:
        self.fits, self.fits_on_cpu = fits, fits_on_cpu
        self.sizes: list[int] = []

    def __call__(self, rows: np.ndarray, device: torch.device) -> np.ndarray:
        self.sizes.append(len(rows))
        if len(rows) > (self.fits_on_cpu if device == CPU else self.fits):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return rows.reshape(len(rows), -1).astype(np.float32)


def test_when_memory_runs_out_encoding_goes_on_with_smaller_batches(caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory(fits=3)
    fitting, rows = Fitting(memory, GPU), np.arange(20, dtype=np.uint8).reshape(10, 2)
    assert np.array_equal(fitting(rows), rows)
    assert np.array_equal(fitting(rows), rows)
    assert memory.sizes == [10, 5, 2, 2, 2, 2, 2, *[2] * 5], "what fitted is remembered"
    assert [record.message for record in caplog.records] == [
        "the memory of cuda ran out: going on with batches of 5",
        "the memory of cuda ran out: going on with batches of 2",
    ]


def test_where_not_one_image_fits_the_cpu_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    fitting, rows = Fitting(Memory(fits=0), GPU), np.arange(8, dtype=np.uint8).reshape(4, 2)
    assert np.array_equal(fitting(rows), rows)
    assert fitting.device == CPU
    assert "going on with the CPU" in caplog.records[-1].message
    with pytest.raises(TuilabelError, match="not enough memory to encode one image"):
        Fitting(Memory(fits=0, fits_on_cpu=0), GPU)(rows)


def test_a_device_that_vanishes_is_reported_in_one_line() -> None:
    def compute(rows: np.ndarray, device: torch.device) -> np.ndarray:
        raise RuntimeError(GONE)

    with pytest.raises(TuilabelError, match=r"^cuda does not work any more \(CUDA error: unspecified launch failure\)"):
        Fitting(compute, GPU)(np.zeros((2, 2), np.uint8))
    with pytest.raises(RuntimeError, match="CUDA error"):  # cannot be the CPU's
        Fitting(compute, CPU)(np.zeros((2, 2), np.uint8))


def test_images_go_to_a_gpu_from_pinned_memory_and_nothing_waits_for_them() -> None:
    tensor = Mock()
    assert sent(tensor, GPU) is tensor.pin_memory().to.return_value
    tensor.pin_memory().to.assert_called_once_with(GPU, non_blocking=True)
    here = torch.ones(2)
    assert sent(here, CPU) is here


def train(out: Path, **options: object) -> VAE:
    settings = replace(SETTINGS, batch_size=64)
    return train_vae(images(), settings, out, dataset="toy", fingerprint="f", **options)[0]  # type: ignore[arg-type]


def test_training_goes_on_with_smaller_batches_and_is_resumed_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forward = VAE.forward

    def limited(self: VAE, view: torch.Tensor, *rest: Any) -> object:
        if len(view) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, view, *rest)

    monkeypatch.setattr(VAE, "forward", limited)
    asked = iter(range(10))
    with pytest.raises(TuilabelError, match="stopped in epoch 2"):
        train(tmp_path / "vae", device="cpu", should_stop=lambda: next(asked, None) is None)
    assert [record.message for record in caplog.records] == [
        "the memory of cpu ran out: training with 32 images per step",
        "the memory of cpu ran out: training with 16 images per step",
    ]
    train(tmp_path / "vae", resume=True)
    assert read_header(tmp_path / "vae").settings["batch_size"] == 16


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(GONE)])
def test_a_training_whose_device_fails_later_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("tuilabel.encoders.memory._GONE", ("CUDA error",))
    monkeypatch.setattr("tuilabel.encoders.vae.run.lost", lambda device, error: TuilabelError("lost"))

    def fail(now: TrainProgress) -> None:
        if now.epoch == 2:
            raise error

    with pytest.raises(TuilabelError, match=r"in epoch 2 of 2; the state is saved in .*continue with `resume=True`"):
        train(tmp_path / "vae", on_progress=fail)
    assert partial_path(tmp_path / "vae").exists()
    resumed, whole = train(tmp_path / "vae", resume=True), train(tmp_path / "whole")
    for name, values in whole.state_dict().items():
        assert torch.allclose(resumed.state_dict()[name], values, atol=1e-5), name


def test_the_fastest_execution_is_measured_once_for_each_device_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, fast, broken = Execution("float32"), Execution("bfloat16"), Execution("tf32")
    compiled = Execution("bfloat16", compiled=True)
    monkeypatch.setattr(execution, "candidates", lambda device: (slow, broken, fast, compiled))
    clock, cost, tried = [0.0], {slow: 0.3, fast: 0.1, compiled: 0.05}, []
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def trial(choice: Execution):  # type: ignore[no-untyped-def]
        tried.append(choice)

        def step() -> None:
            if choice == broken:
                raise RuntimeError("not on this device")
            clock[0] += cost[choice]

        return step

    assert fastest(CPU, "a model", 100, trial) == fast
    assert tried == [slow, broken, fast], "compiling takes longer than this training"
    assert fastest(CPU, "a model", 10_000, trial) == compiled
    assert fastest(CPU, "a model", 10_000, trial) == compiled
    assert tried == [slow, broken, fast, compiled], "what was measured is kept"
    fastest(CPU, "another model", 100, trial)
    assert len(tried) == 7


def test_measuring_leaves_no_trace_in_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "half_precision", lambda device: False)
    train(tmp_path / "plain")
    monkeypatch.setattr(execution, "candidates", lambda device: (Execution("float32"), Execution("tf32")))
    train(tmp_path / "measured")
    (one, _), (two, _) = load_checkpoint(tmp_path / "plain"), load_checkpoint(tmp_path / "measured")
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_a_cache_of_measurements_that_is_damaged_or_cannot_be_written_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "candidates", lambda device: (Execution("float32"), Execution("tf32")))
    monkeypatch.setattr(execution, "cache_dir", lambda: tmp_path)
    (tmp_path / "devices.json").write_text('{"a": [1, 2')
    assert fastest(CPU, "a", 1, lambda choice: lambda: None) in (Execution("float32"), Execution("tf32"))
    monkeypatch.setattr(execution, "cache_dir", lambda: tmp_path / "devices.json")  # a file is not a directory
    assert fastest(CPU, "b", 1, lambda choice: lambda: None) in (Execution("float32"), Execution("tf32"))

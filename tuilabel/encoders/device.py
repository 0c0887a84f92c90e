"""The device that networks run on, and the precision that is fastest there."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch

from tuilabel.encoders.device_check import check_device_name, not_available


def resolve_device(name: str) -> torch.device:
    """The device called `name`; "auto" selects a GPU if there is one.

    Raises
    ------
    UsageError : if the name is unknown or the device is not available.
    """
    check_device_name(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[device.type]:
        raise not_available(name)
    return device


def half_precision(device: torch.device) -> bool:
    """Whether bfloat16 is faster: on GPUs that support it, and on processors with enough units for it.

    Nearest neighbours in the latent space of the MNIST model agree equally well in both.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported()) and (_amx() or not _intel())


def _amx() -> bool:
    """Whether oneDNN may use matrix units: with them, convolutions in bfloat16 take half of the time or less.

    An Intel processor with these switched off took 1.7 times as long for them as in float32, and 1.3 times for a
    training step of the MNIST model; see docs/research.md.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    return bool(torch.cpu._is_amx_tile_supported()) and (not limit.startswith(("SSE", "AVX")) or "AMX" in limit)


@lru_cache(maxsize=1)
def _intel() -> bool:
    try:
        description = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        description = platform.processor()
    return "GenuineIntel" in description


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the CPU on `device`.

    It goes to a GPU from pinned memory. A copy from any other memory takes its turn behind all that the GPU still has
    to do, and the program waits for it.
    """
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@contextlib.contextmanager
def precision(device: torch.device) -> Iterator[None]:
    """Compute in mixed precision if that is faster."""
    with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
        yield

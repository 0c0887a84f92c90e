"""How fast this machine is at best: matrix products, convolutions, memory."""

from __future__ import annotations

import numpy as np
import torch

from tests.benchmarks.rivals.task import seconds_of


def products() -> float:
    """Floating-point operations a second in float32 matrix products of 2,048 × 2,048, with torch's threads."""
    n = 2048
    a = torch.randn(n, n)
    return 2 * n**3 / min(seconds_of(lambda: a @ a) for _ in range(7))


def convolutions(dtype: torch.dtype) -> float:
    """Floating-point operations a second in convolutions 3 × 3 of 128 channels, forwards, channels last."""
    n, side, channels = 32, 32, 128
    x = torch.randn(n, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = min(seconds_of(lambda: torch.nn.functional.conv2d(x, kernel, padding=1)) for _ in range(7))
    return 2 * n * side**2 * channels**2 * 9 / seconds


def memory(size: int) -> float:
    """Bytes a second that one thread reads of an array of `size` bytes, from wherever that lies after the last time."""
    array = np.ones(size // 4, dtype=np.float32)
    return array.nbytes / min(seconds_of(lambda: array @ array) for _ in range(9))

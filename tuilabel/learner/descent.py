"""Gradient descent for models so small that calling torch's own optimizer takes longer than the arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

RISE = 0.3  # share of the steps in which the learning rate rises
BETA, LOW_BETA, SQUARE_BETA = 0.95, 0.85, 0.999  # momentum at the ends and at the peak of the cycle; of the squares
START, END = 25.0, 250_000.0  # by how much the first and the last learning rate are below the peak
EPSILON = 1e-8


@contextmanager
def one_thread() -> Iterator[int]:
    """Torch with one thread, for operations that are too small to be shared; yields the number it had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


class OneCycleAdamW:
    """AdamW (Loshchilov & Hutter 2019) on a one-cycle schedule (Smith & Topin 2018), over all weights as one vector.

    Up to rounding the same steps as `torch.optim.AdamW` with `OneCycleLR`, which take four times as long for a
    perceptron on latents: nearly all of that is calls.

    Parameters
    ----------
    initial : float32 tensors of any shapes, without gradients.
    lr : peak of the schedule.
    steps : number of calls of `step` that the schedule is for.

    Attributes
    ----------
    weights : views of the vector, in the shapes of `initial`; each `step` changes them.
    gradients : the same for the gradients, which are to be written before each `step`.
    """

    def __init__(self, initial: Sequence[Tensor], lr: float, weight_decay: float, steps: int) -> None:
        self._vector = torch.cat([weight.flatten() for weight in initial])
        self._gradient, self._mean, self._square = (torch.zeros_like(self._vector) for _ in range(3))
        self.weights, self.gradients = _parts(self._vector, initial), _parts(self._gradient, initial)
        self._weight_decay = weight_decay
        self._schedule = one_cycle(lr, steps)
        self._done = 0

    def step(self) -> None:
        """Move all weights by what stands in `gradients`."""
        lr, beta = self._schedule[self._done]
        self._done += 1
        self._mean.lerp_(self._gradient, 1 - beta)
        self._square.mul_(SQUARE_BETA).addcmul_(self._gradient, self._gradient, value=1 - SQUARE_BETA)
        spread = self._square.sqrt().div_(math.sqrt(1 - SQUARE_BETA**self._done)).add_(EPSILON)
        self._vector.mul_(1 - lr * self._weight_decay)
        self._vector.addcdiv_(self._mean, spread, value=-lr / (1 - beta**self._done))


def _parts(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Views of consecutive parts of a vector, in the shapes of other tensors."""
    parts = torch.split(vector, [tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def one_cycle(lr: float, steps: int) -> list[tuple[float, float]]:
    """Learning rate and momentum of each step: along a cosine from `lr` / 25 to `lr`, and down to nearly nothing."""
    peak, cycle = RISE * steps - 1, []
    for step in range(steps):
        rising = step <= peak
        height = step / peak if rising else 1 - (step - peak) / (steps - 1 - peak)  # 0 at the ends, 1 at the peak
        height = (1 - math.cos(math.pi * height)) / 2
        low = lr / (START if rising else END)
        cycle.append((low + height * (lr - low), BETA + height * (LOW_BETA - BETA)))
    return cycle

"""A training step of the default VAE beside its layers alone: how near it comes to what this machine does at best.

The limit is made of the step's own convolutions and matrix products, at their sizes, in the precision and memory layout
of training: each forward and backward by itself, at its best of several turns. Everything else comes on top of them:
normalisation, activations, augmentation, the loss, Muon and AdamW.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.rivals.task import seconds_of
from tuilabel.datasets import open_pool
from tuilabel.encoders.device import precision
from tuilabel.encoders.vae.augmentations import augment
from tuilabel.encoders.vae.inputs import channels_last, to_input
from tuilabel.encoders.vae.model import VAE, VAEConfig
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.settings import TrainSettings

STEPS, TURNS = 15, 9
CPU = torch.device("cpu")
PRODUCTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Layer:
    """A convolution or a matrix product of the model, with the input that it has in a step."""

    name: str
    module: nn.Module
    input: Tensor
    first: bool
    """Whether its input is the batch, which needs no gradient."""

    def alone(self) -> float:
        """Seconds of a forward and a backward pass, with nothing else to do."""
        x = self.input.detach().clone(memory_format=torch.preserve_format).requires_grad_(not self.first)
        with precision(CPU):
            y: Tensor = self.module(x)
        gradient = torch.randn_like(y)
        of = [*self.module.parameters(), *([] if self.first else [x])]

        def both() -> None:
            with precision(CPU):
                torch.autograd.grad(self.module(x), of, gradient)

        return min(seconds_of(both) for _ in range(TURNS))

    def operations(self) -> int:
        """Floating-point operations of both passes."""
        x = self.input.detach().float().requires_grad_(not self.first)
        with FlopCounterMode(display=False) as counter:
            self.module(x).sum().backward()
        return counter.get_total_flops()


class Step:
    """A training step of the default VAE, as `tuilabel.encoders.vae.run` takes it."""

    def __init__(self) -> None:
        self.settings = TrainSettings()
        self.images = np.array(open_pool("mnist").images[: self.settings.batch_size])
        torch.manual_seed(0)
        self.config = VAEConfig(projection=0)
        self.model = VAE(self.config).to(memory_format=torch.channels_last)
        self.optimizer = OneCycle(self.model, self.settings.lr, 1_000)
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self) -> None:
        clean = to_input(self.images, self.config, CPU)
        view, second = (channels_last(augment(clean, self.generator)) for _ in range(2))
        with precision(CPU):
            terms = self.model(view, clean, None, second)
        self.optimizer.step(terms.reconstruction + terms.kl - self.settings.mi_weight * terms.mutual_information)

    def layers(self) -> list[Layer]:
        found: list[Layer] = []

        def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found.append(Layer(name, module, inputs[0], first=not found))

        hooks = [
            module.register_forward_pre_hook(lambda module, inputs, name=name: note(name, module, inputs))
            for name, module in self.model.named_modules()
            if isinstance(module, PRODUCTS)
        ]
        self()
        for hook in hooks:
            hook.remove()
        return found


def step_and_layers(_: Path) -> Iterator[tuple[str, str, str]]:
    step = Step()
    layers = step.layers()
    seconds = statistics.median([seconds_of(step) for _ in range(3 + STEPS)][3:])
    alone = {layer.name: layer.alone() for layer in layers}
    operations = {layer.name: layer.operations() for layer in layers}
    again = statistics.median(seconds_of(step) for _ in range(STEPS))
    seconds = statistics.median([seconds, again])
    total, batch = sum(alone.values()), step.settings.batch_size
    yield f"a training step of the default VAE, {batch} images", f"{1e3 * seconds:.0f} ms", ""
    for name, least in alone.items():
        rate = operations[name] / least / 1e9
        yield f"… {name} alone, forward and backward", f"{1e3 * least:.1f} ms, {rate:,.0f} GFLOP/s", ""
    yield (
        "… all convolutions and products alone",
        f"{1e3 * total:.0f} ms, {sum(operations.values()) / total / 1e9:,.0f} GFLOP/s",
        "",
    )
    yield "… their share of the step", f"{total / seconds:.0%}", ""

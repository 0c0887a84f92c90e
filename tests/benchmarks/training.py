"""A VAE epoch compared with a plain torch loop over the same model and views."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tuilabel.datasets import open_pool
from tuilabel.encoders.device import precision
from tuilabel.encoders.vae.augmentations import augment
from tuilabel.encoders.vae.header import find_checkpoint, read_header
from tuilabel.encoders.vae.inputs import to_input
from tuilabel.encoders.vae.model import VAE, VAEConfig
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.training import train_vae

IMAGES = 10_000
TURNS = 5
CPU = torch.device("cpu")


def epoch_ratio(folder: Path) -> Iterator[tuple[str, str, str]]:
    pool = open_pool("mnist")
    images = np.array(pool.images[:IMAGES])
    ours, plain, adamw = [], [], []
    for _ in range(TURNS):  # in turns, so that other load on the machine affects all of them
        ours.append(trained_epoch(images, folder / "epoch.safetensors"))
        plain.append(plain_epoch(images, OneCycle))
        adamw.append(plain_epoch(images, AdamWAlone))
    yield f"a VAE epoch, compared with a plain torch loop, {IMAGES:,} images", ratio(ours, plain), "1.05 ×"
    yield "… compared with a plain loop with AdamW in place of Muon", ratio(ours, adamw), ""
    yield "… in images per second", f"{IMAGES / statistics.median(ours):,.0f}", ""
    epochs = TrainSettings.for_augmentations("glyphs").epochs
    seconds = epochs * len(pool.images) * statistics.median(ours) / IMAGES
    yield f"the default VAE at that pace, {epochs} epochs", f"{seconds / 60:.1f} minutes", "15 minutes"
    seconds = read_header(find_checkpoint("mnist")).metrics["seconds"]
    yield "… the shipped one, according to its checkpoint", f"{seconds / 60:.1f} minutes", ""


def ratio(ours: list[float], theirs: list[float]) -> str:
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    return f"{statistics.median(ratios):.2f} × ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def trained_epoch(images: np.ndarray, out: Path) -> float:
    """Seconds to the end of the epoch, without the work that is done once after the last epoch."""
    begin = time.perf_counter()
    ends = []
    train_vae(
        images,
        TrainSettings(epochs=1),
        out,
        dataset="mnist",
        fingerprint="f",
        on_progress=lambda _: ends.append(time.perf_counter()),
    )
    return ends[-1] - begin


class AdamWAlone:
    """Like `OneCycle`, but with AdamW for all weights."""

    def __init__(self, model: nn.Module, lr: float, steps: int) -> None:
        self._optimizer = torch.optim.AdamW(model.parameters(), lr, fused=True)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimizer, lr, total_steps=steps)

    def step(self, loss: torch.Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._schedule.step()


def plain_epoch(
    images: np.ndarray, optimizer_of: type[OneCycle] | type[AdamWAlone], device: torch.device = CPU
) -> float:
    """Seconds of a plain training loop, including its set-up."""
    begin = time.perf_counter()
    settings = TrainSettings(epochs=1)
    config = VAEConfig(projection=0)
    model = VAE(config).to(device).to(memory_format=torch.channels_last)
    steps = len(images) // settings.batch_size
    optimizer = optimizer_of(model, settings.lr, steps)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(images), generator=generator).numpy()
    for step in range(steps):
        clean = to_input(images[order[step * settings.batch_size : (step + 1) * settings.batch_size]], config, device)
        with precision(device):
            view, second = (augment(clean, generator) for _ in range(2))
            terms = model(view, clean, None, second)
        optimizer.step(terms.reconstruction + terms.kl - settings.mi_weight * terms.mutual_information)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin

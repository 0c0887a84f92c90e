"""A small training by several processes: `python -m tests.helpers.several_processes FOLDER` is what each one runs.

FOLDER gets `gradients.pt`, of one batch, and `two.safetensors`. With a second argument, `lost`, the second process ends
in the middle of the training.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from tuilabel.encoders import device
from tuilabel.encoders.vae import execution, plateau
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.model import VAE, VAEConfig
from tuilabel.encoders.vae.processes import all_rows, joined
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.training import train_vae
from tuilabel.errors import TuilabelError

BATCH = 31  # so that parts differ in size
SETTINGS = TrainSettings(
    latent_dim=4, epochs=2, batch_size=BATCH, contrastive_weight=5.0, augmentations="objects", seed=3
)


def images(count: int = 4 * BATCH) -> np.ndarray:
    rng = np.random.default_rng(0)
    pixels = np.zeros((count, 16, 16, 1), dtype=np.uint8)
    for image in pixels:
        y, x = rng.integers(2, 10, size=2)
        image[y : y + 4, x : x + 4] = 255
    return pixels


def gradients() -> dict[str, torch.Tensor]:
    """The gradients of all parameters, and the running statistics, after one batch; float32."""
    with joined("cpu") as processes:
        torch.manual_seed(0)
        model = VAE(VAEConfig(16, 16, 1, latent_dim=4)).to(memory_format=torch.channels_last)
        assert model.cluster is not None
        model.cluster.weight.data.mul_(50)  # untrained heads have gradients that are nothing but rounding
        step = processes.prepare(model)
        part = processes.part(BATCH) if processes.size > 1 else all_rows(BATCH)
        view, second, clean = torch.rand(3, BATCH, 1, 16, 16)
        noise = torch.randn(BATCH, 4)
        terms = step(*(part.of(values) for values in (view, clean, noise, second)), part)
        (terms.reconstruction + terms.kl - 20 * terms.mutual_information + 5 * terms.contrastive).backward()
        found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
        return {**found, **{f"buffer.{name}": buffer.float() for name, buffer in model.named_buffers()}}


def train(out: Path, *, lost: bool = False, resume: bool = False) -> VAE:
    """Train for two epochs, with some images held out; with `lost` the second process ends after the first."""

    def die(now: TrainProgress) -> None:
        if lost and now.images_done == now.images_total and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)

    options = {"device": "cpu", "resume": resume, "on_progress": die}
    settings = replace(SETTINGS, stop_early=True)
    with patch.object(plateau, "MIN_HELD_OUT", 4):
        return train_vae(images(), settings, out, dataset="toy", fingerprint="f", **options)[0]  # type: ignore[arg-type]


def main(folder: Path, lost: bool) -> None:
    for module in (device, execution):  # what rounding hides is visible in single precision
        vars(module)["half_precision"] = lambda _: False
    with joined("cpu") as processes:
        found = gradients()
        if processes.first:
            torch.save(found, folder / "gradients.pt")
        try:
            train(folder / "two.safetensors", lost=lost)
        except TuilabelError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "lost" in sys.argv)

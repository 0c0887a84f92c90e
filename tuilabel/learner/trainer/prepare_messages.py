"""What the process that prepares is told, and what it says.

Not in its own module: that is `__main__` there, and a class of `__main__` is another one in who hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuilabel.encoders.choose import Encoder
from tuilabel.learner.trainer.messages import TrainerProgress


@dataclass(frozen=True)
class PrepareSettings:
    """What is prepared; the images have been listed."""

    dataset: str
    data_dir: Path | None
    encoder: Encoder | None
    """None: train a VAE, and write it to `vae`."""
    vae: Path
    encodes: bool
    """Whether latents are wanted at all."""
    device: str
    seed: int


@dataclass(frozen=True)
class ImagesRead:
    """More images have been read."""

    complete: bool
    """Whether those were the last."""


@dataclass(frozen=True)
class LatentsReady:
    """The latents of all images lie in the cache."""

    encoder: Encoder


@dataclass(frozen=True)
class PrepareFailed:
    """It cannot go on; labelling can."""

    reason: str


PrepareMessage = TrainerProgress | ImagesRead | LatentsReady | PrepareFailed

"""Messages between the trainer and its prepare process.

They are not in `prepare_worker`, which runs as `__main__`: a class defined there could not be unpickled by the parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuilabel.datasets import DatasetLike
from tuilabel.encoders import Encoder
from tuilabel.learner.trainer.messages import TrainerProgress


@dataclass(frozen=True)
class PrepareSettings:
    """What to prepare; the images have been listed already."""

    dataset: DatasetLike
    data_dir: Path | None
    encoders: tuple[Encoder, ...]
    """In the order in which they are trained and encode; none if no latents are needed."""
    device: str
    seed: int


@dataclass(frozen=True)
class ImagesRead:
    """More images have been read."""

    complete: bool
    """Whether all images have been read."""


@dataclass(frozen=True)
class LatentsReady:
    """The latents of all images are in the cache."""

    encoder: Encoder


@dataclass(frozen=True)
class EncoderFailed:
    """There will be no latents of this encoder; those of others follow."""

    encoder: Encoder
    reason: str


@dataclass(frozen=True)
class PrepareFailed:
    """Preparing has failed for good; labelling can continue."""

    reason: str


Prepared = ImagesRead | LatentsReady
"""What the trainer can switch to."""
PrepareMessage = TrainerProgress | Prepared | EncoderFailed | PrepareFailed

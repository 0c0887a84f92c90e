"""The settings that the trainer process is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuilabel.datasets import DatasetLike
from tuilabel.encoders import Encoder


@dataclass(frozen=True)
class WorkerSettings:
    """What the trainer process opens; images and latents are never sent to it."""

    dataset: DatasetLike
    data_dir: Path | None
    encoder: Encoder | None
    """Computes the latents, perhaps after training in the background; None for a learner that needs no latents."""
    learner: str
    device: str
    log: Path
    """The file that receives everything the process prints."""
    seed: int = 0
    alternatives: tuple[Encoder, ...] = ()
    """Other encoders, best first: the trainer moves between all that are ready, as the labels decide."""
    space: str | None = None
    """The encoder that the last session used."""

    @property
    def encoders(self) -> tuple[Encoder, ...]:
        """All encoders, best first by the look of the images."""
        return () if self.encoder is None else (self.encoder, *self.alternatives)

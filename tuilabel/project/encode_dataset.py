"""Encode a dataset and cache its latents."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tuilabel.datasets import DatasetLike, as_ref, open_pool
from tuilabel.encoders import choose_encoder
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.table import table_of
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write
from tuilabel.project.locate import project_directory
from tuilabel.project.progress import OnProgress, ignore


@dataclass(frozen=True)
class EncodedDataset:
    """A dataset whose latents are cached.

    Attributes
    ----------
    encoder : its name.
    checkpoint : the VAE's file; None for other encoders.
    items, latent_dim : shape of the pool's latents.
    path : the file that holds them.
    """

    dataset: str
    encoder: str
    checkpoint: Path | None
    items: int
    latent_dim: int
    path: Path | None

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON document."""
        paths = {"checkpoint": self.checkpoint, "path": self.path}
        return {**asdict(self), **{name: None if path is None else str(path) for name, path in paths.items()}}


def encode_dataset(
    dataset: DatasetLike,
    out: Path | None = None,
    *,
    encoder: str = "vae",
    checkpoint: Path | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    on_progress: OnProgress = ignore,
) -> EncodedDataset:
    """Encode a dataset into the cache.

    Parameters
    ----------
    out : a .npy file for the pool's latents, float32; None to write none.
    encoder, checkpoint : see `choose_encoder`; a VAE that a project has trained is used if there is no other.

    Raises
    ------
    TuilabelError, UsageError : as `open_pool` and `Encoder.encode`; if there is no VAE yet, or `out` cannot be written.
    """
    check_device_name(device)
    ref = as_ref(dataset)
    pool = open_pool(ref, data_dir, on_progress)
    project = project_directory(ref.location, None)
    chosen = choose_encoder(encoder, pool, checkpoint=checkpoint, project=project)
    if chosen.needs_training(pool):
        command = shlex.join(["tuilabel", "train-vae", ref.location])
        raise TuilabelError(f"no VAE for {pool.name} yet: train it with `{command}`, or pass `encoder='pca'`")
    latents = chosen.encode(pool, device, partial(on_progress, "encoding"))
    if out is not None:
        with atomic_write(out) as temporary, temporary.open("wb") as file:
            np.save(file, table_of(pool, latents))
    return EncodedDataset(
        dataset=pool.name,
        encoder=chosen.name,
        checkpoint=chosen.path,
        items=len(latents.pool),
        latent_dim=int(latents.pool.shape[1]),
        path=out or latents.path,
    )

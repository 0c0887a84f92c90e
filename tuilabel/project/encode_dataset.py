"""Encode a dataset and cache its latents."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tuilabel.datasets import DatasetLike, DatasetRef, as_ref, open_pool
from tuilabel.encoders import AUTO, DEFAULT_ENCODER, DOWNLOADING, Latents, choose_encoder
from tuilabel.encoders.device_check import check_device_name
from tuilabel.encoders.tables.encoder import write_table
from tuilabel.encoders.tables.write import check_table_path
from tuilabel.encoders.titles import title_of
from tuilabel.errors import TuilabelError
from tuilabel.project.file_problems import unread_lines
from tuilabel.project.locate import locate_project
from tuilabel.project.progress import Note, OnProgress, ignore


@dataclass(frozen=True)
class EncodedDataset:
    """A dataset whose latents are cached.

    Attributes
    ----------
    encoder : its name.
    checkpoint : the file that the encoder is loaded from; None for one without.
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
    force: bool = False,
    encoder: str = DEFAULT_ENCODER,
    checkpoint: Path | None = None,
    latents: Path | None = None,
    reference: DatasetLike | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    on_progress: OnProgress = ignore,
    note: Note = ignore,
) -> EncodedDataset:
    """Encode a dataset into the cache.

    Parameters
    ----------
    out : a file for the latents of pool and test split, float32; None to write none. A .parquet or .npz has a row with
        id and path for each image. A .npy has one for each image, without the test split, or of your own images one
        for each file, sorted by name, NaN for those that cannot be read.
    force : overwrite an existing file.
    encoder, checkpoint, latents : see `choose_encoder`; a VAE that a project has trained is used if there is no other.
    reference : encode into the latent space of this dataset, with its VAE or principal components, without the test
        split: for a model on a table of its latents.
    note : called with the encoder's notes, see `Encoder.notes`.

    Raises
    ------
    TuilabelError, UsageError : as `open_pool` and `Encoder.encode`; if there is no VAE yet, or `out` cannot be written.
    """
    check_device_name(device)
    if out is not None:
        check_table_path(out)
        if out.exists() and not force:
            raise TuilabelError(f"{out} already exists: pass `force=True` to overwrite it, or another `out`")
    ref = as_ref(dataset)
    pool = open_pool(ref, data_dir, on_progress)
    whose = ref if reference is None else as_ref(reference)
    space = pool if reference is None else open_pool(whose, data_dir, on_progress)
    project = _project_of(whose)
    chosen = choose_encoder(encoder, space, checkpoint=checkpoint, latents=latents, project=project)
    if chosen.needs_training(space):
        command = chosen.training_command(whose.location)
        raise TuilabelError(f"no VAE for {space.name} yet: train it with `{command}`, or pass `encoder='pca'`")
    if encoder == AUTO and not space.is_builtin and latents is None:
        note(f"encoder auto: {title_of(chosen.name)}, by the look of the images")
    for line in (*unread_lines(pool, ref.location), *chosen.notes(space)):
        note(line)
    chosen.fetch(partial(on_progress, DOWNLOADING))
    progress = partial(on_progress, "encoding")
    if reference is None:
        encoded = chosen.encode(pool, device, progress)
    else:
        encoded = Latents(chosen.encode_others(pool, space, device, progress), None, None)
    if out is not None:
        write_table(out, pool, encoded)
    return EncodedDataset(
        dataset=pool.name,
        encoder=chosen.name,
        checkpoint=chosen.path,
        items=len(encoded.pool),
        latent_dim=int(encoded.pool.shape[1]),
        path=out or encoded.path,
    )


def _project_of(dataset: DatasetRef) -> Path | None:
    """The project that may have trained a VAE of the images; None if it is not known, as latents need none."""
    try:
        return locate_project(dataset).directory
    except TuilabelError:
        return None

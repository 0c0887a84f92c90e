"""Which encoder gives the latents of a pool, and how it is chosen; `tuilabel.encoders.encode` encodes, with torch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.vae.header import check_fits, find_checkpoint, read_header
from tuilabel.errors import TuilabelError, UsageError, unknown_name

BACKBONES = {
    "resnet18": "torchvision",
    "resnet50": "torchvision",
    "convnext_tiny": "torchvision",
    "efficientnet_v2_s": "torchvision",
    "vit_b_16": "torchvision",
    "dinov2": "timm",
}
"""Networks that others have trained on photographs, by name, with the library that has them; dinov2 is the small vision
transformer of Oquab et al. 2023."""


@dataclass(frozen=True)
class Encoder:
    """What images are told apart by.

    Attributes
    ----------
    kind : a VAE's posterior means, the principal components of thumbnails, the features of a backbone, or the person's
        own table.
    name : what it is called on the screen and on the command line.
    path : the VAE's checkpoint, or the table.
    """

    kind: Literal["vae", "pca", "backbone", "own"]
    name: str
    path: Path | None = None

    @classmethod
    def vae(cls, checkpoint: Path) -> Encoder:
        """The VAE of a checkpoint."""
        return cls("vae", "vae", checkpoint)


PCA_ENCODER = Encoder("pca", "pca")


def choose_encoder(
    encoder: str,
    pool: ImagePool,
    *,
    checkpoint: Path | None = None,
    latents: Path | None = None,
    project: Path | None = None,
) -> Encoder | None:
    """The encoder that was asked for; None for a VAE of a person's own images that is yet to be trained.

    Parameters
    ----------
    encoder : "vae", "pca", or the name of a backbone.
    checkpoint : the VAE's, where one was named; else the dataset's, see `find_checkpoint`, or the project's own.
    latents : the person's own, which go before all else; see `own_rows`.
    project : the project's directory.

    Raises
    ------
    UsageError : where there is no such encoder.
    TuilabelError : where a file is missing, damaged or for other images, or, for a dataset known by name, there is no
        VAE yet.
    """
    if latents is not None:
        own_rows(latents, pool)
        return Encoder("own", "own latents", latents)
    check_encoder(encoder)
    if encoder == "pca":
        return PCA_ENCODER
    if encoder != "vae":
        return Encoder("backbone", encoder)
    if checkpoint is None and not pool.is_builtin:
        return _vae_of_own(pool, project)
    path = find_checkpoint(pool.name, checkpoint)
    check_fits(read_header(path), pool)
    return Encoder.vae(path)


def _vae_of_own(pool: ImagePool, project: Path | None) -> Encoder | None:
    """The VAE that somebody trained for these images, else the one from behind the screen; None for neither."""
    places = [] if project is None else [vae_of(project)]
    with suppress(TuilabelError):
        places.insert(0, find_checkpoint(pool.name))
    for path in filter(Path.is_file, places):
        with suppress(TuilabelError):  # one for other images, or damaged: another is trained
            check_fits(read_header(path), pool)
            return Encoder.vae(path)
    return None


def check_encoder(name: str) -> None:
    """Raise `UsageError` where there is no encoder called `name`."""
    known = ("vae", "pca", *BACKBONES)
    if name not in known:
        raise unknown_name("encoder", name, known)


def vae_of(project: Path) -> Path:
    """The VAE that was trained for a project, behind its screen."""
    return project / "vae.safetensors"


def own_rows(file: Path, pool: ImagePool) -> NDArray[np.float32]:
    """A person's own latents, float32 (n, D), as they are in the file, after a look at whether they are the pool's.

    For a dataset known by name there is a row for each image of the pool, with or without those of the test split after
    them; for a person's own images one for each file, readable or not, in the order of their names.

    Raises
    ------
    UsageError : where the file holds something else than a table of numbers.
    TuilabelError : where it cannot be read, or has another number of rows.
    """
    try:
        rows = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise TuilabelError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise TuilabelError(f"{file} is no .npy file of numbers: give one (N, D)") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu" or not rows.shape[1]:
        raise UsageError(f"{file} holds no table of numbers (N, D): save one with numpy.save")
    n, m = len(pool.images), 0 if pool.test is None else len(pool.test.images)
    files = pool.rows_by_file()
    allowed = (n, n + m) if files is None else (files.n_files,)
    if len(rows) not in allowed:
        kind, what = "images", "image"
        if files is not None:
            kind, what = "files", "file, readable or not, in the order of their names"
        raise TuilabelError(
            f"{file} has {len(rows):,} rows and {pool.name} {allowed[0]:,} {kind}: give a row for each {what} "
            "(`tuilabel encode` writes such a file)"
        )
    return rows if rows.dtype == np.float32 else rows.astype(np.float32)

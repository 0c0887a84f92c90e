"""Encoders: what gives the latents of a pool, and how one is chosen. None of them imports torch until it encodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool, LibraryPool
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.vae.header import check_fits, find_checkpoint, read_header
from tuilabel.vae.latents import (
    Latents,
    cache_path,
    cached_latents,
    digest_of,
    encode_pool,
    read_cached,
    write_cached,
)
from tuilabel.vae.pca import PCA

OnProgress = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    pass


class Encoder(Protocol):
    """Gives the latents of a pool."""

    @property
    def name(self) -> str:
        """What it is called on the screen."""

    @property
    def path(self) -> Path | None:
        """The file that makes it what it is: a checkpoint, latents."""

    def cached(self, pool: ImagePool) -> Latents | None:
        """The latents if they can be had at once; else None."""

    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = _silent) -> Latents:
        """The latents, from the cache or made now.

        Raises
        ------
        TuilabelError : where they cannot be made, or the cache cannot be written.
        UsageError : where the device is not here.
        """


@dataclass(frozen=True)
class VAEEncoder:
    """The posterior means of a VAE."""

    path: Path
    """Of the checkpoint."""
    name: str = "vae"

    def cached(self, pool: ImagePool) -> Latents | None:
        """From the cache."""
        return cached_latents(pool, self.path)

    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = _silent) -> Latents:
        """See `encode_pool`."""
        return encode_pool(pool, self.path, device, on_progress)


@dataclass(frozen=True)
class PCAEncoder:
    """Principal components of thumbnails: weak, and there at once."""

    name: str = "pca"
    path: None = None

    def cached(self, pool: ImagePool) -> Latents:
        """Made each time."""
        return self.encode(pool)

    def encode(self, pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = _silent) -> Latents:
        """Fitted on the pool, not on the test split."""
        pca = PCA.of(pool.images)
        return Latents(pca(pool.images), None if pool.test is None else pca(pool.test.images), None)


@dataclass(frozen=True)
class BackboneEncoder:
    """The features of a network that others have trained; see `tuilabel.vae.backbone`."""

    name: str
    path: None = None

    def cached(self, pool: ImagePool) -> Latents | None:
        """From the cache."""
        return read_cached(pool, cache_path(pool, self.name))

    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = _silent) -> Latents:
        """Every image in the size that the network wants, from its file."""
        cached = self.cached(pool)
        if cached is not None:
            return cached
        from tuilabel.vae.backbone import encoded

        def rows(part: slice) -> Iterator[NDArray[np.float32]]:
            return encoded(self.name, pool, part.start, device)

        return write_cached(pool, cache_path(pool, self.name), rows, on_progress)


@dataclass(frozen=True)
class OwnLatents:
    """The person's own: a .npy file with a row for each image.

    For a dataset known by name in the order of its pool, with or without those of the test split after them; for a
    person's own images one for each file, readable or not, in the order of their names.
    """

    path: Path
    name: str = "own latents"

    def cached(self, pool: ImagePool) -> Latents | None:
        """They are there, at once."""
        return self.encode(pool)

    def encode(self, pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = _silent) -> Latents:
        """Checked and put in the pool's order."""
        rows = _own_rows(self.path)
        if isinstance(pool, LibraryPool):
            return _by_file(pool, rows, self.path)
        n, m = len(pool.images), 0 if pool.test is None else len(pool.test.images)
        if len(rows) not in (n, n + m):
            raise TuilabelError(f"{self.path} has {len(rows):,} rows, {pool.name} has {n:,} images: give one for each")
        return Latents(rows[:n], rows[n:] if m and len(rows) > n else None, None)


def choose_encoder(
    encoder: str,
    pool: ImagePool,
    *,
    checkpoint: Path | None = None,
    latents: Path | None = None,
    project: Path | None = None,
) -> Encoder | None:
    """The encoder that was asked for; None for a VAE that is yet to be trained.

    Parameters
    ----------
    encoder : "vae", "pca", or the name of a backbone.
    checkpoint : the VAE's, where one was named; else the project's own or the dataset's, see `find_checkpoint`.
    latents : the person's own, which go before all else.
    project : the project's directory.

    Raises
    ------
    UsageError : where there is no such encoder.
    TuilabelError : where a file is missing, damaged or for other images, or, for a dataset known by name, there is no
        VAE yet.
    """
    if latents is not None:
        own = OwnLatents(latents)
        own.encode(pool)
        return own
    if encoder == "pca":
        return PCAEncoder()
    if encoder != "vae":
        from tuilabel.vae.backbone_name import check_backbone

        check_backbone(encoder)
        return BackboneEncoder(encoder)
    mine = None if project is None else vae_of(project)
    if checkpoint is None and mine is not None and mine.is_file():
        checkpoint = mine
    if checkpoint is None and isinstance(pool, LibraryPool):
        try:
            checkpoint = find_checkpoint(pool.name)
            check_fits(read_header(checkpoint), pool)
        except TuilabelError:
            return None
    path = find_checkpoint(pool.name, checkpoint)
    check_fits(read_header(path), pool)
    return VAEEncoder(path)


def by_file(pool: LibraryPool, latents: Latents) -> NDArray[np.float32]:
    """A row for each file of a person's own images, in the order of their names; NaN where it is not readable."""
    places_of, n_files = pool.places_by_name()
    rows = np.full((n_files, latents.pool.shape[1]), np.nan, dtype=np.float32)
    for places, part in zip(places_of, (latents.pool, latents.test), strict=True):
        for row, place in places:
            if part is not None and place < len(part):
                rows[row] = part[place]
    return rows


def vae_of(project: Path) -> Path:
    """The VAE that was trained for a project, behind its screen."""
    return project / "vae.safetensors"


def _own_rows(file: Path) -> NDArray[np.float32]:
    try:
        rows = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise TuilabelError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise TuilabelError(f"{file} is no .npy file of numbers: give one (N, D)") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu" or not rows.shape[1]:
        raise UsageError(f"{file} holds no table of numbers (N, D): save one with numpy.save")
    return rows if rows.dtype == np.float32 else rows.astype(np.float32)


def _by_file(pool: LibraryPool, rows: NDArray[np.float32], file: Path) -> Latents:
    tables = []
    places_of, n_files = pool.places_by_name()
    if len(rows) != n_files:
        raise TuilabelError(
            f"{file} has {len(rows):,} rows, {pool.name} has {n_files:,} files: give one for each, in the order of "
            "their names (`tuilabel encode` writes such a file)"
        )
    for test, n in ((False, len(pool.images)), (True, 0 if pool.test is None else len(pool.test.images))):
        table = np.full((n, rows.shape[1]), np.nan, dtype=np.float32)
        for row, place in places_of[test]:
            if place < n:
                table[place] = rows[row]
        missing = np.isnan(table).all(axis=1)
        table[missing] = 0  # files that are gone: nobody asks them
        tables.append(table)
    return Latents(tables[0], tables[1] if len(tables[1]) else None, None)

"""The interface of all encoders: the rest of the program uses it and never asks which encoder it has."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.cache import Latents, OnProgress, cache_path, no_progress, read_cached, write_cached
from tuilabel.encoders.image_input import ImageInput
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    from torch import nn

Decoder = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""Latents (n, D) to images (n, H, W, C)."""
TextSearch = Callable[[str], NDArray[np.float32]]
"""A text to its similarity with each image of a pool, float32 (N,)."""


@dataclass(frozen=True)
class EncoderOptions:
    """What the user specified about the encoder.

    Attributes
    ----------
    encoder : its name; see `tuilabel.encoders.registry.choose_encoder`.
    checkpoint : of a VAE; by default the one for the dataset or the project.
    latents : a table of your own latents; takes precedence over `encoder`.
    project : the project's directory, which may hold a VAE of its own.
    """

    encoder: str = "vae"
    checkpoint: Path | None = None
    latents: Path | None = None
    project: Path | None = None


class Encoder(ABC):
    """Maps images to latents.

    A kind of encoder is a subclass in a module of its own and an entry in `tuilabel.encoders.registry`. Encoders are
    chosen in the screen process, which must not load torch, and pickled to the trainer process: they are small frozen
    dataclasses, compared by value, and import torch in methods only.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name shown on the screen and written to result files."""

    @property
    def path(self) -> Path | None:
        """The file that the encoder is loaded from, if any; result files store its digest."""
        return None

    @classmethod
    @abstractmethod
    def choose(cls, pool: ImagePool, options: EncoderOptions) -> Encoder:
        """The encoder for a pool; it may need training first.

        Raises
        ------
        TuilabelError : if a file is missing, damaged or made for other images.
        """

    def fetch(self, _on_progress: OnProgress = no_progress) -> None:  # noqa: B027  (most encoders need nothing)
        """Download what it needs, if that is not on this machine yet; else `encode` does it, without progress.

        Parameters
        ----------
        on_progress : called with (bytes done, bytes in total).

        Raises
        ------
        TuilabelError : if that fails.
        """

    def needs_training(self, _pool: ImagePool) -> bool:
        """Whether it has to be trained before it can encode a pool."""
        return False

    def training_command(self, dataset: str) -> str:
        """The command that trains it on a dataset."""
        return f"tuilabel train-vae {shlex.quote(dataset)}"

    def train(
        self,
        pool: ImagePool,
        *,
        device: str = "auto",
        seed: int = 0,
        on_progress: OnProgress = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train it on a pool, without labels; an interrupted training is resumed.

        Raises
        ------
        TuilabelError : if training fails, or `should_stop` returned True.
        NotImplementedError : if it never needs training.
        """
        raise NotImplementedError(f"{self.name} does not need training")

    def notes(self, _pool: ImagePool) -> list[str]:
        """Lines that the user should read before its latents are used; raises like `encode`."""
        return []

    @abstractmethod
    def available(self, pool: ImagePool) -> Latents | None:
        """The latents of a pool and its test split if they are available without computing them for long, else None.

        Raises
        ------
        TuilabelError : if a file cannot be read.
        """

    @abstractmethod
    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress) -> Latents:
        """The latents of a pool and its test split, from the cache or computed now.

        Parameters
        ----------
        device : "auto", "cpu", "cuda", "cuda:0", "mps".
        on_progress : called with (images done, images in total).

        Raises
        ------
        TuilabelError : if the encoder cannot encode these images, or the cache cannot be written.
        UsageError : if the device is not available.
        """

    @abstractmethod
    def encode_others(
        self, others: ImagePool, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """Latents, float32 (M, D), of other images, of any size, in the latent space of `pool`.

        Raises
        ------
        TuilabelError : as for `encode`, or if they have a different number of channels.
        """

    def decoder(self) -> Decoder | None:
        """A function that decodes latents to images, on the CPU; None if latents cannot be decoded."""
        return None

    def text_search(self, _pool: ImagePool) -> TextSearch | None:
        """A function that compares texts with the images of a pool, on the CPU; None if the encoder knows no texts.

        It raises `TuilabelError` if the images are not all encoded yet, or the network cannot be loaded.
        """
        return None

    def export_input(self, pool: ImagePool) -> ImageInput:
        """The images that the exported encoder takes: the pool's small copies, unless it sees others."""
        height, width, channels = pool.images.shape[1:]
        return ImageInput(height, width, channels, longest=2 * max(height, width))

    def export_module(self, _pool: ImagePool) -> nn.Module:
        """A network from images uint8 (N, H, W, C), see `export_input`, to latents (N, D), which torch can export.

        Raises
        ------
        TuilabelError : if the encoder cannot be exported.
        """
        raise TuilabelError(
            f"a model that uses {self.name} cannot be exported as one file: `predict` works with it, or choose "
            "another `encoder`"
        )


class BatchEncoder(Encoder):
    """An encoder that computes latents batch by batch; they are kept in the cache."""

    @property
    @abstractmethod
    def cache_key(self) -> str:
        """A key for everything that the latents depend on, except the images; part of the cache file's name."""

    @abstractmethod
    def batches(self, pool: ImagePool, start: int, device: str) -> Iterator[NDArray[np.float32]]:
        """Latents (n, D) of the pool's images, followed by the test split's, from row `start` on.

        Raises
        ------
        TuilabelError, UsageError : see `encode`.
        """

    def check(self, pool: ImagePool, *, any_size: bool) -> None:
        """Raise `TuilabelError` if it cannot encode these images; with `any_size` their size does not matter."""

    def available(self, pool: ImagePool) -> Latents | None:
        """The latents in the cache, if they are complete."""
        return read_cached(pool, cache_path(pool, self.cache_key))

    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress) -> Latents:
        """See `Encoder.encode`."""
        return self._cached(pool, device, on_progress, any_size=False)

    def encode_others(
        self, others: ImagePool, _pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """See `Encoder.encode_others`."""
        return self._cached(others, device, on_progress, any_size=True).pool

    def _cached(self, pool: ImagePool, device: str, on_progress: OnProgress, *, any_size: bool) -> Latents:
        self.check(pool, any_size=any_size)
        latents = self.available(pool)
        if latents is not None:
            return latents
        path = cache_path(pool, self.cache_key)
        return write_cached(pool, path, lambda start: self.batches(pool, start, device), on_progress)

"""The encoder that uses a VAE: latents are posterior means. Imports torch only to encode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import BatchEncoder, EncoderOptions
from tuilabel.encoders.cache import digest_of
from tuilabel.encoders.vae.decode import LatentDecoder
from tuilabel.encoders.vae.header import check_fits, find_checkpoint, project_checkpoint, read_header
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    from tuilabel.encoders.vae.export import LatentModule

BATCH = 1000


@dataclass(frozen=True)
class VAEEncoder(BatchEncoder):
    """The VAE in a checkpoint."""

    checkpoint: Path

    @property
    def name(self) -> str:
        """`vae`."""
        return "vae"

    @property
    def path(self) -> Path:
        """The checkpoint."""
        return self.checkpoint

    @property
    def cache_key(self) -> str:
        """A digest of the checkpoint."""
        return digest_of(self.checkpoint)

    @classmethod
    def choose(cls, pool: ImagePool, options: EncoderOptions) -> VAEEncoder | None:
        """The VAE of `options.checkpoint`, else the one for a built-in dataset, else one trained for these images.

        None if there is none for your images yet.

        Raises
        ------
        TuilabelError : if a checkpoint is missing, damaged or made for other images.
        """
        if options.checkpoint is None and not pool.is_builtin:
            return cls._trained_for(pool, options.project)
        checkpoint = find_checkpoint(pool.name, options.checkpoint)
        check_fits(read_header(checkpoint), pool)
        return cls(checkpoint)

    @classmethod
    def _trained_for(cls, pool: ImagePool, project: Path | None) -> VAEEncoder | None:
        """The VAE that the user trained, else the one trained in the background of a session."""
        candidates = [] if project is None else [project_checkpoint(project)]
        with suppress(TuilabelError):
            candidates.insert(0, find_checkpoint(pool.name))
        for checkpoint in filter(Path.is_file, candidates):
            with suppress(TuilabelError):  # damaged, or for other images: a new one is trained
                check_fits(read_header(checkpoint), pool)
                return cls(checkpoint)
        return None

    def check(self, pool: ImagePool, *, any_size: bool) -> None:
        """Raise `TuilabelError` if the checkpoint is damaged or was trained on images of another shape."""
        check_fits(read_header(self.checkpoint), pool, any_size=any_size)

    def batches(self, pool: ImagePool, start: int, device: str) -> Iterator[NDArray[np.float32]]:
        """See `BatchEncoder.batches`."""
        import torch

        from tuilabel.encoders.device import precision, resolve_device
        from tuilabel.encoders.vae.checkpoint import load_checkpoint
        from tuilabel.encoders.vae.inputs import to_input

        torch_device = resolve_device(device)
        model, _ = load_checkpoint(self.checkpoint, torch_device)
        for images in _image_batches(pool, start):
            with torch.inference_mode(), precision(torch_device):
                means = model.latents(to_input(images, model.config, torch_device))
            rows: NDArray[np.float32] = means.cpu().numpy()
            if not np.isfinite(rows).all():
                raise TuilabelError(f"{self.checkpoint} gives latents that are not finite: train the VAE again")
            yield rows

    def decoder(self) -> LatentDecoder:
        """Draws what the VAE reconstructs."""
        return LatentDecoder(self.checkpoint)

    def export_module(self) -> LatentModule:
        """The VAE's encoder as a network; raises `TuilabelError` if the checkpoint is damaged."""
        from tuilabel.encoders.vae.checkpoint import load_checkpoint
        from tuilabel.encoders.vae.export import LatentModule

        model, _ = load_checkpoint(self.checkpoint)
        return LatentModule(model)


def _image_batches(pool: ImagePool, start: int) -> Iterator[NDArray[np.uint8]]:
    """The images of the pool, followed by those of the test split, from row `start` on."""
    for images in (pool.images, *(() if pool.test is None else (pool.test.images,))):
        for first in range(start, len(images), BATCH):
            yield images[first : first + BATCH]
        start = max(0, start - len(images))

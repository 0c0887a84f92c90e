"""The encoder that uses a VAE: latents are posterior means. Imports torch only to encode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import BatchEncoder, EncoderOptions
from tuilabel.encoders.cache import Latents, OnProgress, digest_of, no_progress
from tuilabel.encoders.vae.decode import LatentDecoder
from tuilabel.encoders.vae.header import (
    check_fits,
    find_checkpoint,
    no_checkpoint,
    own_checkpoint,
    project_checkpoint,
    read_header,
)
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
    def choose(cls, pool: ImagePool, options: EncoderOptions) -> VAEEncoder:
        """The VAE in `options.checkpoint`, else the one for the built-in dataset, else one trained on these images.

        Raises
        ------
        TuilabelError : if a checkpoint is missing, damaged or made for other images.
        """
        if options.checkpoint is not None or pool.is_builtin:
            encoder = cls(find_checkpoint(pool.name, options.checkpoint))
            encoder.check(pool, any_size=False)
            return encoder
        # The VAE that the user trained, else the one that is trained in the background of a session.
        trained = cls(own_checkpoint(pool))
        if pool.origin is None:  # images in memory, such as some of a built-in dataset, are known by their name alone
            with suppress(TuilabelError):
                trained = cls(find_checkpoint(pool.name))
        in_project = trained if options.project is None else cls(project_checkpoint(options.project))
        return in_project if trained.needs_training(pool) else trained

    def needs_training(self, pool: ImagePool) -> bool:
        """Whether there is no checkpoint, or it is damaged or was trained on images of another shape."""
        try:
            self.check(pool, any_size=False)
        except TuilabelError:
            return True
        return False

    def train(
        self,
        pool: ImagePool,
        *,
        device: str = "auto",
        seed: int = 0,
        on_progress: OnProgress = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """See `Encoder.train`; the checkpoint is written when training has finished."""
        from tuilabel.encoders.vae.training import train_or_resume

        train_or_resume(
            pool, self.checkpoint, device=device, seed=seed, on_progress=on_progress, should_stop=should_stop
        )

    def check(self, pool: ImagePool, *, any_size: bool) -> None:
        """Raise `TuilabelError` if there is no checkpoint, or it is damaged or for images of another shape."""
        if not self.checkpoint.is_file():
            raise no_checkpoint(pool.name)
        check_fits(read_header(self.checkpoint), pool, any_size=any_size)

    def available(self, pool: ImagePool) -> Latents | None:
        """The latents in the cache, if they are complete."""
        return super().available(pool) if self.checkpoint.is_file() else None

    def batches(self, pool: ImagePool, start: int, device: str) -> Iterator[NDArray[np.float32]]:
        """See `BatchEncoder.batches`."""
        import torch

        from tuilabel.encoders.device import precision, resolve_device
        from tuilabel.encoders.memory import Fitting
        from tuilabel.encoders.vae.checkpoint import load_checkpoint
        from tuilabel.encoders.vae.inputs import to_input

        torch_device = resolve_device(device)
        model, _ = load_checkpoint(self.checkpoint, torch_device)

        def latents(images: NDArray[np.uint8], on: torch.device) -> NDArray[np.float32]:
            with torch.inference_mode(), precision(on):
                means = model.to(on).latents(to_input(images, model.config, on))
            values: NDArray[np.float32] = means.cpu().numpy()
            return values

        fitting = Fitting(latents, torch_device)
        for images in _image_batches(pool, start):
            rows = fitting(images)
            if not np.isfinite(rows).all():
                raise TuilabelError(f"{self.checkpoint} gives latents that are not finite: train the VAE again")
            yield rows

    def decoder(self) -> LatentDecoder:
        """A function that decodes latents with the VAE, on the CPU."""
        return LatentDecoder(self.checkpoint)

    def export_module(self, _pool: ImagePool) -> LatentModule:
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

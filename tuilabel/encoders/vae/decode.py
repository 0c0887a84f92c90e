"""Decode latents to images with a VAE. Imports torch only inside functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from tuilabel.encoders.vae.model import VAE


def reconstruct(model: VAE, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Encode images (B, H, W, C) uint8 and decode the means: (B, height, width, C) uint8, in the model's size."""
    import torch

    from tuilabel.encoders.vae.inputs import to_input

    device = next(model.parameters()).device
    with torch.inference_mode():
        pixels = model.decode(model.latents(to_input(images, model.config, device))).sigmoid()  # (B, C, height, width)
    return _as_images(pixels)


class LatentDecoder:
    """Decodes latents with the VAE of a checkpoint, on the CPU; the checkpoint is loaded on first use."""

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._model: VAE | None = None

    def __call__(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Images of the model's size, uint8 (n, H, W, C), decoded from the first columns of latents, float32 (n, D).

        Raises
        ------
        TuilabelError : if the checkpoint is missing or damaged.
        """
        import torch

        from tuilabel.encoders.vae.checkpoint import load_checkpoint

        if self._model is None:
            self._model, _ = load_checkpoint(self._checkpoint)
        means = np.array(latents[:, : self._model.config.latent_dim])
        with torch.inference_mode():
            pixels = self._model.decode(torch.from_numpy(means)).sigmoid()  # (n, C, H, W)
        return _as_images(pixels)


def _as_images(pixels: Tensor) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = (pixels * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return images

"""Images decoded from latents by a VAE. Imports torch only to decode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tuilabel.encoders.vae.model import VAE


class LatentDecoder:
    """Decodes latents with the VAE of a checkpoint, on the CPU; the checkpoint is loaded on first use."""

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._model: VAE | None = None

    def __call__(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Images of the model's size, uint8 (n, H, W, C), decoded from latents, float32 (n, D).

        Raises
        ------
        TuilabelError : where the checkpoint is missing or damaged.
        """
        import torch

        from tuilabel.encoders.vae.checkpoint import load_checkpoint

        if self._model is None:
            self._model, _ = load_checkpoint(self._checkpoint)
        with torch.inference_mode():
            pixels = self._model.decode(torch.from_numpy(latents)).sigmoid()  # (n, C, H, W)
        images: NDArray[np.uint8] = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
        return images

"""Images as a VAE reconstructs them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tuilabel.encoders.device import to_input
from tuilabel.encoders.vae.model import VAE


def reconstruct(model: VAE, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Encode images (B, H, W, C) and decode the means: (B, height, width, C) uint8 in the model's size."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        pixels = model.decode(model.latents(to_input(images, model.config, device))).sigmoid()  # (B, C, height, width)
    return (pixels * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()

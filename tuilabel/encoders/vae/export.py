"""The VAE's encoder as a network that torch can export."""

from __future__ import annotations

from torch import Tensor, nn

from tuilabel.encoders.vae.inputs import as_input
from tuilabel.encoders.vae.model import VAE, smoothed


class LatentModule(nn.Module):
    """Images uint8 (N, H, W, C) to the latents (N, D), float32, that `VAE.latents` gives in single precision."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.encoder = vae.encoder
        self.smoothing = float(vae.smoothing)  # a constant of the graph: reading the buffer cannot be traced
        self.config = vae.config
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """The latents of images."""
        mean, _ = self.encoder(smoothed(as_input(images, self.config), self.smoothing)).chunk(2, dim=1)
        latents: Tensor = mean
        return latents

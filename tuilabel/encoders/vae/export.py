"""The encoders of VAEs as networks that torch can export."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuilabel.encoders.vae.feature_model import FeatureVAE
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


class FeatureLatentModule(nn.Module):
    """What the network takes to the latents (N, D) of a VAE on its features: means, then components of all features.

    Parameters
    ----------
    network : to features (N, F), of which the VAE sees the last columns.
    projection : features to components (N, P).
    compact : how many of the components the means replace; see `Latents.compact`.
    """

    def __init__(self, network: nn.Module, projection: nn.Module, vae: FeatureVAE, compact: int) -> None:
        super().__init__()
        self.network, self.projection, self.vae = network, projection, vae
        self.compact = compact
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """The latents of images."""
        features = self.network(images)
        means = self.vae.latents(features[:, -self.vae.config.features :])
        return torch.cat([means, self.projection(features)[:, self.compact :]], dim=1)

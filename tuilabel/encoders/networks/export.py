"""A pretrained network, and the projection of its features, as networks that torch can export."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tuilabel.encoders.networks.network import TorchNetwork
from tuilabel.encoders.networks.projection import Projection


class NetworkFeatures(nn.Module):
    """Images uint8 (N, S, S, 3), S the side at which the network sees a pool, to its features (N, F), float32.

    Parameters
    ----------
    network : on the CPU.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: TorchNetwork) -> None:
        super().__init__()
        self.network = network.module
        layer: Any
        for layer in self.network.modules():
            if getattr(layer, "inplace", False):
                layer.inplace = False  # exported as one operation instead of several
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """The features of images."""
        features: Tensor = self.network((images.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return features


class ProjectionModule(nn.Module):
    """Features (N, F) to the latents (N, D) of a `Projection`, float32."""

    axes: Tensor
    offset: Tensor

    def __init__(self, projection: Projection) -> None:
        super().__init__()
        self.compact = projection.compact
        self.widths = [block.width for block in projection.blocks]
        axes = projection.axes * projection.scale[:, None]
        self.register_buffer("axes", torch.from_numpy(axes))
        self.register_buffer("offset", torch.from_numpy(projection.mean @ axes))

    def forward(self, features: Tensor) -> Tensor:
        """The latents of features."""
        blocks = [F.normalize(block, dim=1) for block in torch.split(features, self.widths, dim=1)]
        latents = torch.cat(blocks, dim=1) @ self.axes - self.offset
        compact = F.normalize(latents[:, : self.compact], dim=1, eps=1e-6) * self.compact**0.5
        return torch.cat([compact, latents[:, self.compact :]], dim=1)

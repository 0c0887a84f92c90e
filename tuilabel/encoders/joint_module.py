"""A VAE beside a pretrained network as one network that torch can export."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn


class JointModule(nn.Module):
    """Images uint8 (N, H, W, C) to the latents (N, D) of a `JointEncoder`, float32.

    Parameters
    ----------
    vae : images to means.
    network : images uint8 (N, side, side, 3) to features, of which the first `compact` components are left out.
    projection : features to components.
    size : H and W.
    side : of the squares that the network sees, at least as large.
    """

    down: Tensor
    across: Tensor

    def __init__(
        self, vae: nn.Module, network: nn.Module, projection: nn.Module, compact: int, size: tuple[int, int], side: int
    ) -> None:
        super().__init__()
        self.vae, self.network, self.projection, self.compact = vae, network, projection, compact
        height, width = size
        self.register_buffer("down", torch.from_numpy(bicubic(height, side)))
        self.register_buffer("across", torch.from_numpy(bicubic(width, side)).T.contiguous())
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """The latents of images."""
        pixels = images.permute(0, 3, 1, 2).float()
        enlarged = _rounded(self.down @ _rounded(pixels @ self.across))  # (N, C, side, side), in Pillow's order
        squares = enlarged.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
        components = self.projection(self.network(squares))
        return torch.cat([self.vae(images), components[:, self.compact :]], dim=1)


def bicubic(size: int, side: int) -> NDArray[np.float32]:
    """The matrix (side, size) with which Pillow resizes a line of pixels; it takes those that leave 0…255 for ends."""
    lines = np.eye(size, dtype=np.float32)
    resized = Image.fromarray(lines).resize((side, size), Image.Resampling.BICUBIC)  # each pixel's share, in floats
    return np.ascontiguousarray(np.asarray(resized, dtype=np.float32).T)


def _rounded(values: Tensor) -> Tensor:
    """As pixels of 8 bits, which is what Pillow makes of each direction."""
    return torch.floor(values + 0.5).clamp(0, 255)

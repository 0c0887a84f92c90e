"""Convert images to the network's input."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tuilabel.encoders.device import sent
from tuilabel.encoders.vae.model import VAEConfig


def to_input(images: NDArray[np.uint8], config: VAEConfig, device: torch.device) -> Tensor:
    """Images (B, H, W, C) uint8 as the network's input: (B, C, height, width) float32 in [0, 1], channels last.

    Images of another size are resized: by area averaging to a smaller size, bilinearly to a larger one.
    """
    batch = sent(torch.from_numpy(np.array(images)), device)  # a copy: the pool is read-only
    return channels_last(as_input(batch, config))


def as_input(batch: Tensor, config: VAEConfig) -> Tensor:
    """Like `to_input`, for a tensor (B, H, W, C) uint8; the memory layout of the result may vary."""
    x = batch.permute(0, 3, 1, 2).float().div_(255)  # (B, C, H, W); the permuted view is channels_last already
    size = (config.height, config.width)
    if x.shape[-2:] != size:
        smaller = x.shape[-2] >= size[0] and x.shape[-1] >= size[1]
        x = F.interpolate(x, size, mode="area") if smaller else F.interpolate(x, size, mode="bilinear", antialias=True)
    return x


def channels_last(images: Tensor) -> Tensor:
    """The same images (B, C, H, W) in the memory layout in which convolutions are fastest."""
    return images.contiguous(memory_format=torch.channels_last)

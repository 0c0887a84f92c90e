"""The principal components of thumbnails as a network that torch can export."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tuilabel.encoders.pca import PCA, SIDE


class PCAModule(nn.Module):
    """Images uint8 (N, H, W, C) of the given height and width to the latents (N, D), float32, of `PCA`."""

    rows: Tensor
    columns: Tensor
    mean: Tensor
    axes: Tensor

    def __init__(self, pca: PCA, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", block_means(height) / 255)
        self.register_buffer("columns", block_means(width).T.contiguous())
        self.register_buffer("mean", torch.from_numpy(pca.mean.copy()))
        self.register_buffer("axes", torch.from_numpy(pca.axes.copy()))

    def forward(self, images: Tensor) -> Tensor:
        """The latents of images."""
        thumbnails = self.rows @ images.permute(0, 3, 1, 2).float() @ self.columns  # (N, C, ≤ 16, ≤ 16)
        return (thumbnails.permute(0, 2, 3, 1).flatten(1) - self.mean) @ self.axes


def block_means(size: int) -> Tensor:
    """The matrix (B, size) that takes the means of B = min(16, size) blocks of neighbours, as `thumbnails` does."""
    blocks = min(SIDE, size)
    starts = np.arange(blocks + 1) * size // blocks
    means = np.zeros((blocks, size), dtype=np.float32)
    for row, start, end in zip(means, starts[:-1], starts[1:], strict=True):
        row[start:end] = 1 / (end - start)
    return torch.from_numpy(means)

"""Principal components of thumbnails: what images are told apart by until there are latents. Numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 16  # pixels a side of the thumbnails
COMPONENTS = 32
FITTED_ON = 5_000  # images
CHUNK = 2_000


@dataclass(frozen=True)
class PCA:
    """The directions in which thumbnails differ most, and how far.

    Attributes
    ----------
    mean : of the fitted thumbnails, float32 (P,).
    axes : float32 (P, D); the product with a centred thumbnail is its embedding. The strongest direction is
        scaled to a variance of 4, the others by the same factor and the fourth root of what their own is less: half
        way to whitened, as latents are whose KL term has evened them out.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def of(cls, images: NDArray[np.uint8], components: int = COMPONENTS) -> PCA:
        """The components of images, uint8 (N, H, W, C) with N ≥ 1; of many, a sample spread evenly over them."""
        rows = thumbnails(images[:: max(1, len(images) // FITTED_ON)])
        mean = rows.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(rows - mean, rowvar=False, bias=True).reshape(2 * [rows.shape[1]]))
        kept = slice(None, -1 - min(components, len(variances)), -1)
        variances, axes = np.maximum(variances[kept], 0), axes[:, kept]
        scale = 2 / (np.maximum(variances * variances.max(initial=0), 1e-12) ** 0.25)
        scale[variances < 1e-9] = 0  # noise of the arithmetic
        return cls(mean.astype(np.float32), (axes * scale).astype(np.float32))

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The embedding, float32 (N, D), of images, uint8 (N, H, W, C), which may be memory-mapped."""
        parts = [
            (thumbnails(images[start : start + CHUNK]) - self.mean) @ self.axes
            for start in range(0, len(images), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.axes.shape[1]), dtype=np.float32)


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images (N, H, W, C) as rows (N, P) of means over at most 16 × 16 fields of pixels, 0…1, with their channels."""
    n, height, width, channels = images.shape
    if not n:
        return np.empty((0, min(SIDE, height) * min(SIDE, width) * channels), dtype=np.float32)
    fields: NDArray[Any] = np.asarray(images)
    for axis, size in ((1, height), (2, width)):
        starts = np.arange(min(SIDE, size)) * size // min(SIDE, size)
        lengths = np.diff(np.append(starts, size)).reshape([-1 if k == axis else 1 for k in range(4)])
        kind = np.uint32 if axis == 1 else np.float32
        fields = np.add.reduceat(fields, starts, axis=axis, dtype=kind) / lengths.astype(np.float32)
    return (fields / 255).reshape(n, -1).astype(np.float32)

"""Principal components of thumbnails: latents from the first moment, until those of a VAE are ready. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.datasets.decode import resize_to
from tuilabel.encoders.base import Encoder, EncoderOptions
from tuilabel.encoders.cache import Latents, OnProgress, no_progress
from tuilabel.encoders.storage import as_stored, new_table, stored_dtype

if TYPE_CHECKING:
    from tuilabel.encoders.pca_module import PCAModule

SIDE = 16  # pixels, of the thumbnails
COMPONENTS = 32
MAX_FITTED = 5_000  # images
CHUNK = 2_000


@dataclass(frozen=True)
class PCAEncoder(Encoder):
    """The principal components of a pool's thumbnails. They are computed in a tenth of a second, and not cached."""

    @property
    def name(self) -> str:
        """`pca`."""
        return "pca"

    @classmethod
    def choose(cls, _pool: ImagePool, _options: EncoderOptions) -> PCAEncoder:
        """Suits every pool."""
        return cls()

    def available(self, pool: ImagePool) -> Latents:
        """The latents of a pool and its test split."""
        pca = PCA.fit(pool.images)
        return Latents(pca(pool.images), None if pool.test is None else pca(pool.test.images), None)

    def encode(self, pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = no_progress) -> Latents:
        """The latents of a pool and its test split."""
        return self.available(pool)

    def encode_others(
        self, others: ImagePool, pool: ImagePool, _device: str = "auto", _on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """Other images, resized to the size of the pool's and projected onto the pool's components."""
        height, width, channels = pool.images.shape[1:]
        images = np.stack([resize_to(image, height, width, channels) for image in others.images])
        return PCA.fit(pool.images)(images)

    def export_module(self, pool: ImagePool) -> PCAModule:
        """The projection onto the pool's components, of images of its size."""
        from tuilabel.encoders.pca_module import PCAModule

        return PCAModule(PCA.fit(pool.images), *pool.images.shape[1:3])


@dataclass(frozen=True)
class PCA:
    """A projection of thumbnails onto their principal components.

    Attributes
    ----------
    mean : of the fitted thumbnails, float32 (P,).
    axes : float32 (P, D); latents are the product with a centred thumbnail. The first component is scaled to a variance
        of 4, the others by the same factor and the fourth root of how much smaller their variance is: half way to
        whitened, like the latents of a VAE, which the KL term has evened out.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def fit(cls, images: NDArray[np.uint8], components: int = COMPONENTS) -> PCA:
        """The components of images, uint8 (N, H, W, C) with N ≥ 1, or of an evenly spaced sample if there are many."""
        rows = thumbnails(images[:: max(1, len(images) // MAX_FITTED)])
        mean = rows.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(rows - mean, rowvar=False, bias=True).reshape(2 * [rows.shape[1]]))
        kept = slice(None, -1 - min(components, len(variances)), -1)
        variances, axes = np.maximum(variances[kept], 0), axes[:, kept]
        scale = 2 / (np.maximum(variances * variances.max(initial=0), 1e-12) ** 0.25)
        scale[variances < 1e-9] = 0  # rounding errors
        return cls(mean.astype(np.float32), (axes * scale).astype(np.float32))

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Latents (N, D), see `stored_dtype`, of images, uint8 (N, H, W, C), which may be memory-mapped."""
        n, dtype = len(images), stored_dtype(len(images))
        latents = new_table((n, self.axes.shape[1]), dtype, "the principal components of the images")
        for start in range(0, n, CHUNK):
            rows = (thumbnails(images[start : start + CHUNK]) - self.mean) @ self.axes
            latents[start : start + CHUNK] = as_stored(rows, dtype)
        return latents


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images (N, H, W, C) as rows (N, P) of at most 16 × 16 block means with their channels, in [0, 1]."""
    n, height, width, channels = images.shape
    if not n:
        return np.empty((0, min(SIDE, height) * min(SIDE, width) * channels), dtype=np.float32)
    blocks: NDArray[Any] = np.asarray(images)
    for axis, size in ((1, height), (2, width)):
        starts = np.arange(min(SIDE, size)) * size // min(SIDE, size)
        lengths = np.diff(np.append(starts, size)).reshape([-1 if k == axis else 1 for k in range(4)])
        dtype = np.uint32 if axis == 1 else np.float32
        blocks = np.add.reduceat(blocks, starts, axis=axis, dtype=dtype) / lengths.astype(np.float32)
    return (blocks / 255).reshape(n, -1).astype(np.float32)

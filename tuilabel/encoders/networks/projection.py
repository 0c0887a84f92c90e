"""From the features of a network to latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1  # part of the names of cached latents: raise it with every change of this module's results
COMPONENTS = 64
MAX_FITTED = 20_000  # rows
CHUNK = 2_000  # rows


@dataclass(frozen=True)
class Projection:
    """Rows of features, normalised to length 1, centred, and projected to their first principal components.

    All components have the same scale: latents have a root mean square of 1 over the rows that were fitted.

    Attributes
    ----------
    mean : of the normalised rows, float32 (F,).
    axes : float32 (F, D).
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[Any], components: int = COMPONENTS) -> Projection:
        """The components of features (N, F), N ≥ 1; of 20,000 evenly spaced rows if there are more."""
        from scipy.linalg import eigh

        n, width = features.shape
        rows = np.arange(n) if n <= MAX_FITTED else np.linspace(0, n - 1, MAX_FITTED).astype(np.int64)
        total, products = np.zeros(width), np.zeros((width, width))
        for start in range(0, len(rows), CHUNK):
            part = _normalised(features[rows[start : start + CHUNK]])
            total += part.sum(axis=0, dtype=np.float64)
            products += part.T @ part
        mean = total / len(rows)
        covariance = products / len(rows) - np.outer(mean, mean)
        kept = min(components, width)
        variances, axes = eigh(covariance, subset_by_index=(width - kept, width - 1))
        scale = 1 / max(float(np.sqrt(np.maximum(variances, 0).mean())), 1e-6)
        return cls(mean.astype(np.float32), (axes[:, ::-1] * scale).astype(np.float32))

    def __call__(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Latents (n, D) of features (n, F)."""
        parts = [
            (_normalised(features[start : start + CHUNK]) - self.mean) @ self.axes
            for start in range(0, len(features), CHUNK)
        ]
        return np.concatenate(parts)


def _normalised(features: NDArray[Any]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = features.astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows

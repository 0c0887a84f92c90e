"""A network small enough for a test: `tests.helpers.network:blocks` as an encoder."""

from __future__ import annotations

import numpy as np

NETWORK = "tests.helpers.network:blocks"


def blocks(images: np.ndarray) -> np.ndarray:
    """Images (B, 32, 32, 3) to the means of 8 × 8 blocks in each colour, (B, 48)."""
    cells = images.reshape(len(images), 4, 8, 4, 8, 3).mean(axis=(2, 4))
    return np.asarray(cells.reshape(len(images), -1) / 255, dtype=np.float32)


blocks.side = 32  # type: ignore[attr-defined]


def corners(images: np.ndarray) -> np.ndarray:
    """Another network, with as many features."""
    return blocks(images[:, ::-1])


corners.side = 32  # type: ignore[attr-defined]

"""From the features of a network to latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION = 3  # part of the names of cached latents: raise it with every change of this module's results
COMPACT = 64  # components of the last block
COMPONENTS = 512  # components of all blocks
MAX_FITTED = 5_000  # rows
CHUNK = 2_000  # rows
SPARE, ITERATIONS = 64, 2  # of the randomised decomposition


class Block(NamedTuple):
    """Neighbouring columns of the features that describe an image in one way, as those of one layer do."""

    width: int
    weight: float = 1.0
    """The root of the block's share in the variance of all features."""


@dataclass(frozen=True)
class Projection:
    """Features as latents: principal components of the last block, then those of all blocks together.

    In each block, rows are normalised to length 1 and centred, and the block is scaled to its weight. Components are
    not whitened: distances remain those of the features. Both groups have a root mean square of 1 over the rows that
    were fitted. The components of the last block are then scaled to the same length in every row: distances between
    them are angles.

    The last block is the network's own summary of an image, the best space for comparing images when there are few
    labels. Earlier layers know textures, colours and strokes that the summary has left out: with more labels, and for
    images unlike those that the network was trained on, they count more (`docs/research.md`).

    Attributes
    ----------
    blocks : the widths of the blocks add up to F.
    mean : of the normalised rows, float32 (F,).
    scale : that gives the centred blocks their weights, float32 (F,).
    axes : float32 (F, D).
    compact : how many of the D components come from the last block alone.
    """

    blocks: tuple[Block, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    axes: NDArray[np.float32]
    compact: int

    @classmethod
    def fit(cls, features: NDArray[Any], blocks: tuple[Block, ...] = ()) -> Projection:
        """The components of features (N, F), N ≥ 1; of 5,000 evenly spaced rows if there are more.

        Parameters
        ----------
        blocks : one block of all columns if there are none.
        """
        n, width = features.shape
        blocks = blocks or (Block(width),)
        rows = np.arange(n) if n <= MAX_FITTED else np.linspace(0, n - 1, MAX_FITTED).astype(np.int64)
        normalised = _normalised(features[rows], blocks)
        mean = normalised.mean(axis=0)
        normalised -= mean
        scale = np.empty(width, dtype=np.float32)
        for columns, block in _columns(blocks):
            spread = float(np.sqrt(np.square(normalised[:, columns]).sum(axis=1).mean()))
            scale[columns] = block.weight / max(spread, 1e-6)
        normalised *= scale
        last = slice(width - blocks[-1].width, width)
        compact = _components(normalised[:, last], compact_width(len(rows), width, blocks))
        axes = np.zeros((width, compact.shape[1]), dtype=np.float32)
        axes[last] = compact
        axes = np.concatenate([axes, _components(normalised, COMPONENTS)], axis=1)
        return cls(blocks, mean, scale, axes, compact.shape[1])

    def __call__(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Latents (n, D) of features (n, F)."""
        parts = [self._latents(features[start : start + CHUNK]) for start in range(0, len(features), CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, self.axes.shape[1]), dtype=np.float32)

    def _latents(self, features: NDArray[Any]) -> NDArray[np.float32]:
        rows = (_normalised(features, self.blocks) - self.mean) * self.scale
        latents: NDArray[Any] = rows @ self.axes
        compact = latents[:, : self.compact]
        length = np.linalg.norm(compact, axis=1, keepdims=True)
        compact *= np.float32(self.compact**0.5) / np.maximum(length, 1e-6)
        return latents


def compact_width(n: int, width: int, blocks: tuple[Block, ...] = ()) -> int:
    """How many of the components of features (n, F) come from the last block alone."""
    return min(COMPACT, n, blocks[-1].width if blocks else width)


def _columns(blocks: tuple[Block, ...]) -> list[tuple[slice, Block]]:
    ends = np.cumsum([block.width for block in blocks]).tolist()
    return [(slice(end - block.width, end), block) for end, block in zip(ends, blocks, strict=True)]


def _normalised(features: NDArray[Any], blocks: tuple[Block, ...]) -> NDArray[np.float32]:
    """A copy with rows of length 1 in each block."""
    rows: NDArray[np.float32] = features.astype(np.float32)
    for columns, _ in _columns(blocks):
        rows[:, columns] /= np.maximum(np.linalg.norm(rows[:, columns], axis=1, keepdims=True), 1e-12)
    return rows


def _components(centred: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The first `count` axes (F, K) of centred rows (n, F), scaled so that components have a root mean square of 1.

    By randomised subspace iteration (Halko, Martinsson & Tropp 2011, https://arxiv.org/abs/0909.4061), several times
    faster than an exact decomposition and the same for the same rows.
    """
    n, width = centred.shape
    count = min(count, n, width)
    basis = np.random.default_rng(0).standard_normal((width, min(count + SPARE, n, width)), dtype=np.float32)
    for _ in range(ITERATIONS + 1):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    small = centred @ basis  # (n, K)
    variances, rotation = np.linalg.eigh(small.T @ small / np.float32(n))
    kept = slice(None, -1 - count, -1)
    scale = 1 / max(float(np.sqrt(np.maximum(variances[kept], 0).mean())), 1e-6)
    return np.asarray(basis @ rotation[:, kept] * scale, dtype=np.float32)

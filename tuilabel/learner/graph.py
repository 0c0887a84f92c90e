"""The neighbour graph of the latents, and labels spread along it.

Label propagation: Zhou et al. 2003, "Learning with local and global consistency".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tuilabel.files import atomic_write
from tuilabel.learner.base import LabelSet

NEIGHBOURS = 15
ALPHA = 0.99  # how far labels reach: at 0.9 they stay with their neighbours
ITERATIONS = 20  # of conjugate gradients; they reach as far as 100 plain products, and more change nothing
LIFTED = 1e12  # so that what is small far from a label is no denormal number: those take three times as long
ANCHORS = 200_000  # items of a larger pool that are in the graph
MOST_WEIGHT = 2.0  # of a label, where an item with the median scale has 1
_SCALE_AT = 7  # the neighbour whose distance is an item's local scale (Zelnik-Manor & Perona 2004)
_EXACT = 4_000  # items up to which every distance is taken
_LISTS, _PROBES = 256, 16  # recall above .99 on 60,000 latents of MNIST
_TRAINED_ON = 20_000


@dataclass(frozen=True)
class NeighbourGraph:
    """Symmetric, degree-normalised weights S = D^-½ W D^-½ between A items of the pool.

    W has locally scaled Gaussian weights exp(-d²(i, j) / (σ_i σ_j)) between each item and its nearest neighbours.

    Attributes
    ----------
    weights : S, float32 (A, A), sparse.
    scale : σ, the distance of each item to its seventh neighbour, float32 (A,).
    anchors : pool indices of the items, int64 (A,), ascending: all, or a sample of a large pool.
    """

    weights: sparse.csr_array
    scale: NDArray[np.float32]
    anchors: NDArray[np.int64]

    @classmethod
    def of(cls, latents: NDArray[np.float32], neighbours: int = NEIGHBOURS) -> NeighbourGraph:
        """The graph of latents (N, D): 3 s for 60,000 of 32 dimensions on one core."""
        anchors = np.arange(len(latents))
        if len(latents) > ANCHORS:
            anchors = np.sort(np.random.default_rng(0).choice(len(latents), ANCHORS, replace=False))
        points = np.ascontiguousarray(latents[anchors], dtype=np.float32)
        n, k = len(points), min(neighbours, len(points) - 1)
        if k < 1:
            return cls(sparse.csr_array((n, n), dtype=np.float32), np.ones(n, dtype=np.float32), anchors)
        squared, nearest = _nearest(points, k)  # (A, k) each
        scale = np.sqrt(squared[:, min(_SCALE_AT, k) - 1])  # (A,)
        scale = np.maximum(scale, max(1e-3 * float(scale.mean()), 1e-9))  # equal items have no scale of their own
        values = np.exp(-squared / (scale[:, None] * scale[nearest])).astype(np.float32)
        rows = np.repeat(np.arange(n), k)
        one_way = sparse.csr_array((values.ravel(), (rows, nearest.ravel())), shape=(n, n))
        both = one_way.maximum(one_way.T)
        inverse = sparse.diags_array(1 / np.sqrt(np.maximum(both.sum(axis=1), 1e-12)), dtype=np.float32)
        return cls(sparse.csr_array(inverse @ both @ inverse, dtype=np.float32), scale.astype(np.float32), anchors)

    @classmethod
    def cached(cls, latents: NDArray[np.float32], path: Path) -> NeighbourGraph:
        """The graph in the file `path`, made and written there where it is missing or damaged."""
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                parts = [file[name] for name in ("data", "indices", "indptr", "scale", "anchors")]
            data, indices, indptr, scale, anchors = parts
            weights = sparse.csr_array((data, indices, indptr), shape=(len(scale), len(scale)))
            if len(anchors) == len(scale) == min(len(latents), ANCHORS):
                return cls(weights, scale, anchors)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            pass
        graph = cls.of(latents)
        s = graph.weights
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, data=s.data, indices=s.indices, indptr=s.indptr, scale=graph.scale, anchors=graph.anchors)
        return graph

    def propagate(self, latents: NDArray[np.float32], *known: LabelSet) -> list[NDArray[np.float32]]:
        """Class probabilities of every anchor, float32 (A, C), from each set of labels, all in one go.

        Solves (I - αS) F = Y. In Y each class has the same mass, whatever its number of labels, and it has in F (class
        mass normalisation, Zhu, Ghahramani & Lafferty 2003). A label weighs as 1/σ²: an odd item, far from all others,
        says little about them. It weighs `MOST_WEIGHT` at most: one in a crowd must not speak for its class alone.
        Anchors that no label reaches get 1/C for each class.

        Parameters
        ----------
        latents : of the whole pool, float32 (N, D), to find the anchor nearest to a labelled item that is none.
        known : sets of labels, each of at least one item.
        """
        starts = np.concatenate([self._start(latents, labels) for labels in known], axis=1)  # (A, ΣC)
        spread = np.maximum(self._solve(starts), 0)
        spread /= np.maximum(spread.sum(axis=0), 1e-12)
        ends = np.cumsum([labels.n_classes for labels in known])[:-1]
        return [_rows_to_one(part) for part in np.split(spread, ends, axis=1)]

    def _start(self, latents: NDArray[np.float32], known: LabelSet) -> NDArray[np.float32]:
        start = np.zeros((len(self.anchors), known.n_classes), dtype=np.float32)
        places = self.places(latents, known.indices)
        weights = np.minimum((np.median(self.scale) / self.scale[places]) ** 2, MOST_WEIGHT)
        np.add.at(start, (places, known.labels), weights)
        return np.asarray(start / np.maximum(start.sum(axis=0), 1e-12), dtype=np.float32)

    def places(self, latents: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position among the anchors of each pool index, or of the anchor nearest to it, int64 (m,)."""
        places = np.minimum(np.searchsorted(self.anchors, indices), len(self.anchors) - 1)
        strange = np.flatnonzero(self.anchors[places] != indices)
        if len(strange):
            points = latents[self.anchors]
            squares = np.einsum("nd,nd->n", points, points)
            for row in strange:
                places[row] = int(np.argmin(squares - 2 * (points @ latents[indices[row]])))
        return places

    def _solve(self, right: NDArray[np.float32]) -> NDArray[np.float32]:
        """(I - αS)⁻¹ of each column, by conjugate gradients, `LIFTED` as long as it takes."""
        x = right * np.float32(LIFTED)
        residual = self.weights @ x
        residual *= ALPHA
        direction = residual.copy()
        scratch = np.empty_like(x)  # new memory for each product of vectors would cost as much as the products
        square = np.einsum("ng,ng->g", residual, residual)
        for _ in range(ITERATIONS):
            image = self.weights @ direction
            image *= -ALPHA
            image += direction
            step = square / np.maximum(np.einsum("ng,ng->g", direction, image), 1e-30)
            x += np.multiply(direction, step, out=scratch)
            residual -= np.multiply(image, step, out=scratch)
            before, square = square, np.einsum("ng,ng->g", residual, residual)
            direction *= square / np.maximum(before, 1e-30)
            direction += residual
        x /= np.float32(LIFTED)
        return x


def _rows_to_one(spread: NDArray[np.float32]) -> NDArray[np.float32]:
    total = spread.sum(axis=1, keepdims=True)
    shares = np.where(total > 1e-20, spread / np.maximum(total, 1e-20), 1 / spread.shape[1])
    return np.asarray(shares, dtype=np.float32)


def _nearest(points: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Squared distances (A, k) to the k nearest other points, and their indices, nearest first."""
    import faiss

    n, dimensions = points.shape
    flat = faiss.IndexFlatL2(dimensions)
    if n <= _EXACT:
        flat.add(points)
        squared, nearest = flat.search(points, k + 1)
    else:
        lists = faiss.IndexIVFFlat(flat, dimensions, _LISTS)
        lists.nprobe = _PROBES
        lists.train(points[np.random.default_rng(0).permutation(n)[:_TRAINED_ON]])
        lists.add(points)
        squared, nearest = lists.search(points, k + 1)
    return _without_self(np.maximum(squared, 0), np.maximum(nearest, 0))  # where too few are found: far away, item 0


def _without_self(
    squared: NDArray[np.float32], nearest: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Leave each item itself out of its neighbours; among many equal ones it need not be the first, or there."""
    itself = nearest == np.arange(len(nearest))[:, None]
    itself[~itself.any(axis=1), -1] = True
    keep = ~itself
    shape = (len(nearest), nearest.shape[1] - 1)
    return squared[keep].reshape(shape), nearest[keep].reshape(shape)

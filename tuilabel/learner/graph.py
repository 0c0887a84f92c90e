"""The neighbour graph of the latents, and label propagation along it.

Zhou et al. 2003, "Learning with local and global consistency".
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write
from tuilabel.learner.base import LabelSet

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger("tuilabel.trainer")

NEIGHBOURS = 15
ALPHA = 0.99  # how far labels reach: with 0.9 they stay among their neighbours
ITERATIONS = 20  # of conjugate gradients: as good as 100 power iterations; more make no difference
SCALE_UP = 1e12  # keeps small values far from labels out of the denormal range, which is three times as slow
ANCHORS = 100_000  # a larger pool is sampled down to this many items
MAX_WEIGHT = 2.0  # of a label; a label of an item with the median scale has weight 1
SMALL = 5_000  # items
ROWS = 4_096  # anchors whose distances are in memory at once
_SCALE_NEIGHBOUR = 7  # its distance is an item's local scale (Zelnik-Manor & Perona 2004)
_EXACT = 10_000  # items, up to which the search is exhaustive
_LISTS, _PROBES = 256, 16  # recall above .99 on 60,000 latents of MNIST
_TRAINED_ON = 20_000  # items


@dataclass(frozen=True)
class NeighbourGraph:
    """The symmetric, degree-normalised weights S = D^-½ W D^-½ between A items of the pool.

    W has locally scaled Gaussian weights exp(-d²(i, j) / (σ_i σ_j)) between each item and its nearest neighbours.

    Attributes
    ----------
    weights : S, float32 (A, A), sparse.
    scale : σ, the distance of each item to its seventh neighbour, float32 (A,).
    anchors : pool indices of the items, int64 (A,), ascending: the whole pool, or a sample if it is large.
    """

    weights: sparse.csr_array
    scale: NDArray[np.float32]
    anchors: NDArray[np.int64]
    _nearest_anchor: dict[int, int] = field(default_factory=dict, compare=False, repr=False)
    """The rows of the nearest anchors of other items that have been asked for."""

    @classmethod
    def of(cls, latents: NDArray[np.float32], neighbours: int = NEIGHBOURS) -> NeighbourGraph:
        """The graph of latents (N, D); takes 3 s for 60,000 × 32 on one core."""
        anchors = np.arange(len(latents))
        if len(latents) > ANCHORS:
            anchors = np.sort(np.random.default_rng(0).choice(len(latents), ANCHORS, replace=False))
        points = np.ascontiguousarray(latents[anchors], dtype=np.float32)
        n, k = len(points), min(neighbours, len(points) - 1)
        if k < 1:
            return cls(sparse.csr_array((n, n), dtype=np.float32), np.ones(n, dtype=np.float32), anchors)
        squared, nearest = _nearest(points, k)  # (A, k) each
        scale = np.sqrt(squared[:, min(_SCALE_NEIGHBOUR, k) - 1])  # (A,)
        scale = np.maximum(scale, max(1e-3 * float(scale.mean()), 1e-9))  # equal items have distance 0
        values = np.exp(-squared / (scale[:, None] * scale[nearest])).astype(np.float32)
        rows = np.repeat(np.arange(n), k)
        one_way = sparse.csr_array((values.ravel(), (rows, nearest.ravel())), shape=(n, n))
        both = one_way.maximum(one_way.T)
        inverse = sparse.diags_array(1 / np.sqrt(np.maximum(both.sum(axis=1), 1e-12)), dtype=np.float32)
        return cls(sparse.csr_array(inverse @ both @ inverse, dtype=np.float32), scale.astype(np.float32), anchors)

    @classmethod
    def cached(cls, latents: NDArray[np.float32], path: Path) -> NeighbourGraph:
        """The graph in the file `path`; if that is missing or damaged, it is computed, and written if possible."""
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
        try:
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                np.savez(
                    file, data=s.data, indices=s.indices, indptr=s.indptr, scale=graph.scale, anchors=graph.anchors
                )
        except TuilabelError as error:
            log.warning("the neighbour graph has to be made again next time: %s", error)
        return graph

    def propagate(
        self, latents: NDArray[np.float32], *labelled: LabelSet, absorption: float = 0.0, alpha: float = ALPHA
    ) -> list[NDArray[np.float32]]:
        """Class probabilities of every anchor, float32 (A, C), for each set of labels, solved together.

        Solves (I + E - αS) F = Y. Each class has the same mass in F, whatever its number of labels (class mass
        normalisation, Zhu, Ghahramani & Lafferty 2003). The weight of a label in Y is proportional to 1/σ²: an outlier
        says little about other items. It is at most `MAX_WEIGHT`: a single item in a dense region must not dominate its
        class. Anchors that no label reaches get 1/C for each class.

        Parameters
        ----------
        latents : float32 (N, D), of the whole pool, to find the nearest anchor of labelled items that are not anchors.
        labelled : sets of labels, each of at least one item.
        absorption : E, diagonal, is this times the weight of each label: how much of what spreads from other labels a
            label holds up, as in harmonic functions. In pools of more than `SMALL` items it is proportionally less:
            there a label speaks for more items.
        alpha : 0…1, how far labels reach; 0.9: they stay among their neighbours.
        """
        weights = [self._weights(latents, labels) for labels in labelled]
        each = absorption * min(1, SMALL / len(self.anchors))
        propagated = np.maximum(self._solve(weights, each, alpha), 0)
        propagated /= np.maximum(propagated.sum(axis=0), 1e-12)
        ends = np.cumsum([labels.n_classes for labels in labelled])[:-1]
        return [_normalise_rows(part) for part in np.split(propagated, ends, axis=1)]

    def share_between(self, classes: NDArray[np.int64]) -> float:
        """The share of the weights that lie between anchors of different classes, 0…1.

        Parameters
        ----------
        classes : the class of each anchor, int64 (A,).
        """
        classes = classes.astype(np.int32)
        between = np.repeat(classes, np.diff(self.weights.indptr)) != classes[self.weights.indices]
        return float(self.weights.data[between].sum() / max(float(self.weights.data.sum()), 1e-12))

    def _weights(self, latents: NDArray[np.float32], labelled: LabelSet) -> NDArray[np.float32]:
        """The weights of the labels, float32 (A, C)."""
        weights = np.zeros((len(self.anchors), labelled.n_classes), dtype=np.float32)
        rows = self.anchor_rows(latents, labelled.indices)
        each = np.minimum((np.median(self.scale) / self.scale[rows]) ** 2, MAX_WEIGHT)
        np.add.at(weights, (rows, labelled.labels), each)
        return weights

    def anchor_rows(self, latents: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each pool index among the anchors, or that of its nearest anchor, int64 (m,)."""
        rows = np.minimum(np.searchsorted(self.anchors, indices), len(self.anchors) - 1)
        missing = np.flatnonzero(self.anchors[rows] != indices)
        known = self._nearest_anchor
        new = np.array([i for i in indices[missing].tolist() if i not in known], dtype=np.int64)
        if len(new):
            known.update(zip(new.tolist(), self._nearest_anchors(latents, new).tolist(), strict=True))
        rows[missing] = [known[i] for i in indices[missing].tolist()]
        return rows

    def _nearest_anchors(self, latents: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of the anchor that is nearest to each item of the pool, int64 (m,)."""
        points = np.asarray(latents[indices], dtype=np.float32)
        nearest, distances = np.zeros(len(points), dtype=np.int64), np.full(len(points), np.inf, dtype=np.float32)
        for start in range(0, len(self.anchors), ROWS):
            anchors = np.asarray(latents[self.anchors[start : start + ROWS]], dtype=np.float32)
            block = np.einsum("nd,nd->n", anchors, anchors) - 2 * (points @ anchors.T)  # (m, n)
            best = block.argmin(axis=1)
            found = block[np.arange(len(points)), best]
            closer = found < distances
            nearest[closer], distances[closer] = start + best[closer], found[closer]
        return nearest

    def _solve(self, weights: list[NDArray[np.float32]], absorption: float, alpha: float) -> NDArray[np.float32]:
        """Solve (I + E - αS) F = Y for each Y in `weights`, (A, C) each, by conjugate gradients; float32 (A, ΣC).

        Values are internally scaled up by `SCALE_UP`, and each column of Y to a sum of 1.
        """
        import torch

        s, order = self._ordered, self._order
        weights = [part[order] for part in weights]
        right = np.concatenate(weights, axis=1)
        right /= np.maximum(right.sum(axis=0), 1e-12)
        right *= np.float32(SCALE_UP)
        sinks = []  # the rows with labels, the columns of their set, and E there
        start = 0
        for part in weights if absorption else ():
            rows = np.flatnonzero(part.any(axis=1))
            columns = np.arange(start, start + part.shape[1])
            where = (torch.from_numpy(rows[:, None]), torch.from_numpy(columns[None]))
            sinks.append((where, torch.from_numpy(absorption * part[rows].sum(axis=1, keepdims=True))))
            start += part.shape[1]

        def product(y: Tensor, out: Tensor) -> Tensor:
            torch.addmm(y, s, y, alpha=-alpha, out=out)
            for where, absorbed in sinks:
                out[where] += absorbed * y[where]
            return out

        x = torch.from_numpy(right)
        image = torch.empty_like(x)
        residual = x - product(x, image)
        direction = residual.clone()
        square = _products(residual, residual)
        for _ in range(ITERATIONS):
            step = square / _products(direction, product(direction, image)).clamp_min_(1e-30)
            x.addcmul_(direction, step)
            residual.addcmul_(image, step, value=-1)
            before, square = square, _products(residual, residual)
            torch.addcmul(residual, direction, square / before.clamp_min(1e-30), out=direction)
        solved = np.empty_like(right)
        solved[order] = x.div_(SCALE_UP).numpy()
        return solved

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The anchors, neighbours near each other (Cuthill & McKee 1969): products then find rows in the CPU cache."""
        return np.asarray(csgraph.reverse_cuthill_mckee(self.weights, symmetric_mode=True), dtype=np.int64)

    @cached_property
    def _ordered(self) -> Tensor:
        """S in that order, as a tensor; one thread sums each row of a product, so their number changes nothing."""
        import torch

        s = self.weights[self._order][:, self._order]
        indptr, indices = (torch.from_numpy(part.astype(np.int32)) for part in (s.indptr, s.indices))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that sparse tensors are in beta
            return torch.sparse_csr_tensor(indptr, indices, torch.from_numpy(s.data), s.shape, check_invariants=False)


def _products(x: Tensor, y: Tensor) -> Tensor:
    """The scalar product of each column of x and y (A, C), (C,); summed in parts, which keeps more digits."""
    import torch

    a, b = x.numpy(), y.numpy()
    parts = [np.einsum("nc,nc->c", a[k : k + ROWS], b[k : k + ROWS]) for k in range(0, len(a), ROWS)]
    return torch.from_numpy(np.sum(parts, axis=0))


def _normalise_rows(masses: NDArray[np.float32]) -> NDArray[np.float32]:
    total = masses @ np.ones(masses.shape[1], dtype=np.float32)
    reached = total > 1e-20
    shares = np.ascontiguousarray(masses / np.where(reached, total, np.float32(1))[:, None], dtype=np.float32)
    shares[~reached] = 1 / masses.shape[1]
    return shares


def _nearest(points: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Squared distances to the k nearest other points and their indices, (A, k) each, nearest first."""
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
    # If too few are found, faiss returns index -1 at a huge distance, which becomes item 0, far away.
    return _without_self(np.maximum(squared, 0), np.maximum(nearest, 0))


def _without_self(
    squared: NDArray[np.float32], nearest: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Remove each item from its own neighbours; among many duplicates it may not be the first, or be missing."""
    itself = nearest == np.arange(len(nearest))[:, None]
    itself[~itself.any(axis=1), -1] = True
    keep = ~itself
    shape = (len(nearest), nearest.shape[1] - 1)
    return squared[keep].reshape(shape), nearest[keep].reshape(shape)

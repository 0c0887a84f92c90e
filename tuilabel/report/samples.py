"""Choose the items that a report shows, in one pass over the pool's probabilities and in constant memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_SURE = 36
PICTURES, MOST_OF_CLASS, LEAST_OF_CLASS = 240, 12, 2  # of all classes together, and of each
Drawn = NDArray[np.float64]
"""Rows of rank, pool index, confidence, class and second class, float64 (n, 5)."""


@dataclass(frozen=True)
class Shown:
    """One item, its predicted class and the second most probable one."""

    index: int
    confidence: float
    predicted: int
    second: int


@dataclass(frozen=True)
class Samples:
    """What a report shows of the predictions."""

    counts: NDArray[np.int64]
    """How often each class is predicted in the whole pool, int64 (C,)."""
    of_class: tuple[tuple[Shown, ...], ...]
    """For each class a random sample of the unlabelled items predicted as it, most confident first."""
    least_sure: tuple[Shown, ...]
    """The unlabelled items with the lowest confidence, lowest first."""


class Sampler:
    """Collects samples while the pool's probabilities are passed in chunk by chunk.

    Parameters
    ----------
    labelled : bool (N,); these items are counted but not shown.
    """

    def __init__(self, n_classes: int, labelled: NDArray[np.bool_], *, seed: int = 0) -> None:
        self._labelled = labelled
        self._rng = np.random.default_rng(seed)
        self._per_class = int(np.clip(PICTURES // n_classes, LEAST_OF_CLASS, MOST_OF_CLASS))
        self._counts = np.zeros(n_classes, dtype=np.int64)
        self._least = np.empty((0, 5))
        self._of_class = [np.empty((0, 5)) for _ in range(n_classes)]

    def add(self, start: int, p: NDArray[np.float32]) -> None:
        """Add the probabilities of the items from `start` on, float32 (n, C)."""
        best = p.argmax(axis=1)
        self._counts += np.bincount(best, minlength=len(self._counts))
        unlabelled = np.flatnonzero(~self._labelled[start : start + len(p)])
        confidence, predicted = p[unlabelled, best[unlabelled]], best[unlabelled]
        others = p[unlabelled].copy()
        others[np.arange(len(unlabelled)), predicted] = -1
        rows = np.stack([confidence, unlabelled + start, confidence, predicted, others.argmax(axis=1)], axis=1)
        self._least = _smallest(np.concatenate([self._least, rows]), LEAST_SURE)
        rows[:, 0] = self._rng.random(len(rows))  # the smallest of random numbers are a random sample
        for k in np.unique(predicted).tolist():
            self._of_class[k] = _smallest(np.concatenate([self._of_class[k], rows[predicted == k]]), self._per_class)

    def samples(self) -> Samples:
        """The samples of all items so far."""
        of_class = tuple(_shown(rows[np.argsort(-rows[:, 2], kind="stable")]) for rows in self._of_class)
        return Samples(self._counts, of_class, _shown(self._least))


def _smallest(rows: Drawn, k: int) -> Drawn:
    return rows[np.argsort(rows[:, 0], kind="stable")[:k]]


def _shown(rows: Drawn) -> tuple[Shown, ...]:
    return tuple(Shown(int(row[1]), float(row[2]), int(row[3]), int(row[4])) for row in rows)

"""What a model says of a pool, in a few bytes per item.

A pool of ten million items and ten classes has 400 MB of probabilities, of which a strategy needs a number per item and
a few rows. So one pass over the pool keeps those numbers, and rows are computed when somebody asks for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import Model

SLICE = 16_384  # items whose probabilities are in memory at once: those of a few classes fit into the processor's cache

Temper = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float32]]
"""A model's probabilities (n, C) for items of the pool (n,) to what is shown of them; no prediction changes."""


@dataclass(frozen=True)
class Scores:
    """A model's predictions for n items of a pool; where only rows are needed it stands for its matrix (n, C).

    Attributes
    ----------
    model, features : the model, and its input for the whole pool, float32 (N, F).
    items : pool indices, int64 (n,), unique.
    n_classes : C.
    predicted : the most probable class, int32 (n,).
    confidence : its probability, float32 (n,).
    margin : minus the gap to the second most probable class, float32 (n,).
    entropy : in nats, float32 (n,).
    shown_confidence, shown_entropy : the same of what is shown, see `Temper`.
    """

    model: Model
    features: NDArray[np.float32]
    items: NDArray[np.int64]
    n_classes: int
    predicted: NDArray[np.int32]
    confidence: NDArray[np.float32]
    margin: NDArray[np.float32]
    entropy: NDArray[np.float32]
    shown_confidence: NDArray[np.float32]
    shown_entropy: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        model: Model,
        features: NDArray[np.float32],
        items: NDArray[np.int64],
        temper: Temper | None = None,
        threads: int = 1,
    ) -> Scores:
        """Predict items of a pool (n,), ascending, in one pass over its features (N, F), `threads` slices at a time."""
        n, everything = len(items), len(items) == len(features)
        predicted = np.empty(n, dtype=np.int32)
        confidence, gap, entropy = (np.empty(n, dtype=np.float32) for _ in range(3))
        shown_confidence, shown_entropy = (
            (confidence, entropy) if temper is None else (np.empty_like(confidence), np.empty_like(entropy))
        )
        n_classes = model.predict_proba(np.asarray(features[:0])).shape[1]

        def predict(start: int) -> None:
            rows = slice(start, start + SLICE)
            p = model.predict_proba(np.asarray(features[rows] if everything else features[items[rows]]))
            predicted[rows], confidence[rows], second = _two_highest(p)
            gap[rows] = second - confidence[rows]
            entropy[rows] = _entropy(p)
            if temper is not None:
                shown = temper(p, items[rows])
                shown_confidence[rows], shown_entropy[rows] = shown.max(axis=1), _entropy(shown)

        with ThreadPoolExecutor(threads) as pool:
            deque((pool.map if threads > 1 else map)(predict, range(0, n, SLICE)), maxlen=0)
        return cls(
            model,
            features,
            items,
            n_classes,
            predicted,
            confidence,
            gap,
            entropy,
            shown_confidence,
            shown_entropy,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(n, C)."""
        return len(self.items), self.n_classes

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Probabilities of the items at some positions (k,), float32 (k, C), computed now."""
        return self.model.predict_proba(np.asarray(self.features[self.items[positions]]))

    def matrix(self) -> NDArray[np.float32]:
        """All probabilities, float32 (n, C), computed now."""
        return np.ascontiguousarray(self[np.arange(len(self))])

    def at(self, positions: NDArray[np.int64]) -> Scores:
        """The same of the items at some positions, int64 (k,)."""
        if len(positions) == len(self):
            return self
        confidence, entropy = self.confidence[positions], self.entropy[positions]
        as_shown = self.shown_confidence is self.confidence
        return replace(
            self,
            items=self.items[positions],
            predicted=self.predicted[positions],
            confidence=confidence,
            margin=self.margin[positions],
            entropy=entropy,
            shown_confidence=confidence if as_shown else self.shown_confidence[positions],
            shown_entropy=entropy if as_shown else self.shown_entropy[positions],
        )


def _two_highest(p: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """The first class with the highest of probabilities (n, C), that probability and the second highest, (n,) each."""
    columns = np.ascontiguousarray(p.T)  # whole vectors of items at a time: many times as fast as row by row
    highest, second = columns[0].copy(), np.full(len(p), -np.inf, dtype=np.float32)
    predicted, lower = np.zeros(len(p), dtype=np.min_scalar_type(len(columns))), np.empty_like(highest)
    for c in range(1, len(columns)):
        np.maximum(predicted, (columns[c] > highest) * predicted.dtype.type(c), out=predicted)
        np.minimum(highest, columns[c], out=lower)
        np.maximum(second, lower, out=second)
        np.maximum(highest, columns[c], out=highest)
    return predicted.astype(np.int32), highest, second


def _entropy(p: NDArray[np.float32]) -> NDArray[np.float32]:
    columns = np.ascontiguousarray(p.T)
    logs = np.log(np.maximum(columns, np.finfo(np.float32).tiny))
    return np.asarray(-np.einsum("cn,cn->n", columns, logs), dtype=np.float32)

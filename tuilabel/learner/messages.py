"""What session and trainer say to each other: small frozen dataclasses of numbers and arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainRequest:
    """Train on these labels and say what to ask next."""

    serial: int
    """Grows with every request; the newest wins."""
    indices: NDArray[np.int64]
    """Pool indices of the labelled items (m,)."""
    labels: NDArray[np.int64]
    """Their classes (m,), 0…n_classes-1."""
    n_classes: int
    excluded: NDArray[np.int64]
    """Pool indices that may not be picked besides the labelled: skipped, flagged, on the screen."""
    shown: NDArray[np.int64]
    """Pool indices to give predictions for: the unanswered items on the screen."""
    strategy: str
    batch_size: int
    audit_size: int
    """Audit items a batch; the result brings enough of all for two batches."""
    seed: int


@dataclass(frozen=True)
class Picks:
    """Items with what the model makes of them; without a model the last three are None."""

    indices: NDArray[np.int64]
    """Pool indices (k,), in the order in which to ask."""
    predicted: NDArray[np.int64] | None = None
    """The most probable class (k,)."""
    confidence: NDArray[np.float32] | None = None
    """Its probability (k,)."""
    query_probability: NDArray[np.float64] | None = None
    """Of drawing each (k,), where the pick was at random."""


@dataclass(frozen=True)
class RoundResult:
    """The answer to a request."""

    serial: int
    n_labels: int
    """Labels the model was trained on; 0 where there is no model, for want of labels of two classes."""
    strategy: str
    """The one that picked: the cold start's where there was no model."""
    picks: Picks
    audit: Picks
    """Drawn uniformly from the unanswered items."""
    shown: Picks
    test_accuracy: float | None
    mean_uncertainty: float | None
    """Mean entropy over the unanswered pool, divided by log C."""
    uncertainty_histogram: NDArray[np.int64] | None
    """Unanswered items by that uncertainty, in 20 equal bins over 0…1."""
    fit_seconds: float
    query_seconds: float


@dataclass(frozen=True)
class Progress:
    """What the trainer does now: "load", "encode" (with numbers) or "train"."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Ready:
    """The trainer has loaded everything and waits."""


@dataclass(frozen=True)
class Failure:
    """Something went wrong; a fatal one ends the trainer for good."""

    message: str
    fatal: bool


Message = Progress | Ready | RoundResult | Failure

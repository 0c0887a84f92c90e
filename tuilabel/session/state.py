"""What a session shows: frozen snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import (
    AuditEstimate,
    BalancedAccuracy,
    Baseline,
    ClassFigure,
    Confusion,
    LureEstimate,
    MeasuredAccuracy,
    StoppingAdvice,
)

ModelStatus = Literal["none", "loading", "training", "ready"]
"""Whether there is a model: none, without labels of two classes or when the trainer has stopped; loading, of an earlier
session's labels or while the trainer starts; a first one, in training; or one that is ready."""


@dataclass(frozen=True, slots=True)
class QueryItem:
    """One queried image, with what the model of its batch predicted."""

    index: int
    """The item's index in the pool, which the session's methods take."""
    id: str
    """Content id of the image."""
    audit: bool = False
    """Whether it was drawn uniformly from the unanswered pool."""
    predicted: int | None = None
    """Class position."""
    confidence: float | None = None
    query_probability: float | None = None
    trained_on: int | None = None
    """Number of labels that the predicting model was trained on; None without a prediction."""
    hidden: bool = False
    """Whether its prediction is not to be shown before it is answered: audit items, and as many others."""
    overlap: bool = False
    """Whether several people are asked it: neither their answers nor a prediction is shown before its own answer."""
    probabilities: NDArray[np.float32] | None = field(default=None, compare=False)
    """Of every class (C,); None without a prediction, in earlier sessions' batches, and after classes moved."""


@dataclass(frozen=True)
class Belief:
    """What one model believes about one item."""

    predicted: int
    """Class position."""
    confidence: float
    probabilities: tuple[float, ...] | None = None
    """Of every class, by position; None if only that of the predicted class is known."""

    def chances(self, n_classes: int) -> tuple[float, ...]:
        """The probability of each of `n_classes` classes; empty if they are not known, as after one was added."""
        chances = self.probabilities
        return chances if chances is not None and len(chances) == n_classes else ()


@dataclass(frozen=True, slots=True)
class Batch:
    """The items of one round, in the order in which they are queried."""

    round: int
    items: tuple[QueryItem, ...]
    strategy: str
    trained_on: int | None
    """Number of labels that the predicting model was trained on; None before there is a model."""


@dataclass(frozen=True)
class TrainerState:
    """What the trainer is doing, and what it did last."""

    doing: str = "starting"
    done: int = 0
    total: int = 0
    failure: str | None = None
    """Why it does not work; None while it does."""
    background: str | None = None
    """What it does in the background: "read", "download", "vae", "encode" or "compare", with the progress in the next
    fields. Until that has ended, models may get other latents or more images."""
    background_done: int = 0
    background_total: int = 0
    background_rate: float | None = None
    """How many are done in a second; None while that is unknown."""
    background_encoder: str | None = None
    """The encoder whose latents it prepares."""
    encoder: str | None = None
    """The encoder of the latents, if it may change."""
    trained_on: int | None = None
    """Number of labels that the newest model was trained on."""
    fit_seconds: float | None = None
    query_seconds: float | None = None


class CurvePoint(NamedTuple):
    """The accuracy of a model trained on `labels` labels, with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Statistics:
    """A snapshot of every figure that the screen shows; see `LogStatistics` for those of a log alone."""

    pool_size: int
    labelled: int
    skipped: int
    flagged: int
    """Flagged items, with or without a label."""
    flagged_only: int
    """Those of them without an answer, which are set aside."""
    per_minute: float | None
    """Answers per minute of work."""
    round: int
    strategy: str
    """What picks batches: the session's strategy, or chance when the trainer has stopped."""
    trainer: TrainerState
    model: ModelStatus
    test_accuracy: float | None
    """Of the newest model on test items; None without them."""
    accuracy: MeasuredAccuracy | None
    """Of the newest model with its interval: on test items, or without them by audit items."""
    curve: tuple[CurvePoint, ...]
    """Accuracy of every model so far, by number of labels: on test items, or without them by audit items."""
    by_test: bool
    """Whether the curve is, or is expected to be, of test items."""
    audit: AuditEstimate | None
    lure: LureEstimate | None
    """Accuracy by cross-validation, weighted by the query probabilities (Farquhar et al. 2021)."""
    confidence: float | None
    """How often the newest model expects to be right on the unanswered pool."""
    advice: StoppingAdvice
    mean_uncertainty: float | None
    """Mean entropy of the predictions over the unanswered pool, divided by log C: 0 for certain, 1 for uniform."""
    histogram: tuple[int, ...] | None
    """Unanswered items by that uncertainty, in 20 equal bins over 0…1."""
    start_histogram: tuple[int, ...] | None
    """The same for the first model of this session."""
    class_counts: tuple[int, ...]
    """Labels of each class."""
    class_figures: tuple[ClassFigure, ...]
    """Labels and recall of each class: on test items, or on audit items, predicted before training on them."""
    confusion: NDArray[np.int64] | None = field(compare=False)
    """Those items by class, (C, C): rows true, columns predicted; None without any."""
    confusions: tuple[Confusion, ...]
    """The most frequent mistakes among them, at most five."""
    baseline: Baseline | None
    """The accuracy of always answering with the largest class, by the same items; None for fewer than 20."""
    balanced: BalancedAccuracy | None
    """Mean recall of the classes, where they are unequal; None otherwise, and for fewer than 20 items."""
    target: float | None
    """The accuracy to reach, 0…1."""
    labels_to_target: int | None
    """Labels still needed for it by the fitted learning curve; None if it is never reached, or there is no forecast."""
    minutes_left: float | None
    """The time those take at the current pace."""
    advice_text: str
    """What more labels should bring, in one line."""

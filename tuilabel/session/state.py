"""What a session shows: frozen snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import (
    AuditEstimate,
    ClassFigure,
    Confusion,
    LureEstimate,
    MeasuredAccuracy,
    StoppingAdvice,
)


@dataclass(frozen=True)
class QueryItem:
    """One image that is asked: where it is in the pool, and what the model of its batch made of it."""

    index: int
    id: str
    audit: bool = False
    predicted: int | None = None
    confidence: float | None = None
    query_probability: float | None = None
    trained_on: int | None = None
    """How many labels the model behind the prediction was trained on; None without a prediction."""


@dataclass(frozen=True)
class Batch:
    """The items of one round, in the order in which they are asked."""

    round: int
    items: tuple[QueryItem, ...]
    strategy: str
    trained_on: int | None
    """How many labels the model behind its predictions was trained on; None before there is a model."""


@dataclass(frozen=True)
class TrainerState:
    """What the trainer does now, and what it did last."""

    doing: str = "starting"
    done: int = 0
    total: int = 0
    failure: str | None = None
    """Why it stopped, until it is well again."""
    behind: str | None = None
    """What is done behind it: "read", "vae" or "encode", with the two numbers that follow."""
    behind_done: int = 0
    behind_total: int = 0
    encoder: str | None = None
    """What gives the latents, where that may change."""
    trained_on: int | None = None
    fit_seconds: float | None = None
    query_seconds: float | None = None


class CurvePoint(NamedTuple):
    """The accuracy of the model of so many labels, with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Statistics:
    """Every figure the screen shows, at one moment."""

    pool_size: int
    labelled: int
    skipped: int
    flagged: int
    per_minute: float | None
    round: int
    strategy: str
    trainer: TrainerState
    test_accuracy: float | None
    accuracy: MeasuredAccuracy | None
    """Of the newest model: on test items, or without them by audit items."""
    curve: tuple[CurvePoint, ...]
    """Accuracy of every model so far, by growing number of labels: on the test split, else by the audit items."""
    by_test: bool
    """Whether the curve is, or will be, that of the test split."""
    audit: AuditEstimate | None
    lure: LureEstimate | None
    """Accuracy by cross-validation, weighted by the query probabilities (Farquhar et al. 2021)."""
    confidence: float | None
    """How often the newest model expects to be right on the unanswered pool."""
    advice: StoppingAdvice
    mean_uncertainty: float | None
    """Mean entropy of the predictions over the unanswered pool, divided by log C: 0 sure, 1 clueless."""
    histogram: tuple[int, ...] | None
    """Unanswered items by that uncertainty, in 20 equal bins over 0…1."""
    start_histogram: tuple[int, ...] | None
    """The same under the first model of this sitting."""
    class_counts: tuple[int, ...]
    class_figures: tuple[ClassFigure, ...]
    """Labels and recall of each class: on the test split, else on audit items as predicted before they were learnt."""
    confusion: NDArray[np.int64] | None = field(compare=False)
    """Those items by class, (C, C): rows true, columns predicted; None without any."""
    confusions: tuple[Confusion, ...]
    """The most frequent mistakes on the same items, at most five."""
    target: float | None
    """The accuracy one labels for."""
    labels_to_target: int | None
    """Labels it still takes, by the fitted learning curve; None where that says never, or cannot say."""
    minutes_left: float | None
    """The time that takes at the present pace."""
    advice_text: str
    """What is reached and what more labels should bring, in a line."""

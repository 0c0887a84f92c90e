"""The messages between session and trainer: small frozen dataclasses of numbers and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.base import LabelSet
from tuilabel.learner.evaluation import TestMetrics


@dataclass(frozen=True)
class TrainRequest:
    """Train on these labels and select the items to label next."""

    serial: int
    """Increases with every request; the newest request wins."""
    indices: NDArray[np.int64]
    """Pool indices of the labelled items (m,)."""
    labels: NDArray[np.int64]
    """Their classes (m,), 0…n_classes-1."""
    n_classes: int
    audit: NDArray[np.bool_]
    """Which of the labelled items were drawn uniformly at random (m,)."""
    excluded: NDArray[np.int64]
    """Pool indices that must not be picked in addition to the labelled items: skipped, flagged or on the screen."""
    shown: NDArray[np.int64]
    """Pool indices to predict in any case: the unlabelled items on the screen."""
    strategy: str
    batch_size: int
    audit_size: int
    """Audit items in each batch."""
    seed: int
    n_batches: int = 2
    """Batches of candidates in the result: with two, the next batch is ready while the trainer is still working."""
    folds: int = 0
    """Folds of a cross-validation on the labelled items; 0 for no cross-validation."""
    target_of: NDArray[np.int64] | None = None
    """For each class of the dataset (K,) the class 0…n_classes-1 that it has become by renaming and merging, or -1 if
    the project has no such class: then the test images cannot be used. None if the classes are the same. If the project
    has a class that the dataset lacks, every test image predicted as that class counts as an error."""

    @property
    def labelled(self) -> LabelSet:
        """The labelled items."""
        return LabelSet(self.indices, self.labels, self.n_classes, self.audit)

    @property
    def model_seed(self) -> int:
        """The seed of the request's model."""
        return int(self.rng(2).integers(2**31))

    def rng(self, stream: int) -> np.random.Generator:
        """A random generator that depends only on the content of the request.

        Streams: 0 for the strategy, 1 for audit items, 2 for the model, 3 for the cross-validation.
        """
        return np.random.default_rng([self.seed, len(self.indices), len(self.excluded), stream])


@dataclass(frozen=True)
class ItemPredictions:
    """Items in order, each with its prediction; only the indices if there is no model."""

    indices: NDArray[np.int64]
    """Pool indices (k,), in the order in which they are to be labelled."""
    predicted: NDArray[np.int64] | None = None
    """The most probable class (k,)."""
    confidence: NDArray[np.float32] | None = None
    """Its probability (k,)."""
    query_probability: NDArray[np.float64] | None = None
    """The probability with which each was drawn (k,); None if they were not drawn at random."""
    probabilities: NDArray[np.float32] | None = None
    """Of every class (k, C)."""


@dataclass(frozen=True)
class RoundResult:
    """The result of a `TrainRequest`."""

    serial: int
    n_labels: int
    """Labels the model was trained on; 0 if there is no model because fewer than two classes have labels."""
    strategy: str
    """The strategy that picked: coverage if there was no model and the requested strategy needs one."""
    picks: ItemPredictions
    audit: ItemPredictions
    """Drawn uniformly from the unlabelled items."""
    shown: ItemPredictions
    test: TestMetrics | None
    mean_uncertainty: float | None
    """Mean entropy of the predictions for the unlabelled pool, divided by log C."""
    uncertainty_histogram: NDArray[np.int64] | None
    """Number of unlabelled items by that uncertainty, in 20 equal bins over 0…1."""
    mean_confidence: float | None
    """Mean probability of the predicted class over the unlabelled pool: how often the model expects to be right."""
    stop_set: NDArray[np.int16] | None
    """Predictions for a fixed sample of the pool, which show whether predictions still change."""
    out_of_fold: NDArray[np.int64] | None
    """The class predicted for each labelled item by a model trained without its label (m,)."""
    fit_seconds: float
    query_seconds: float
    is_first_part: bool = False
    """Whether the whole result follows: these are only the picks of the first batch, for which somebody waits."""

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the test split; None if there is none."""
        return None if self.test is None else self.test.accuracy


@dataclass(frozen=True)
class TrainerProgress:
    """What the trainer is doing: "load" or "train", or "encode" or "review" with numbers.

    In the background: "read" (reading images), "download" (weights, in bytes), "vae" (training it), "encode" or
    "compare" (latents, by the labels), and "idle" when all that has ended.
    """

    stage: str
    done: int = 0
    total: int = 0
    background: bool = False
    """Whether this happens in the background, while the trainer does something else."""
    encoder: str | None = None
    """The encoder whose latents this prepares, in the background."""
    per_second: float | None = None
    """How many are done in a second; None while that is unknown."""


@dataclass(frozen=True)
class PoolChanged:
    """From the next result on, models use other latents or more images; results still on their way use the old ones.

    The receiver refreshes the pool and submits a new request.
    """

    n_items: int
    """Number of items in the pool, as the trainer sees it."""
    encoder: str
    """The encoder of the latents: "pca", "vae", …"""
    reason: str | None = None
    """Why other latents are used from now on, in a few words; None if they are those of before."""


@dataclass(frozen=True)
class Notice:
    """Something that the user may want to know, in one line."""

    text: str


@dataclass(frozen=True)
class Ready:
    """The trainer has loaded everything and is waiting for requests."""


@dataclass(frozen=True)
class Failure:
    """An error; a fatal one ends the trainer for good."""

    message: str
    fatal: bool
    background: bool = False
    """Whether it happened in the background, so that the trainer itself continues."""
    crashed: bool = False
    """Whether the trainer failed and not what it was given: a session goes on without it."""
    overdue: bool = False
    """Whether it only takes much longer than ever, and goes on: a session does without it until it says something."""


@dataclass(frozen=True)
class InspectItem:
    """Ask what the newest model predicts for one item, and which items are similar."""

    serial: int
    """Increases with every question of any kind; the newest question of each kind wins."""
    index: int
    """Pool index."""
    neighbours: int = 8
    since: int = 0
    """Serial of the first training request whose model may answer: earlier models have other classes."""


@dataclass(frozen=True)
class Inspection:
    """The reply to `InspectItem`."""

    serial: int
    index: int
    probabilities: NDArray[np.float32] | None
    """Class probabilities (C,); None while there is no model."""
    neighbours: NDArray[np.int64]
    """Pool indices of the items nearest in latent space (k,), nearest first, without the item itself."""
    distances: NDArray[np.float32]
    """Their distances (k,)."""
    near_duplicates: NDArray[np.bool_]
    """Which of them are so close that they show nearly the same (k,)."""
    reconstruction: NDArray[np.uint8] | None
    """The image that the VAE decodes from the item's latent, (H, W, C) in the VAE's size; None if there is no VAE."""
    error: str | None = None
    """Why the reply is empty."""


@dataclass(frozen=True)
class ItemsOfClass:
    """Ask which unlabelled items the newest model assigns to a class."""

    serial: int
    class_index: int
    count: int
    """Maximum number of items."""
    excluded: NDArray[np.int64]
    """Pool indices to leave out: labelled, skipped or flagged, on the screen."""
    order: Literal["sure", "unsure"] = "sure"
    since: int = 0
    """As in `InspectItem`."""


@dataclass(frozen=True)
class ClassItems:
    """The reply to `ItemsOfClass`; empty while there is no model."""

    serial: int
    class_index: int
    indices: NDArray[np.int64]
    """Pool indices (k,), in the requested order."""
    confidence: NDArray[np.float32]
    """Probability of the class (k,)."""
    error: str | None = None
    """Why the reply is empty."""


@dataclass(frozen=True)
class SimilarItems:
    """Ask which items are nearest in latent space to any of some items; needs no model."""

    serial: int
    like: NDArray[np.int64]
    """Pool indices (s,), at least one."""
    count: int
    """Maximum number of items."""
    excluded: NDArray[np.int64]
    """Pool indices to leave out, in addition to those of `like`."""
    since: int = 0
    """As in `InspectItem`."""


@dataclass(frozen=True)
class SearchText:
    """Ask which items are nearest to a text, for an encoder that knows texts."""

    serial: int
    text: str
    count: int
    """Maximum number of items."""
    excluded: NDArray[np.int64]
    """Pool indices to leave out."""
    since: int = 0
    """As in `InspectItem`."""


@dataclass(frozen=True)
class FoundItems:
    """The reply to `SimilarItems` and `SearchText`."""

    serial: int
    indices: NDArray[np.int64]
    """Pool indices (k,), nearest first."""
    error: str | None = None
    """Why the reply is empty."""


@dataclass(frozen=True)
class CrossValidate:
    """Ask for predictions of the labelled items by models trained without their labels."""

    serial: int
    indices: NDArray[np.int64]
    """Pool indices of the labelled items (m,)."""
    labels: NDArray[np.int64]
    """Their classes (m,)."""
    n_classes: int
    folds: int = 5

    @property
    def labelled(self) -> LabelSet:
        """The labelled items; which of them are audit items does not matter here."""
        return LabelSet(self.indices, self.labels, self.n_classes, np.zeros(len(self.indices), dtype=bool))


@dataclass(frozen=True)
class OutOfFoldPredictions:
    """The reply to `CrossValidate`."""

    serial: int
    indices: NDArray[np.int64]
    """Pool indices of the items with predictions (k,): all but the only item of a class."""
    probabilities: NDArray[np.float32]
    """Class probabilities (k, C)."""
    error: str | None = None
    """Why the reply is empty."""


LookUp = InspectItem | ItemsOfClass | SimilarItems | SearchText
"""Questions that are answered from the newest model and the latents, without any training."""
Question = LookUp | CrossValidate
Reply = Inspection | ClassItems | FoundItems | OutOfFoldPredictions
Message = TrainerProgress | PoolChanged | Notice | Ready | RoundResult | Failure | Reply


def empty_reply(question: Question, error: str | None = None) -> Reply:
    """A reply without content: there is no model yet, or there was an `error`."""
    no_items, no_numbers = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    match question:
        case InspectItem():
            no_flags = np.empty(0, dtype=np.bool_)
            return Inspection(question.serial, question.index, None, no_items, no_numbers, no_flags, None, error)
        case ItemsOfClass():
            return ClassItems(question.serial, question.class_index, no_items, no_numbers, error)
        case SimilarItems() | SearchText():
            return FoundItems(question.serial, no_items, error)
        case CrossValidate():
            no_rows = np.empty((0, question.n_classes), dtype=np.float32)
            return OutOfFoldPredictions(question.serial, no_items, no_rows, error)

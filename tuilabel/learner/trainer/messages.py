"""What session and trainer say to each other: small frozen dataclasses of numbers and arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
    audit: NDArray[np.bool_]
    """Which of the labelled items were drawn uniformly at random (m,)."""
    excluded: NDArray[np.int64]
    """Pool indices that may not be picked besides the labelled: skipped, flagged, on the screen."""
    shown: NDArray[np.int64]
    """Pool indices to give predictions for: the unanswered items on the screen."""
    strategy: str
    batch_size: int
    audit_size: int
    """Audit items a batch."""
    seed: int
    n_batches: int = 2
    """Batches of candidates the result brings: with two, the next is there while the trainer still works."""
    folds: int = 0
    """Of a cross-validation on the labelled items; 0 for none."""
    target_of: NDArray[np.int64] | None = None
    """For each class of the dataset (K,) the class 0…n_classes-1 that it is now, renamed or merged, or -1 for none of
    them: then test images cannot judge the model. None where the two are the same. A class that the dataset lacks is
    an error wherever the model predicts it."""


@dataclass(frozen=True)
class ItemPredictions:
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
class TestMetrics:
    """How a model does on the test split."""

    __test__ = False  # not for pytest

    accuracy: float
    balanced_accuracy: float
    """Mean recall over the classes."""
    calibration_error: float
    """Expected calibration error (Guo et al. 2017)."""
    n: int
    """Test items measured."""
    confusion: NDArray[np.int64] | None = field(default=None, compare=False)
    """How often class i was taken for class j (C, C): rows true, columns predicted."""


@dataclass(frozen=True)
class RoundResult:
    """The answer to a request."""

    serial: int
    n_labels: int
    """Labels the model was trained on; 0 where there is no model, for want of labels of two classes."""
    strategy: str
    """The one that picked: the cold start's where there was no model."""
    picks: ItemPredictions
    audit: ItemPredictions
    """Drawn uniformly from the unanswered items."""
    shown: ItemPredictions
    test: TestMetrics | None
    mean_uncertainty: float | None
    """Mean entropy over the unanswered pool, divided by log C."""
    uncertainty_histogram: NDArray[np.int64] | None
    """Unanswered items by that uncertainty, in 20 equal bins over 0…1."""
    mean_confidence: float | None
    """Mean probability of the predicted class over the unanswered pool: how often the model expects to be right."""
    stop_set: NDArray[np.int16] | None
    """Predictions for a fixed sample of the pool, to see whether they still change."""
    out_of_fold: NDArray[np.int64] | None
    """Class predicted for each labelled item by a model that has not learnt its label (m,)."""
    fit_seconds: float
    query_seconds: float

    @property
    def test_accuracy(self) -> float | None:
        """On the test split, where there is one."""
        return None if self.test is None else self.test.accuracy


@dataclass(frozen=True)
class TrainerProgress:
    """What the trainer does now: "load", "train", or with numbers "encode", "review".

    Or what is done behind it: "read" (images), "vae" (training it), "encode"; "idle" when that ends.
    """

    stage: str
    done: int = 0
    total: int = 0
    background: bool = False
    """Whether it is done in the background, while the trainer does something else."""


@dataclass(frozen=True)
class PoolChanged:
    """Models see other latents, or more images, from the next result on; results that are on their way are of the old.

    Whoever hears it takes in the pool's new items and submits a new request.
    """

    n_items: int
    """Of the pool, as the trainer sees it."""
    encoder: str
    """What gives the latents: "pca", "vae", …"""


@dataclass(frozen=True)
class Ready:
    """The trainer has loaded everything and waits."""


@dataclass(frozen=True)
class Failure:
    """Something went wrong; a fatal one ends the trainer for good."""

    message: str
    fatal: bool
    background: bool = False
    """Whether it went wrong in the background, and the trainer goes on as it was."""


@dataclass(frozen=True)
class InspectItem:
    """Ask what the newest model makes of one item, and which items are like it."""

    serial: int
    """Grows with every question of whatever kind; of each kind the newest wins."""
    index: int
    """Pool index."""
    neighbours: int = 8
    since: int = 0
    """Serial of the first training request whose model may answer: earlier ones know other classes."""


@dataclass(frozen=True)
class Inspection:
    """The answer to `InspectItem`."""

    serial: int
    index: int
    probabilities: NDArray[np.float32] | None
    """Of the classes (C,); None while there is no model."""
    neighbours: NDArray[np.int64]
    """Pool indices of the items nearest in latent space (k,), nearest first, the item itself left out."""
    distances: NDArray[np.float32]
    """How far they are (k,)."""
    near_duplicates: NDArray[np.bool_]
    """Which of them are so near that they show the same, or nearly (k,)."""
    reconstruction: NDArray[np.uint8] | None
    """What the VAE decodes from the item's latent, (H, W, C) in the VAE's size; None for a learner without one."""
    error: str | None = None
    """Why there is nothing in the answer."""


@dataclass(frozen=True)
class ItemsOfClass:
    """Ask for the unanswered items that the newest model takes for a class."""

    serial: int
    class_index: int
    count: int
    """At most so many."""
    excluded: NDArray[np.int64]
    """Pool indices that may not be among them: answered, set aside, on the screen."""
    order: Literal["sure", "unsure"] = "sure"
    since: int = 0
    """As in `InspectItem`."""


@dataclass(frozen=True)
class ClassItems:
    """The answer to `ItemsOfClass`; empty while there is no model."""

    serial: int
    class_index: int
    indices: NDArray[np.int64]
    """Pool indices (k,), most or least sure first, as asked."""
    confidence: NDArray[np.float32]
    """Probability of the class (k,)."""
    expected_wrong: float
    """How many of them are of another class, if the model's confidence is right."""
    error: str | None = None
    """Why there is nothing in the answer."""


@dataclass(frozen=True)
class CrossValidate:
    """Ask what models that have not learnt their labels say of the labelled items."""

    serial: int
    indices: NDArray[np.int64]
    """Pool indices of the labelled items (m,)."""
    labels: NDArray[np.int64]
    """Their classes (m,)."""
    n_classes: int
    folds: int = 5


@dataclass(frozen=True)
class OutOfFoldPredictions:
    """The answer to `CrossValidate`."""

    serial: int
    indices: NDArray[np.int64]
    """Pool indices of those that can be judged (k,): without the only item of a class, which nothing else knows of."""
    probabilities: NDArray[np.float32]
    """Of the classes (k, C)."""
    error: str | None = None
    """Why there is nothing in the answer."""


Question = InspectItem | ItemsOfClass | CrossValidate
Reply = Inspection | ClassItems | OutOfFoldPredictions
Message = TrainerProgress | PoolChanged | Ready | RoundResult | Failure | Reply


def empty_reply(question: Question, error: str | None = None) -> Reply:
    """The answer that says nothing, and why."""
    nothing, no_numbers = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    match question:
        case InspectItem():
            no_one = np.empty(0, dtype=np.bool_)
            return Inspection(question.serial, question.index, None, nothing, no_numbers, no_one, None, error)
        case ItemsOfClass():
            return ClassItems(question.serial, question.class_index, nothing, no_numbers, 0.0, error)
        case CrossValidate():
            return OutOfFoldPredictions(
                question.serial, nothing, np.empty((0, question.n_classes), dtype=np.float32), error
            )

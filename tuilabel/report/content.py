"""The content of the report as plain values, independent of projects and of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tuilabel.session import CurvePoint


@dataclass(frozen=True)
class Tile:
    """One image with one or two lines of text below it."""

    picture: str
    """A data: URI."""
    name: str
    """Its path within the source."""
    text: str
    below: str = ""


@dataclass(frozen=True)
class Pair:
    """Two classes that the model confuses, with examples."""

    true: str
    taken_for: str
    n: int
    examples: Sequence[Tile]


@dataclass(frozen=True)
class ClassRow:
    """One class."""

    name: str
    labels: int
    accuracy: float | None
    evaluated: int
    predicted: int
    examples: Sequence[Tile]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    dataset: str
    project: str
    made: datetime
    pool_size: int
    labelled: int
    skipped: int
    flagged: int
    rounds: int
    annotators: Sequence[tuple[str, int]]
    accuracy: tuple[float, float, float] | None
    """Value, low and high of the 95 % interval, 0…1; None if the model has not been evaluated."""
    evaluated_on: str
    """What accuracy, curve and confusions are measured on, in words: "10,000 test images"."""
    expected_accuracy: float | None
    """The mean calibrated confidence on the items without a label."""
    calibration: str
    """How the probabilities are calibrated, in words."""
    advice: str
    curve: Sequence[CurvePoint]
    confusion: NDArray[np.int64] | None
    """(C, C), rows true, columns predicted."""
    pairs: Sequence[Pair]
    classes: Sequence[ClassRow]
    least_sure: Sequence[Tile]
    doubted: Sequence[Tile]
    doubted_in_all: int
    version: str

"""What stands on the page, as plain values: whoever makes it knows the project, the page knows HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tuilabel.session import CurvePoint


@dataclass(frozen=True)
class Tile:
    """One image with a line or two below it."""

    picture: str
    """A data: URI."""
    name: str
    """What its source calls it."""
    text: str
    below: str = ""


@dataclass(frozen=True)
class Pair:
    """Two classes that are mistaken, with examples."""

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
    judged: int
    predicted: int
    examples: Sequence[Tile]


@dataclass(frozen=True)
class Page:
    """All of a report."""

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
    """Value, low and high of the 95 % interval, 0…1; None where nothing judges the model."""
    judged_on: str
    """What the accuracy, the curve and the confusions come from, in words: "10,000 test images"."""
    expected_accuracy: float | None
    """The mean calibrated confidence on the items without a label."""
    calibration: str
    """What stands behind the probabilities, in words."""
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

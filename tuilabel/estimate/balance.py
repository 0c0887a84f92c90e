"""What a model has to beat: the share of the largest class, and accuracy with every class counted alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate.intervals import wilson_interval

MIN_MEASURED = 20  # items; with fewer, no share is worth a figure
UNEQUAL = 1.25  # times the share of equal classes, by the lower end of its interval


@dataclass(frozen=True)
class Baseline:
    """The accuracy of always answering with the largest class."""

    class_pos: int
    share: float
    n: int
    """Items that it was measured on."""


@dataclass(frozen=True)
class BalancedAccuracy:
    """The mean recall over the `n_classes` classes that were measured, with its 95 % interval."""

    value: float
    low: float
    high: float
    n_classes: int


def baseline(confusion: NDArray[np.int64] | None) -> Baseline | None:
    """The share of the largest class among measured items; None for fewer than 20 of them.

    Parameters
    ----------
    confusion : int (C, C), rows true, columns predicted; None if nothing was measured.
    """
    if confusion is None or confusion.sum() < MIN_MEASURED:
        return None
    of_class, n = confusion.sum(axis=1), int(confusion.sum())
    largest = int(of_class.argmax())
    return Baseline(largest, float(of_class[largest]) / n, n)


def unequal_classes_accuracy(confusion: NDArray[np.int64] | None) -> BalancedAccuracy | None:
    """The balanced accuracy (Brodersen et al. 2010) where classes are so unequal that it tells more than accuracy.

    They are unequal if the largest class surely has more than 1.25 times the share that it would have among equal ones.
    The interval combines Wilson's of each class (Zou & Donner 2008), and need not be symmetric.

    Parameters
    ----------
    confusion : as for `baseline`.

    Returns
    -------
    The accuracy; None for equal classes, or fewer than 20 measured items.
    """
    largest = baseline(confusion)
    if confusion is None or largest is None:
        return None
    n_classes = len(confusion)
    if wilson_interval(largest.share * largest.n, largest.n)[0] <= UNEQUAL / n_classes:
        return None
    pairs = [
        (hits, n) for hits, n in zip(confusion.diagonal().tolist(), confusion.sum(axis=1).tolist(), strict=True) if n
    ]
    shares = [hits / n for hits, n in pairs]
    ends = [wilson_interval(hits, n) for hits, n in pairs]
    value = sum(shares) / len(pairs)
    down = math.sqrt(sum((share - low) ** 2 for share, (low, _) in zip(shares, ends, strict=True))) / len(pairs)
    up = math.sqrt(sum((high - share) ** 2 for share, (_, high) in zip(shares, ends, strict=True))) / len(pairs)
    return BalancedAccuracy(value, max(0.0, value - down), min(1.0, value + up), len(pairs))

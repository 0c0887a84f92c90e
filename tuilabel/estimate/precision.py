"""How often predictions of one class are right, as measured by audit items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tuilabel.estimate.audit import AUDIT_WINDOW, AuditAnswer

PRIOR = 5.0  # correct predictions that confidence is trusted for before anything is measured
BULK_PRECISION = 0.9  # expected precision from which labelling many items at once is safe


class ConfidentAnswer(AuditAnswer, Protocol):
    """An answered audit item; `tuilabel.labels.Event` is one."""

    @property
    def confidence(self) -> float | None:
        """The probability of the predicted class; None without a model."""


@dataclass(frozen=True)
class MeasuredPrecision:
    """Of `n` audit items `right` were predicted correctly, where the models claimed that `claimed` would be."""

    right: int
    n: int
    claimed: float
    """The sum of the confidences."""


def measured_precision(
    answers: Iterable[ConfidentAnswer], class_name: str | None = None, min_confidence: float = 0.0
) -> MeasuredPrecision:
    """The precision among audit items that were predicted to be of a class, with at least `min_confidence`.

    Parameters
    ----------
    answers : audit items, in the order in which they were answered; the latest 100 count. Skips, and items without a
        prediction, are ignored.
    class_name : None for predictions of any class.
    """
    counted = [answer for answer in answers if answer.class_name is not None and answer.predicted is not None]
    sure = [
        (answer.class_name == answer.predicted, answer.confidence or 0.0)
        for answer in counted[-AUDIT_WINDOW:]
        if class_name in (None, answer.predicted) and (answer.confidence or 0.0) >= min_confidence
    ]
    return MeasuredPrecision(sum(right for right, _ in sure), len(sure), sum(confidence for _, confidence in sure))


def expected_precision(confidences: Sequence[float], of_class: MeasuredPrecision, of_all: MeasuredPrecision) -> float:
    """The share of items that is expected to be right: their mean confidence times how far confidence is to be trusted.

    Trust is the number of correct audit items relative to the number that the models claimed, at most 1: over all
    classes, starting from 5 correct ones as claimed, and from there for this class.

    Parameters
    ----------
    confidences : of the predicted class, one for each item, in 0…1; at least one.
    of_class, of_all : what was measured for the class, and for all.

    Raises
    ------
    ValueError : without any item.
    """
    if not len(confidences):
        raise ValueError("confidences must not be empty")
    trust = 1.0
    for measured in (of_all, of_class):
        trust = min(1.0, (measured.right + PRIOR * trust) / (measured.claimed + PRIOR))
    return float(np.mean(confidences) * trust)

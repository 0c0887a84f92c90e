"""How often predictions of one class are right, as measured by audit items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tuilabel.estimate.audit import AuditAnswer

RECENT = 0.5  # of the labels of the newest model that audited: items predicted by weaker models do not count
PRIOR = 10  # items that the model's confidence counts for
BULK_PRECISION = 0.9  # expected precision from which labelling many items at once is safe


class ConfidentAnswer(AuditAnswer, Protocol):
    """An answered audit item; `tuilabel.labels.Event` is one."""

    @property
    def confidence(self) -> float | None:
        """The probability of the predicted class; None without a model."""


@dataclass(frozen=True)
class MeasuredPrecision:
    """Of `n` audit items that were predicted to be of a class, `right` were."""

    right: int
    n: int


def measured_precision(
    answers: Iterable[ConfidentAnswer], class_name: str, min_confidence: float = 0.0
) -> MeasuredPrecision:
    """The precision for a class among audit items predicted by recent models with at least `min_confidence`.

    Parameters
    ----------
    answers : audit items; skips, and items without a prediction, are ignored.
    """
    counted = [answer for answer in answers if answer.class_name is not None and answer.predicted is not None]
    newest = max((answer.trained_on or 0 for answer in counted), default=0)
    of_class = [
        answer
        for answer in counted
        if answer.predicted == class_name
        and (answer.trained_on or 0) >= RECENT * newest
        and (answer.confidence or 0.0) >= min_confidence
    ]
    return MeasuredPrecision(sum(answer.class_name == class_name for answer in of_class), len(of_class))


def expected_precision(confidences: Sequence[float], measured: MeasuredPrecision) -> float:
    """The share of items that is expected to be right: their mean confidence, corrected by what was measured.

    The confidence counts as much as ten measured items.

    Parameters
    ----------
    confidences : of the predicted class, one for each item, in 0…1; at least one.
    measured : on items that are as sure as these.

    Raises
    ------
    ValueError : without any item.
    """
    if not len(confidences):
        raise ValueError("confidences must not be empty")
    return float((PRIOR * np.mean(confidences) + measured.right) / (PRIOR + measured.n))

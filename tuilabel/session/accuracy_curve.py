"""Accuracy by number of labels: measured on a test set, or estimated from audit items."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tuilabel.estimate import AUDIT_WINDOW, MeasuredAccuracy, audit_estimate
from tuilabel.labels import Event
from tuilabel.session.state import CurvePoint

AUDIT_POINTS = 64  # points of the curve from audit items; a chart cannot show more


class TestCurve:
    """Test accuracy by number of labels: every point of the first 256 labels, then 128 points per doubling."""

    __test__ = False  # not for pytest

    def __init__(self) -> None:
        self._points: dict[int, CurvePoint] = {}

    def add(self, labels: int, accuracy: float, n: int | None) -> None:
        """Add the accuracy of a model trained on `labels` labels; it replaces a point too close to it to show both.

        Parameters
        ----------
        n : items of the test set; None if unknown: then the point has no interval.
        """
        step = 1 << max(0, labels.bit_length() - 8)
        interval = MeasuredAccuracy.on_test(accuracy, n).interval if n else (accuracy,) * 3
        self._points[labels - labels % step] = CurvePoint(labels, *interval)

    def points(self) -> tuple[CurvePoint, ...]:
        """The points, by increasing number of labels."""
        return tuple(sorted(self._points.values()))


def audit_curve(audits: Collection[Event], most: int = AUDIT_POINTS) -> tuple[CurvePoint, ...]:
    """One point for each model that audit items have evaluated; thinned out evenly to at most `most` points.

    A point is the estimate from the items predicted by that model and earlier ones; see `audit_estimate`.
    """
    predicted = sorted(
        (a for a in audits if a.trained_on and a.class_name and a.predicted), key=lambda a: a.trained_on or 0
    )
    models = sorted({event.trained_on or 0 for event in predicted})
    if len(models) > most:
        models = [models[k] for k in np.unique(np.linspace(0, len(models) - 1, most).round().astype(int))]
    points, seen = [], 0
    for trained_on in models:
        while seen < len(predicted) and (predicted[seen].trained_on or 0) <= trained_on:
            seen += 1
        estimate = audit_estimate(predicted[max(0, seen - AUDIT_WINDOW) : seen])
        if estimate is not None:
            points.append(CurvePoint(trained_on, estimate.value, estimate.low, estimate.high))
    return tuple(points)

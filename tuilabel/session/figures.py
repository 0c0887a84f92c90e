"""Figures that are made when a model's result comes: what looks at all answers costs no key anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import (
    AUDIT_WINDOW,
    AuditEstimate,
    audit_confusion,
    audit_estimate,
    most_confused,
    wilson_interval,
)
from tuilabel.labels import Event, Round
from tuilabel.learner.trainer.messages import RoundResult
from tuilabel.session.ledger import Curve
from tuilabel.session.state import CurvePoint
from tuilabel.session.stopping_advisor import Advisor

AUDIT_POINTS = 64  # of the curve made of audit items; more no chart can show


class Figures:
    """The curve, the classes, the first histogram, and what more labels are worth.

    Parameters
    ----------
    classes : class names.
    step : labels that make a model count for the advice.
    test_size : items of the test split; None where none judges the models.
    target : the accuracy one labels for, 0…1; None for no target.
    """

    def __init__(self, classes: Sequence[str], step: int, test_size: int | None, target: float | None) -> None:
        self._classes = tuple(classes)
        self._step, self._target = step, target
        self._test_size = test_size
        self._tested = Curve(test_size)
        self._advisor = Advisor(step, target)
        self._audited: list[str] = []
        self._audit_curve: tuple[CurvePoint, ...] = ()
        self.start_histogram: tuple[int, ...] | None = None
        self.confusion: NDArray[np.int64] | None = None
        """Of the test split, or where there is none of the audit items: (C, C), rows true, columns predicted."""
        self.confusions = most_confused(None)

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Accuracy by labels: on the test split, else by the audit items."""
        return self._tested.points() or self._audit_curve

    @property
    def by_test(self) -> bool:
        """Whether the curve is that of the test split, or will be: before there is any, as far as that is known."""
        return bool(self._tested.points()) if self.curve else self._test_size is not None

    @property
    def advisor(self) -> Advisor:
        """What it says of the models so far."""
        return self._advisor

    def accuracy(self, test: float | None, audit: AuditEstimate | None) -> tuple[float, float, float] | None:
        """The newest model's accuracy with its 95 % interval: on the test split, else by the audit items."""
        if test is not None and self._test_size:
            return test, *wilson_interval(test * self._test_size, self._test_size)
        return None if audit is None else (audit.value, audit.low, audit.high)

    def labels_left(self, labelled: int, pool_size: int) -> int | None:
        """Labels from here to the target; None where it is not within the pool, or nobody can say."""
        needed = self._advisor.labels_for_target
        return None if needed is None or needed > pool_size else max(0, needed - labelled)

    def restore(self, rounds: Sequence[Round], audits: Collection[Event]) -> None:
        """Take what the store holds, before there is a model."""
        for row in rounds:
            if row.trained_on is not None and row.test_accuracy is not None:
                self._tested.add(row.trained_on, row.test_accuracy)
        self._judge(None, audits)

    def moved(self) -> None:
        """Models see other latents: whether predictions settle is seen anew, and so is the uncertainty at first."""
        self._advisor = Advisor(self._step, self._target)
        self.start_histogram = None

    def renumber(self, places: Sequence[int | None], classes: Sequence[str]) -> None:
        """Class k is class `places[k]` of `classes` from now on: counts move along.

        Whether predictions settle is seen anew, unless all keep their places: some are new then, or have another name.
        """
        self._classes = tuple(classes)
        self._audited = []
        if list(places) != list(range(len(places))):
            self._advisor = Advisor(self._step, self._target)
        if self.confusion is not None:
            moved = np.zeros((len(classes), len(classes)), dtype=np.int64)
            kept = [(old, new) for old, new in enumerate(places[: len(self.confusion)]) if new is not None]
            for old_true, new_true in kept:
                for old_taken, new_taken in kept:
                    moved[new_true, new_taken] += self.confusion[old_true, old_taken]
            self.confusion = moved
        self.confusions = most_confused(self.confusion)

    def take(self, result: RoundResult, audits: Collection[Event]) -> None:
        """Look at a new model and the answered audit items."""
        if result.n_labels and result.test_accuracy is not None:
            self._tested.add(result.n_labels, result.test_accuracy)
        if self.start_histogram is None and result.uncertainty_histogram is not None:
            self.start_histogram = tuple(result.uncertainty_histogram.tolist())
        self._judge(result, audits)
        self._advisor.take(result, self._tested.points(), audits)

    def _judge(self, result: RoundResult | None, audits: Collection[Event]) -> None:
        if result is not None and result.test is not None and result.test.confusion is not None:
            new = len(self._classes) - len(result.test.confusion)  # classes that came while it was made
            self.confusion = np.pad(result.test.confusion, (0, max(0, new)))
            self.confusions = most_confused(self.confusion)
            return
        keys = [event.key for event in audits]
        if keys == self._audited:
            return
        self._audited = keys
        self._audit_curve = audit_curve(audits)
        confusion = audit_confusion(audits, self._classes)
        self.confusion = confusion if confusion.any() else None
        self.confusions = most_confused(self.confusion)


def audit_curve(audits: Collection[Event], most: int = AUDIT_POINTS) -> tuple[CurvePoint, ...]:
    """What the audit items say of the models that judged them: a point a model, `most` of them, evenly spaced.

    A point is the estimate from the items judged by that model and those before it; see `audit_estimate`.
    """
    judged = sorted(
        (a for a in audits if a.trained_on and a.class_name and a.predicted), key=lambda a: a.trained_on or 0
    )
    models = sorted({event.trained_on or 0 for event in judged})
    if len(models) > most:
        models = [models[k] for k in np.unique(np.linspace(0, len(models) - 1, most).round().astype(int))]
    points, seen = [], 0
    for model in models:
        while seen < len(judged) and (judged[seen].trained_on or 0) <= model:
            seen += 1
        estimate = audit_estimate(judged[max(0, seen - AUDIT_WINDOW) : seen])
        if estimate is not None:
            points.append(CurvePoint(model, estimate.value, estimate.low, estimate.high))
    return tuple(points)

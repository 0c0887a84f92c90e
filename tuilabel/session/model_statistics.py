"""How good a session's models are. Updated when a result arrives: going through all answers must not slow a key."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import MeasuredAccuracy, audit_confusion, most_confused
from tuilabel.labels import Event, Round
from tuilabel.learner.trainer.messages import RoundResult
from tuilabel.session.accuracy_curve import TestCurve, audit_curve
from tuilabel.session.state import CurvePoint
from tuilabel.session.stopping_advisor import StoppingAdvisor


class ModelStatistics:
    """The accuracy curve, mistakes by class, the first uncertainty histogram, and what more labels should bring.

    Parameters
    ----------
    classes : class names.
    step : additional labels after which a model counts for the stopping advice.
    test_size : items of the pool's test split: used for rounds that do not record how many items their model was
        measured on; None without a test split.
    target : the accuracy to reach, 0…1; None for no target.
    """

    def __init__(self, classes: Sequence[str], step: int, test_size: int | None, target: float | None = None) -> None:
        self._classes = tuple(classes)
        self._step, self._target = step, target
        self._test_size = test_size
        self._test_curve = TestCurve()
        self._audit_keys: list[str] = []
        self._audit_curve: tuple[CurvePoint, ...] = ()
        self.advisor = StoppingAdvisor(step, target)
        self.test_accuracy: float | None = None
        """Of the newest model that was measured on test items."""
        self.tested: MeasuredAccuracy | None = None
        """The same with its interval; None also if the number of test items is unknown."""
        self.start_histogram: tuple[int, ...] | None = None
        self.confusion: NDArray[np.int64] | None = None
        """On test items, or without them on audit items: (C, C), rows true, columns predicted."""
        self.confusions = most_confused(None)

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Accuracy by number of labels: on test items, or without them by audit items."""
        return self.test_curve or self._audit_curve

    @property
    def test_curve(self) -> tuple[CurvePoint, ...]:
        """Test accuracy by number of labels."""
        return self._test_curve.points()

    @property
    def by_test(self) -> bool:
        """Whether the curve is of test items; before it has a point, whether it is expected to be."""
        return bool(self.test_curve) if self.curve else self._test_size is not None

    def labels_left(self, labelled: int, pool_size: int) -> int | None:
        """Labels still needed for the target; None if that is more than the pool has, or unknown."""
        needed = self.advisor.labels_for_target
        return None if needed is None or needed > pool_size else max(0, needed - labelled)

    def restore(self, rounds: Sequence[Round], audits: Collection[Event]) -> None:
        """Start from the store's rounds and audit items, before there is a model."""
        for row in rounds:
            if row.trained_on and row.test_accuracy is not None:
                self._add_test(row.trained_on, row.test_accuracy, row.test_size or self._test_size)
        self._count_mistakes(None, audits)

    def add_result(self, result: RoundResult, audits: Collection[Event]) -> None:
        """Include a new model and the answered audit items."""
        if result.n_labels and result.test is not None:
            self._add_test(result.n_labels, result.test.accuracy, result.test.n)
        if self.start_histogram is None and result.uncertainty_histogram is not None:
            self.start_histogram = tuple(result.uncertainty_histogram.tolist())
        self._count_mistakes(result, audits)
        self.advisor.add_result(result, self.test_curve, audits)

    def on_features_changed(self) -> None:
        """Start the stability of predictions and the first histogram over: models now get other latents."""
        self.advisor = StoppingAdvisor(self._step, self._target)
        self.start_histogram = None

    def remap_classes(self, new_class_pos: Sequence[int | None], classes: Sequence[str]) -> None:
        """Move the counts of class k to class `new_class_pos[k]` of `classes`; None drops them.

        Stability of predictions starts over unless every class keeps its position, that is if some are new or renamed.
        """
        self._classes = tuple(classes)
        self._audit_keys = []
        if list(new_class_pos) != list(range(len(new_class_pos))):
            self.advisor = StoppingAdvisor(self._step, self._target)
        if self.confusion is not None:
            moved = np.zeros((len(classes), len(classes)), dtype=np.int64)
            kept = [(old, new) for old, new in enumerate(new_class_pos[: len(self.confusion)]) if new is not None]
            for old_true, new_true in kept:
                for old_predicted, new_predicted in kept:
                    moved[new_true, new_predicted] += self.confusion[old_true, old_predicted]
            self.confusion = moved
        self.confusions = most_confused(self.confusion)

    def _add_test(self, trained_on: int, accuracy: float, n: int | None) -> None:
        self._test_curve.add(trained_on, accuracy, n)
        self.test_accuracy = accuracy
        self.tested = MeasuredAccuracy.on_test(accuracy, n) if n else None

    def _count_mistakes(self, result: RoundResult | None, audits: Collection[Event]) -> None:
        if result is not None and result.test is not None and result.test.confusion is not None:
            n_new = len(self._classes) - len(result.test.confusion)  # classes added while it was computed
            self.confusion = np.pad(result.test.confusion, (0, max(0, n_new)))
            self.confusions = most_confused(self.confusion)
            return
        keys = [event.key for event in audits]
        if keys == self._audit_keys:
            return
        self._audit_keys = keys
        self._audit_curve = audit_curve(audits)
        confusion = audit_confusion(audits, self._classes)
        self.confusion = confusion if confusion.any() else None
        self.confusions = most_confused(self.confusion)

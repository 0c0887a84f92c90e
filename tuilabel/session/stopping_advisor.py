"""When to stop labelling, from a session's models, taken a batch of labels apart."""

from __future__ import annotations

from collections.abc import Collection

from tuilabel.estimate import (
    LearningCurve,
    StabilisingPredictions,
    StoppingAdvice,
    fit_learning_curve,
    stopping_advice,
)
from tuilabel.labels import Event
from tuilabel.learner.trainer.messages import RoundResult
from tuilabel.session.state import CurvePoint


class StoppingAdvisor:
    """Advises when to stop.

    Parameters
    ----------
    step : additional labels after which a model counts.
    target : the accuracy to reach, 0…1; None for no target.
    """

    def __init__(self, step: int, target: float | None = None) -> None:
        self._step = step
        self._target = target
        self._last = 0
        self._predictions = StabilisingPredictions()
        self.advice: StoppingAdvice = stopping_advice(self._predictions, None)
        self.labels_for_target: int | None = None
        """Total labels at which the target should be reached; None if never, or unknown."""

    def add_result(self, result: RoundResult, tested: Collection[CurvePoint], audits: Collection[Event]) -> None:
        """Include a new model; parameters as in `fitted_curve`."""
        if result.stop_set is None or result.n_labels < self._last + self._step:
            return
        self._last = result.n_labels
        self._predictions.add(result.stop_set)
        curve = fitted_curve(tested, audits)
        self.advice = stopping_advice(self._predictions, curve)
        if self._target is not None:
            self.labels_for_target = None if curve is None else curve.labels_for(self._target)


def fitted_curve(tested: Collection[CurvePoint], audits: Collection[Event]) -> LearningCurve | None:
    """The learning curve fitted to test accuracies or, without any, to the outcomes of audit items.

    Parameters
    ----------
    tested : the test accuracy of every model so far; empty without a test set.
    audits : answered audit items.

    Returns
    -------
    The curve; None for too few points, see `fit_learning_curve`.
    """
    outcomes = [(a.trained_on, float(a.predicted == a.class_name)) for a in audits if a.trained_on and a.class_name]
    points = [(point.labels, point.accuracy) for point in tested] or outcomes
    return fit_learning_curve([n for n, _ in points], [y for _, y in points]) if points else None

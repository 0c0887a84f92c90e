"""How far the model can be trusted, from what the session has: cross-validation by LURE weights, advice to stop."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tuilabel.estimate import (
    LureEstimate,
    StabilisingPredictions,
    StoppingAdvice,
    fit_learning_curve,
    lure_accuracy,
    stopping_advice,
)
from tuilabel.labels import Event
from tuilabel.learner.messages import RoundResult
from tuilabel.session.ledger import Ledger
from tuilabel.session.state import CurvePoint


class Advisor:
    """Says when to stop, from models that are a batch of labels apart.

    Parameters
    ----------
    step : labels that a model must have more than the one before to count.
    target : the accuracy one labels for; None for no target.
    """

    def __init__(self, step: int, target: float | None = None) -> None:
        self._step = step
        self._target = target
        self._last = 0
        self._predictions = StabilisingPredictions()
        self.advice: StoppingAdvice = stopping_advice(self._predictions, None)
        self.labels_for_target: int | None = None
        """Labels in all at which the target should be reached; None for never and for nobody knows."""

    def take(self, result: RoundResult, tested: Collection[CurvePoint], audits: Collection[Event]) -> None:
        """Look at a new model.

        Parameters
        ----------
        tested : test accuracy of every model so far; empty without a test split.
        audits : answered audit items, which take its place then.
        """
        if result.stop_set is None or result.n_labels < self._last + self._step:
            return
        self._last = result.n_labels
        self._predictions.add(result.stop_set)
        judged = [(a.model, float(a.predicted == a.class_name)) for a in audits if a.model and a.class_name]
        points = [(point.labels, point.accuracy) for point in tested] or judged
        curve = fit_learning_curve([n for n, _ in points], [y for _, y in points]) if points else None
        self.advice = stopping_advice(self._predictions, curve)
        if self._target is not None:
            self.labels_for_target = None if curve is None else curve.labels_for(self._target)


def cross_validated(ledger: Ledger, predicted: Mapping[int, int], pool_size: int) -> LureEstimate | None:
    """Accuracy on the pool from out-of-fold predictions of the labelled items.

    Items that were picked without chance say nothing about the rest: they count as taken out of the pool before.

    Parameters
    ----------
    predicted : the class predicted for each labelled item by a model that had not learnt it.

    Returns
    -------
    None where no item was drawn at random.
    """
    drawn = [(i, e) for i, e in ledger.events.items() if e.query_probability is not None and i in predicted]
    drawn.sort(key=lambda pair: (pair[1].round, pair[1].at))
    if not drawn:
        return None
    chosen = sum(event.query_probability is None for event in ledger.events.values())
    right = [predicted[index] == ledger.label_of(index) for index, _ in drawn]
    probabilities = [float(event.query_probability or 0) for _, event in drawn]
    return lure_accuracy(right, probabilities, pool_size - chosen)

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
from tuilabel.learner.trainer.messages import RoundResult
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
        judged = [(a.trained_on, float(a.predicted == a.class_name)) for a in audits if a.trained_on and a.class_name]
        points = [(point.labels, point.accuracy) for point in tested] or judged
        curve = fit_learning_curve([n for n, _ in points], [y for _, y in points]) if points else None
        self.advice = stopping_advice(self._predictions, curve)
        if self._target is not None:
            self.labels_for_target = None if curve is None else curve.labels_for(self._target)


def cross_validated(ledger: Ledger, predicted: Mapping[int, int], pool_size: int, folds: int) -> LureEstimate | None:
    """Accuracy on the pool from out-of-fold predictions, in so many folds, of the labelled items.

    Items that were picked without chance say nothing about the rest: they count as taken out of the pool before.

    Parameters
    ----------
    predicted : the class predicted for each labelled item by a model that had not learnt it.

    Returns
    -------
    None where no item was drawn at random.
    """
    chosen = sum(event.query_probability is None for event in ledger.events.values())
    judged = [(e, predicted[i] == ledger.label_of(i)) for i, e in ledger.events.items() if i in predicted]
    return _weighted(judged, pool_size - chosen, learnt=1 - 1 / folds)


def as_asked(answers: Collection[Event], pool_size: int) -> LureEstimate | None:
    """The same from what the model of each item's batch said of it, which needs no further model.

    It is the accuracy of the models on the way, and so lags behind the newest.

    Parameters
    ----------
    answers : those that stand.
    """
    judged = [(e, e.predicted == e.class_name) for e in answers if e.class_name is not None and e.predicted is not None]
    drawn = sum(event.query_probability is not None for event, _ in judged)
    return _weighted(judged, pool_size - (len(answers) - drawn))


def _weighted(judged: Collection[tuple[Event, bool]], pool_size: int, learnt: float = 1.0) -> LureEstimate | None:
    """The accuracy on the pool, from whether each item was predicted right; only what was drawn counts."""
    drawn = [(event, right) for event, right in judged if event.query_probability is not None]
    drawn.sort(key=lambda pair: (pair[0].round, pair[0].at))
    if not drawn:
        return None
    probabilities = [float(event.query_probability or 0) for event, _ in drawn]
    return lure_accuracy([right for _, right in drawn], probabilities, pool_size, learnt=learnt)

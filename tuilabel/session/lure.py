"""Accuracy on the whole pool by LURE weights, from the answers of a session; see `tuilabel.estimate.lure`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tuilabel.estimate import LureEstimate, lure_accuracy
from tuilabel.labels import Event


def cross_validated_accuracy(
    standing: Mapping[int, Event],
    labels: Mapping[int, int],
    predicted: Mapping[int, int],
    pool_size: int,
    n_folds: int,
) -> LureEstimate | None:
    """Accuracy from out-of-fold predictions of the labelled items.

    Items that were not drawn at random tell nothing about the rest: they count as removed from the pool beforehand.

    Parameters
    ----------
    standing : the standing answers, by pool index.
    labels : the class position of each labelled item, by pool index.
    predicted : the class position predicted for each by a model that was not trained on its label.
    pool_size : items of the pool.
    n_folds : folds of the cross-validation.

    Returns
    -------
    The estimate; None if no item was drawn at random.
    """
    n_chosen = sum(event.query_probability is None for event in standing.values())
    evaluated = [(event, predicted[i] == labels.get(i)) for i, event in standing.items() if i in predicted]
    return _weighted(evaluated, pool_size - n_chosen, training_share=1 - 1 / n_folds)


def queried_accuracy(standing: Collection[Event], pool_size: int) -> LureEstimate | None:
    """Accuracy from what the model of each item's batch predicted for it, without training another model.

    It averages over the models so far, and so lags behind the newest.

    Parameters
    ----------
    standing : the standing answers.
    pool_size : items of the pool.
    """
    evaluated = [
        (event, event.predicted == event.class_name)
        for event in standing
        if event.class_name is not None and event.predicted is not None
    ]
    n_drawn = sum(event.query_probability is not None for event, _ in evaluated)
    return _weighted(evaluated, pool_size - (len(standing) - n_drawn))


def _weighted(
    evaluated: Collection[tuple[Event, bool]], pool_size: int, training_share: float = 1.0
) -> LureEstimate | None:
    """The accuracy on the pool, from whether each item was predicted correctly; only random draws count."""
    drawn = [(event, right) for event, right in evaluated if event.query_probability is not None]
    drawn.sort(key=lambda pair: (pair[0].round, not pair[0].audit, pair[0].at))  # audit items were drawn first
    if not drawn:
        return None
    probabilities = [float(event.query_probability or 0) for event, _ in drawn]
    return lure_accuracy([right for _, right in drawn], probabilities, pool_size, training_share=training_share)

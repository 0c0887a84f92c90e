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

    Items that were not picked at random say nothing about the rest: they count as removed from the pool beforehand.

    Parameters
    ----------
    standing : the answers that stand, by pool index.
    labels : the class position of each labelled item, by pool index.
    predicted : the class position predicted for each by a model that had not learnt its label.
    pool_size : items of the pool.
    n_folds : folds of the cross-validation.

    Returns
    -------
    None where no item was drawn at random.
    """
    n_chosen = sum(event.query_probability is None for event in standing.values())
    judged = [(event, predicted[i] == labels.get(i)) for i, event in standing.items() if i in predicted]
    return _weighted(judged, pool_size - n_chosen, learnt=1 - 1 / n_folds)


def queried_accuracy(standing: Collection[Event], pool_size: int) -> LureEstimate | None:
    """Accuracy from what the model of each item's batch predicted for it, which takes no further model.

    It is the accuracy of the models along the way, and so lags behind the newest.

    Parameters
    ----------
    standing : the answers that stand.
    pool_size : items of the pool.
    """
    judged = [
        (event, event.predicted == event.class_name)
        for event in standing
        if event.class_name is not None and event.predicted is not None
    ]
    n_drawn = sum(event.query_probability is not None for event, _ in judged)
    return _weighted(judged, pool_size - (len(standing) - n_drawn))


def _weighted(judged: Collection[tuple[Event, bool]], pool_size: int, learnt: float = 1.0) -> LureEstimate | None:
    """The accuracy on the pool, from whether each item was predicted correctly; only random draws count."""
    drawn = [(event, right) for event, right in judged if event.query_probability is not None]
    drawn.sort(key=lambda pair: (pair[0].round, pair[0].at))
    if not drawn:
        return None
    probabilities = [float(event.query_probability or 0) for event, _ in drawn]
    return lure_accuracy([right for _, right in drawn], probabilities, pool_size, learnt=learnt)

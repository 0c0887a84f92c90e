"""Batches: made of a trainer's picks, written down as rounds, read back from them. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from tuilabel.datasets import ImagePool
from tuilabel.labels import ClassTimeline, Round, RoundItem
from tuilabel.learner.trainer.messages import ItemPredictions, RoundResult
from tuilabel.session.state import Batch, QueryItem

AUDIT_SHARE = 0.1


def audit_size(n_items: int, number: int, share: float = AUDIT_SHARE) -> int:
    """Audit items in round `number`: a share of its items, at least one; of single items one in every tenth round.

    The first round has none: there is no model yet that they could judge.
    """
    if number == 1 or share == 0:
        return 0
    if n_items == 1:
        return int(number % round(1 / share) == 0)
    return max(1, round(share * n_items))


def query_items(
    picks: ItemPredictions, pool: ImagePool, answered: Collection[int], *, audit: bool, trained_on: int | None
) -> list[QueryItem]:
    """The picks that are not answered yet, with their predictions by a model of `trained_on` labels."""
    predicted, confidence, drawn = picks.predicted, picks.confidence, picks.query_probability
    return [
        QueryItem(
            index=index,
            id=pool.ids[index].decode(),
            audit=audit,
            predicted=None if predicted is None else int(predicted[k]),
            confidence=None if confidence is None else float(confidence[k]),
            query_probability=None if drawn is None else float(drawn[k]),
            trained_on=None if predicted is None else trained_on,
        )
        for k, index in enumerate(picks.indices.tolist())
        if index not in answered
    ]


def with_predictions(batch: Batch, result: RoundResult, barred: Collection[int]) -> Batch:
    """The batch with the predictions of a newer model, except for items in `barred`."""
    shown = result.shown
    if shown.predicted is None or shown.confidence is None:
        return batch
    place = {index: k for k, index in enumerate(shown.indices.tolist())}
    items = tuple(
        item
        if item.index in barred or item.index not in place
        else replace(
            item,
            predicted=int(shown.predicted[place[item.index]]),
            confidence=float(shown.confidence[place[item.index]]),
            trained_on=result.n_labels,
        )
        for item in batch.items
    )
    return replace(batch, items=items, trained_on=result.n_labels)


def round_of(batch: Batch, result: RoundResult, classes: Sequence[str], at: datetime) -> Round:
    """The batch as the store keeps it."""
    return Round(
        number=batch.round,
        asked_at=at,
        strategy=batch.strategy,
        trained_on=batch.trained_on,
        test_accuracy=result.test_accuracy,
        test_size=None if result.test is None else result.test.n,
        mean_uncertainty=result.mean_uncertainty,
        items=tuple(
            RoundItem(
                item=item.id,
                audit=item.audit,
                predicted=None if item.predicted is None else classes[item.predicted],
                confidence=item.confidence,
                query_probability=item.query_probability,
            )
            for item in batch.items
        ),
    )


def batch_of(row: Round, pool: ImagePool, timeline: ClassTimeline) -> Batch:
    """The batch that the store has kept; items that have left the pool are gone from it."""
    book = timeline.book
    indices = pool.indices_of([item.item for item in row.items]).tolist()
    items = tuple(
        QueryItem(
            index=index,
            id=item.item,
            audit=item.audit,
            predicted=book.position(timeline.slot_at(item.predicted, row.asked_at)),
            confidence=item.confidence,
            query_probability=item.query_probability,
            trained_on=row.trained_on,
        )
        for index, item in zip(indices, row.items, strict=True)
        if index >= 0
    )
    return Batch(row.number, items, row.strategy, row.trained_on)

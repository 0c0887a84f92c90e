"""Batches from a trainer's picks, and batches as rounds of the store and back. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.labels import ClassBook, ClassTimeline, Round, RoundItem
from tuilabel.learner.trainer.messages import ItemPredictions, RoundResult
from tuilabel.session.state import Batch, QueryItem
from tuilabel.strategies import draw_uniformly

AUDIT_SHARE = 0.1


def blind_sizes(n_items: int, number: int, share: float, seed: int) -> tuple[int, int]:
    """How many items of round `number` hide their predictions: audit items, and ordinary items among which they hide.

    Audit items are a share of the round, at least one; of single items, one in 1 / share rounds, drawn by the seed.
    The first round has none: there is no model yet that they could evaluate.
    """
    if number == 1 or share == 0:
        return 0, 0
    if n_items > 1:
        audits = min(n_items, max(1, round(share * n_items)))
        return audits, min(audits, n_items - audits)
    every = round(1 / share)
    block = (number - 1) // every
    rounds = np.arange(max(2, block * every + 1), (block + 1) * every + 1)
    drawn = np.random.default_rng([seed, block]).permutation(rounds)[:2].tolist()
    return int(number == drawn[0]), int(number in drawn[1:])


def scattered(
    audits: Sequence[QueryItem], others: Sequence[QueryItem], n_hidden: int, seed: Sequence[int]
) -> list[QueryItem]:
    """Audit items at random places among the others; the predictions of all of them and of `n_hidden` others hidden."""
    n = len(audits) + len(others)
    places = np.random.default_rng(seed).permutation(n)[: len(audits) + n_hidden].tolist()
    audit_places, hidden = set(places[: len(audits)]), set(places)
    left = {True: iter(audits), False: iter(others)}
    items = (next(left[place in audit_places]) for place in range(n))
    return [replace(item, hidden=place in hidden) for place, item in enumerate(items)]


def query_items(
    picks: ItemPredictions, pool: ImagePool, answered: Collection[int], *, audit: bool, trained_on: int | None
) -> list[QueryItem]:
    """The picks that are not answered yet, with the predictions of a model trained on `trained_on` labels."""
    predicted, confidence, drawn = picks.predicted, picks.confidence, picks.query_probability
    return [
        QueryItem(
            index=pool_idx,
            id=pool.id_of(pool_idx),
            audit=audit,
            predicted=None if predicted is None else int(predicted[row]),
            confidence=None if confidence is None else float(confidence[row]),
            query_probability=None if drawn is None else float(drawn[row]),
            trained_on=None if predicted is None else trained_on,
            probabilities=_of_row(picks, row),
        )
        for row, pool_idx in enumerate(picks.indices.tolist())
        if pool_idx not in answered
    ]


def _of_row(picks: ItemPredictions, row: int) -> NDArray[np.float32] | None:
    """A copy: a view would keep the probabilities of every pick."""
    return None if picks.probabilities is None else picks.probabilities[row].astype(np.float32)


def with_predictions(batch: Batch, result: RoundResult, excluded: Collection[int]) -> Batch:
    """The batch with the predictions of a newer model, except for items whose pool index is in `excluded`."""
    shown = result.shown
    if shown.predicted is None or shown.confidence is None:
        return batch
    row_of = {pool_idx: row for row, pool_idx in enumerate(shown.indices.tolist())}
    items = tuple(
        item
        if item.index in excluded or item.index not in row_of
        else replace(
            item,
            predicted=int(shown.predicted[row_of[item.index]]),
            confidence=float(shown.confidence[row_of[item.index]]),
            trained_on=result.n_labels,
            probabilities=_of_row(shown, row_of[item.index]),
        )
        for item in batch.items
    )
    return replace(batch, items=items, trained_on=result.n_labels)


@dataclass(frozen=True)
class Candidates:
    """What a batch may be made of.

    Attributes
    ----------
    audits, picked : audit items and those that the strategy picked, in order; more than the batch needs.
    size : items of the batch.
    strategy, trained_on : what picked them, and the number of labels of its model; None without one.
    share, seed : see `blind_sizes`.
    known : content ids of the items of other sessions that these were drawn without.
    repeats : items that others have answered and that more people are asked; at most half of the batch.
    places : how many people may still be asked each item of an overlap, by content id.
    is_part : whether more picks are on their way, so that there need not be a batch that others have taken much of.
    """

    audits: tuple[QueryItem, ...]
    picked: tuple[QueryItem, ...]
    size: int
    strategy: str
    trained_on: int | None
    share: float
    seed: int
    known: frozenset[str] = frozenset()
    repeats: tuple[QueryItem, ...] = ()
    places: Mapping[str, int] = field(default_factory=dict)
    is_part: bool = False

    def items(self, number: int, taken: Collection[str] = ()) -> list[QueryItem]:
        """The items of round `number`, without those that are taken by others."""
        n_audits, n_hidden = blind_sizes(self.size, number, self.share, self.seed)
        audits = self._left(self.audits, taken)[:n_audits]
        drawn = {item.index for item in audits}
        picked = self._left(self.picked, taken)
        others = [item for item in picked if item.index not in drawn]
        repeats = [item for item in self.repeats if item.id not in taken][: max(1, self.size // 2)]
        others = [*others[: self.size - len(audits) - len(repeats)], *repeats]
        items = scattered(audits, others[: self.size - len(audits)], n_hidden, [self.seed, number])
        return [replace(item, hidden=item.hidden or item.overlap) for item in items]

    def _left(self, items: Sequence[QueryItem], taken: Collection[str]) -> list[QueryItem]:
        """The items that are not taken, with the probability of each among those that were left when it was drawn.

        What others were asked just before, without this session's knowledge, was not there to be drawn.
        """
        unknown = sum(item not in self.known for item in taken)
        left = []
        for item in items:
            if item.id in taken:
                unknown -= 1
            elif unknown > 0 and item.query_probability is not None and (item.audit or self.strategy == "random"):
                left.append(replace(item, query_probability=1 / max(1.0, 1 / item.query_probability - unknown)))
            else:
                left.append(item)
        return left

    def batch(self, number: int, taken: Collection[str]) -> Batch | None:
        """Round `number`, without items that are taken by others; None if all are, or so many that more are needed."""
        items = self.items(number, taken)
        if self.is_part and len(items) < self.size:
            return None
        return Batch(number, tuple(items), self.strategy, self.trained_on) if items else None

    def drawn(self, row: Round) -> Batch:
        """The batch that was stored as a round."""
        audits, picked = ({i.id: i for i in items} for items in (self.audits, (*self.picked, *self.repeats)))
        items = tuple(
            replace(
                (audits if item.audit else picked)[item.item],
                hidden=bool(item.hidden),
                query_probability=item.query_probability,
            )
            for item in row.items
        )
        return Batch(row.number, items, row.strategy, row.trained_on)

    def without_predictions(self) -> Candidates:
        """The same without predictions: the classes have changed since."""
        audits, picked = (
            tuple(replace(item, predicted=None, confidence=None, probabilities=None, trained_on=None) for item in items)
            for items in (self.audits, self.picked)
        )
        return replace(self, audits=audits, picked=picked)


@dataclass(frozen=True)
class Asked:
    """Who is asked: the id of a session, and its annotator."""

    session: str
    annotator: str


def random_batch(pool: ImagePool, candidates: NDArray[np.int64], number: int, size: int, seed: int) -> Batch:
    """Round `number` of items drawn uniformly at random, without predictions: what is left without a trainer."""
    drawn = draw_uniformly(len(candidates), size, np.random.default_rng([seed, number, 1]))
    picks = ItemPredictions(candidates[drawn.positions], query_probability=drawn.query_probability)
    return Batch(number, tuple(query_items(picks, pool, (), audit=False, trained_on=None)), "random", None)


def round_from_batch(
    batch: Batch, result: RoundResult | None, classes: Sequence[str], at: datetime, asked: Asked
) -> Round:
    """The batch as a round of the store; there is a result unless it was drawn without a trainer."""
    test = None if result is None else result.test
    return Round(
        number=batch.round,
        asked_at=at,
        strategy=batch.strategy,
        trained_on=batch.trained_on,
        test_accuracy=None if test is None else test.accuracy,
        test_size=None if test is None else test.n,
        mean_uncertainty=None if result is None else result.mean_uncertainty,
        items=tuple(
            RoundItem(
                item=item.id,
                audit=item.audit,
                predicted=None if item.predicted is None else classes[item.predicted],
                confidence=item.confidence,
                query_probability=item.query_probability,
                hidden=item.hidden,
                overlap=item.overlap or None,
            )
            for item in batch.items
        ),
        annotator=asked.annotator,
        session=asked.session,
    )


def batch_from_round(row: Round, pool: ImagePool, timeline: ClassTimeline, book: ClassBook) -> Batch:
    """The batch of a round of the store, without items that are no longer in the pool.

    Parameters
    ----------
    timeline : what names meant when the round was stored.
    book : the classes of today.
    """
    indices = pool.indices_of([item.item for item in row.items]).tolist()
    items = tuple(
        QueryItem(
            index=pool_idx,
            id=item.item,
            audit=item.audit,
            predicted=book.position(timeline.class_id_at(item.predicted, row.asked_at)),
            confidence=item.confidence,
            query_probability=item.query_probability,
            trained_on=row.trained_on,
            hidden=item.audit if item.hidden is None else item.hidden,
            overlap=bool(item.overlap),
        )
        for pool_idx, item in zip(indices, row.items, strict=True)
        if pool_idx >= 0
    )
    return Batch(row.number, items, row.strategy, row.trained_on)

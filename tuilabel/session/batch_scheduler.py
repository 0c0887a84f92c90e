"""Asking: which batch is on, when the next is made, and what the trainer is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.labels import ClassBook, Writer
from tuilabel.learner.trainer.messages import Message, TrainRequest
from tuilabel.session.batches import Batches
from tuilabel.session.ledger import Ledger
from tuilabel.session.rounds import AUDIT_SHARE, audit_size, query_items, round_of, with_predictions
from tuilabel.session.state import Batch
from tuilabel.session.training import Training

REFRESH_FACTOR = 2  # predictions on the screen change only for a model of twice as many labels
AHEAD = {"label": 2, "batch": 1}  # ranked ahead, so that nobody waits; where one waits anyway the model is the newest


@dataclass(frozen=True)
class Plan:
    """How a session asks; see `LabellingSession`."""

    strategy: str
    batch_size: int
    seed: int
    retrain: Literal["label", "batch"]
    start: str
    first_batch: int
    budget: int | None
    audit_share: float = AUDIT_SHARE


class Asking:
    """Makes batches of the trainer's picks, and requests of the answers."""

    def __init__(
        self,
        plan: Plan,
        pool: ImagePool,
        book: ClassBook,
        ledger: Ledger,
        batches: Batches,
        training: Training,
        writer: Writer,
        clock: Callable[[], datetime],
    ) -> None:
        self._plan, self._pool, self._book, self._ledger = plan, pool, book, ledger
        self._batches, self._training = batches, training
        self._writer, self._clock = writer, clock
        self.gone = pool.gone
        """Pool indices of items whose files are no more."""

    @property
    def finished(self) -> bool:
        """Whether every item of the pool has been answered, or as many as the budget allows."""
        return len(self._ledger.standing) >= self._budget

    @property
    def last_batch(self) -> bool:
        """Whether the batch that is asked holds every item that is left."""
        return self._budget - len(self._ledger.standing) == len(self._unanswered())

    @property
    def _budget(self) -> int:
        """Answers there can be: of a grown pool, and without items whose files are gone."""
        most = len(self._ledger) - self._ledger.count_unanswered(self.gone)
        return most if self._plan.budget is None else min(self._plan.budget, most)

    def moved(self) -> None:
        """The pool has grown, or models see other latents: ask for a model of these."""
        self.gone = self._pool.gone
        self.submit()

    def changed(self, touched: Iterable[int] = (), turn_to: int | None = None) -> None:
        """After answers came or went: see to it that there is a batch, and ask for a new model.

        Parameters
        ----------
        touched : items whose batch may be open again.
        turn_to : the item whose batch is asked now, if it is open.
        """
        self._batches.settle(self._ledger.standing, self._batches.positions(touched))
        if turn_to is not None:
            self._batches.turn_to(turn_to)
        if self._batches.now is None and self._plan.retrain == "label":
            self._next_batch(fresh=False)  # ranked ahead: the person does not wait
        if self._batches.now is None or self._plan.retrain == "label":
            self.submit()

    def classes_changed(self, slots: Sequence[int]) -> None:
        """Give predictions the new positions of the classes that were at `slots`, and ask for a new model."""
        places = [self._book.position(slot) for slot in slots]
        if places != list(range(len(slots))):
            self._batches.renumber(places)
            self._training.renumber(places, self._book.names)
        else:
            self._training.figures.remap_classes(places, self._book.names)
        self.submit()

    def hear(self, message: Message) -> None:
        """A message of the trainer has come."""
        trained_on = self._training.hear(message)
        if trained_on is None:
            return
        if self._batches.now is None:
            self._next_batch(fresh=self._training.is_newest)
        else:
            self._refresh_predictions(trained_on)

    def submit(self) -> None:
        """Ask the trainer for a model of the labels there are, and for what to ask next."""
        indices, labels, audit = self._ledger.labels()
        waiting = [item.index for item in self._batches.asked() if self._ledger.label_of(item.index) is None]
        share = self._plan.audit_share
        audits = 0 if share == 0 else max(1, audit_size(self._plan.batch_size, 2, share))
        self._training.submit(
            TrainRequest(
                serial=0,
                indices=indices,
                labels=labels,
                n_classes=len(self._book.names),
                audit=audit,
                excluded=np.unique(
                    np.concatenate([self._ledger.aside(), self.gone, np.array(waiting, dtype=np.int64)])
                ),
                shown=np.array(self._unanswered(), dtype=np.int64),
                strategy=self._plan.strategy if len(self._batches) else self._plan.start,
                batch_size=max(1, self._next_size),
                audit_size=audits,
                seed=self._plan.seed,
                n_batches=AHEAD[self._plan.retrain],
                target_of=self._target_of(),
            ),
            batch_is_due=self._batches.now is None,
        )

    def _unanswered(self) -> list[int]:
        """Items of the batch that is asked which have no answer."""
        batch = self._batches.now
        return [] if batch is None else [i.index for i in batch.items if i.index not in self._ledger.standing]

    def _target_of(self) -> NDArray[np.int64]:
        """Where each class of the dataset is among the session's, -1 for nowhere; see `TrainRequest`."""
        places = [self._book.position(self._book.first(name)) for name in self._pool.classes]
        return np.array([-1 if place is None else place for place in places], dtype=np.int64)

    def _refresh_predictions(self, trained_on: NDArray[np.int64]) -> None:
        """Give the batch the predictions of a much better model than it has.

        Never for an answered item, nor for one whose answer, taken back since, that model has learnt: an audit item
        is judged by a model that has not seen it.
        """
        batch, result = self._batches.now, self._training.result
        if batch is None or result is None or not result.n_labels:
            return
        if batch.trained_on is not None and result.n_labels < REFRESH_FACTOR * batch.trained_on:
            return
        shown, answered = set(result.shown.indices.tolist()), self._ledger.standing
        if any(item.index not in shown and item.index not in answered for item in batch.items):
            return  # the request was made before this batch
        items = np.array([item.index for item in batch.items], dtype=np.int64)
        barred = {i for i in items.tolist() if i in answered} | set(items[np.isin(items, trained_on)].tolist())
        self._batches.replace_now(with_predictions(batch, result, barred))

    @property
    def _next_size(self) -> int:
        """Items of the batch to come; the last may be smaller."""
        size = self._plan.batch_size if len(self._batches) else self._plan.first_batch
        return min(size, self._budget - len(self._ledger.standing))

    def _next_batch(self, fresh: bool) -> None:
        """Make a batch of the newest result's candidates.

        Where that result is not `fresh` and has too few candidates left, or the session retrains by batch, the next
        result is waited for.
        """
        result = self._training.result
        if result is None or self.finished or (not fresh and self._plan.retrain == "batch"):
            return
        number, wanted = self._batches.next_number, self._next_size
        answered, trained_on = self._ledger.standing, result.n_labels or None
        items = query_items(result.audit, self._pool, answered, audit=True, trained_on=trained_on)[
            : audit_size(wanted, number, self._plan.audit_share)
        ]
        chosen = {item.index for item in items}
        picked = query_items(result.picks, self._pool, answered, audit=False, trained_on=trained_on)
        items += [item for item in picked if item.index not in chosen][: wanted - len(items)]
        if not items or (len(items) < wanted and not fresh):
            return
        batch = Batch(number, tuple(items), result.strategy, trained_on)
        self._batches.add(batch)
        self._writer.put_round(round_of(batch, result, self._book.names, self._clock()))

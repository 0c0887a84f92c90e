"""Which batch is current, when the next one is created, and what is requested from the trainer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.errors import UsageError
from tuilabel.labels import ClassBook, Drawn, DrawRequest, Round, Writer
from tuilabel.learner.trainer.messages import Message, RoundResult, TrainRequest
from tuilabel.session.batches import Batches
from tuilabel.session.candidates import CandidateFinder
from tuilabel.session.drawing import Drawer, LoneDrawer
from tuilabel.session.ledger import Ledger
from tuilabel.session.overlap import Overlap
from tuilabel.session.rounds import AUDIT_SHARE, Asked, Candidates, round_from_batch, with_predictions
from tuilabel.session.trainer_client import TrainerClient

REFRESH_FACTOR = 2  # predictions on the screen change only for a model trained on twice as many labels
N_BATCHES = {"label": 2, "batch": 1}  # picked ahead: an annotator never waits, simulations use the newest model
MOST_COLLEAGUES = 5  # for whom batches are picked as well: they may take the first ones


@dataclass(frozen=True)
class QueryPlan:
    """What a session queries; parameters and errors as for `LabellingSession`."""

    strategy: str
    batch_size: int
    seed: int
    retrain: Literal["label", "batch"]
    start: str | None = None
    first_batch: int | None = None
    budget: int | None = None
    audit_share: float = AUDIT_SHARE

    def __post_init__(self) -> None:
        for name in ("batch_size", "first_batch", "budget"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UsageError(f"{name} must be at least 1, got {number}", parameter=name)
        if not 0 <= self.audit_share <= 1:
            raise UsageError(f"audit_share must be between 0 and 1, got {self.audit_share}", parameter="audit_share")

    def strategy_after(self, n_batches: int) -> str:
        """The strategy that picks the batch after the first `n_batches`."""
        return self.strategy if n_batches or self.start is None else self.start

    def size_after(self, n_batches: int) -> int:
        """The size of the batch after the first `n_batches`."""
        return self.batch_size if n_batches or self.first_batch is None else self.first_batch


class BatchScheduler:
    """Creates batches from the trainer's picks, and training requests from the answers."""

    def __init__(
        self,
        plan: QueryPlan,
        pool: ImagePool,
        book: ClassBook,
        ledger: Ledger,
        batches: Batches,
        trainer: TrainerClient,
        writer: Writer,
        clock: Callable[[], datetime],
        asked: Asked,
        drawer: Drawer | None,
        overlap: Overlap,
        unstored: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        self._finder = CandidateFinder(
            pool, ledger, batches, overlap, annotator=asked.annotator, audit_share=plan.audit_share, seed=plan.seed
        )
        self._asked = asked
        self._drawer = drawer or LoneDrawer(writer, lambda: batches.next_number, self.on_drawn)
        self._drawing: Candidates | None = None
        """What the batch that is being drawn is made of."""
        self.colleagues = 0
        """How many other sessions there are."""
        self._plan, self._pool, self._book, self._ledger = plan, pool, book, ledger
        self._batches, self._trainer = batches, trainer
        self._clock = clock
        self._unstored = unstored
        self.gone = pool.gone
        """Pool indices of items whose files no longer exist."""

    @property
    def leased(self) -> set[int]:
        """Pool indices of items that other sessions are asked."""
        return self._finder.leased

    @property
    def finished(self) -> bool:
        """Whether every item of the pool has been answered, or as many as the budget allows."""
        return len(self._ledger.standing) >= self._budget and not self._finder.repeats()

    @property
    def is_last_batch(self) -> bool:
        """Whether the current batch holds every item that is left."""
        return self._budget - len(self._ledger.standing) == len(self._unanswered())

    @property
    def _budget(self) -> int:
        """The most answers that are possible: the budget, but no more than the items whose files still exist."""
        most = len(self._ledger) - self._ledger.count_unanswered(self.gone)
        return most if self._plan.budget is None else min(self._plan.budget, most)

    def next_items(self) -> list[int]:
        """Pool indices of the next batch in its order, as it would be created now; empty if that is not known."""
        result, batch = self._trainer.result, self._batches.current
        if result is None or batch is None or self.finished:
            return []
        drawn = self._batches.next
        shown = {item.index for item in batch.items}
        items = self._candidates(result).items(self._batches.next_number) if drawn is None else drawn.items
        return [item.index for item in items if item.index not in shown]

    def on_pool_changed(self) -> None:
        """Request a model after the pool has grown or its latents have changed."""
        self.gone = self._pool.gone
        self.submit()

    def on_answers_changed(self, touched: Iterable[int] = (), switch_to: int | None = None) -> None:
        """Make sure that there is a batch, and request a new model, after answers were added or removed.

        Parameters
        ----------
        touched : pool indices of items whose batches may be open again.
        switch_to : pool index of the item whose batch becomes the current one, if it is open.
        """
        self._batches.update_open(self._batches.rows_of(touched))
        if switch_to is not None:
            self._batches.switch_to(switch_to)
        if self._plan.retrain == "label":
            self._make_next_batch(is_fresh=False)  # from picks made ahead, so that the annotator does not wait
            self._go_on_without_trainer()
        if self._batches.current is None or self._plan.retrain == "label":
            self.submit()
        self._hold()

    def on_classes_changed(self, old_class_ids: Sequence[int | None]) -> None:
        """Move predictions to the new positions of the classes that were `old_class_ids`, and request a new model."""
        new_class_pos = [self._book.position(class_id) for class_id in old_class_ids]
        if new_class_pos != list(range(len(old_class_ids))):
            self._drawing = None if self._drawing is None else self._drawing.without_predictions()
            self._batches.remap_classes(new_class_pos)
            self._trainer.remap_classes(new_class_pos, self._book.names)
        else:
            self._trainer.models.remap_classes(new_class_pos, self._book.names)
        self.submit()

    def handle(self, message: Message) -> None:
        """Handle a message of the trainer."""
        trained_on = self._trainer.handle(message)
        if trained_on is None:
            self._go_on_without_trainer()
            return
        had_batch = self._batches.current is not None
        self._make_next_batch(is_fresh=self._trainer.is_newest)
        if had_batch:
            self._refresh_predictions(trained_on)

    def submit(self) -> None:
        """Request a model trained on the current labels, and picks for the next batch."""
        indices, labels, audit = self._ledger.labels()
        waiting = [item.index for item in self._batches.open_items() if self._ledger.label_of(item.index) is None]
        share = self._plan.audit_share
        self._trainer.submit(
            TrainRequest(
                serial=0,
                indices=indices,
                labels=labels,
                n_classes=len(self._book.names),
                audit=audit,
                excluded=np.unique(
                    np.concatenate(
                        [self._ledger.set_aside(), self.gone, np.array([*waiting, *self.leased], dtype=np.int64)]
                    )
                ),
                shown=np.array(self._unanswered(), dtype=np.int64),
                strategy=self._plan.strategy_after(len(self._batches)),
                batch_size=max(1, self._next_size),
                audit_size=0 if share == 0 else max(1, round(share * self._plan.batch_size)),
                seed=self._plan.seed,
                n_batches=N_BATCHES[self._plan.retrain] * (1 + min(self.colleagues, MOST_COLLEAGUES)),
                target_of=self._target_of(),
            ),
            batch_is_due=self._batches.current is None,
        )

    def _unanswered(self) -> list[int]:
        """Pool indices of the unanswered items of the current batch."""
        batch = self._batches.current
        return [] if batch is None else [i.index for i in batch.items if i.index not in self._ledger.standing]

    def _target_of(self) -> NDArray[np.int64]:
        """The session's class position of each class of the dataset, -1 for none; see `TrainRequest`."""
        positions = [self._book.position(self._book.first_id(name)) for name in self._pool.classes]
        return np.array([-1 if class_pos is None else class_pos for class_pos in positions], dtype=np.int64)

    def _refresh_predictions(self, trained_on: NDArray[np.int64]) -> None:
        """Give the current batch the predictions of a much better model than it has.

        Answered items keep theirs, and so do items whose answer, undone since, that model was trained on: an audit
        item is evaluated by a model that has not seen its label.

        Parameters
        ----------
        trained_on : pool indices of the items that the newest model was trained on.
        """
        batch, result = self._batches.current, self._trainer.result
        if batch is None or result is None or not result.n_labels:
            return
        if batch.trained_on is not None and result.n_labels < REFRESH_FACTOR * batch.trained_on:
            return
        shown, answered = set(result.shown.indices.tolist()), self._ledger.standing
        if any(item.index not in shown and item.index not in answered for item in batch.items):
            return  # the request was made before this batch
        items = np.array([item.index for item in batch.items], dtype=np.int64)
        excluded = {i for i in items.tolist() if i in answered} | set(items[np.isin(items, trained_on)].tolist())
        self._batches.replace_current(with_predictions(batch, result, excluded))

    @property
    def _next_size(self) -> int:
        """Items of the next batch; the last may be smaller."""
        ahead = len(self._batches.open_unanswered()) if self._drawer.ahead else 0
        left = self._budget - len(self._ledger.standing) - ahead + len(self._finder.repeats())
        return min(self._plan.size_after(len(self._batches)), left)

    def _make_batch(self, is_fresh: bool) -> None:
        """Draw a batch from the newest result's candidates.

        A result is fresh if it answers the newest request. One that is not fresh is not used if too few candidates are
        left, or if the session retrains by batch: the next result will do.
        """
        result = self._trainer.result
        if result is None or self.finished or (not is_fresh and self._plan.retrain == "batch"):
            return
        candidates = self._candidates(result)
        items = candidates.items(self._batches.next_number)
        if items and (is_fresh or len(items) >= self._next_size):
            self._draw(candidates)

    def _make_next_batch(self, is_fresh: bool) -> None:
        """Make sure that there is a batch and, where drawing one takes time, that there is the next one in time."""
        n_open = len(self._batches.open_unanswered())
        if self._batches.current is None or (n_open <= self._drawer.ahead and self._next_size > 0):
            self._make_batch(is_fresh)

    def _go_on_without_trainer(self) -> None:
        """If the trainer has stopped for good and there is no batch, draw one: labels are worth more than their order.

        Not for simulations, whose result would be that of another strategy.
        """
        if not self._trainer.has_stopped or self._batches.current or self.finished or self._plan.retrain == "batch":
            return
        candidates = self._finder.at_random(self._next_size, self.gone)
        if candidates is not None:
            self._draw(candidates)

    def _candidates(self, result: RoundResult) -> Candidates:
        return self._finder.from_result(result, self._next_size)

    def _draw(self, candidates: Candidates) -> None:
        """Draw a batch from candidates, unless one is being drawn."""
        if self._drawing is not None:
            return
        self._drawing = candidates
        result = None if self._trainer.has_stopped else self._trainer.result
        names, at = self._book.names, self._clock()

        def compose(number: int, taken: Collection[str]) -> Round | None:
            batch = candidates.batch(number, taken)
            return None if batch is None else round_from_batch(batch, result, names, at, self._asked)

        self._drawer.draw(DrawRequest(candidates.places, compose))

    def on_drawn(self, drawn: Drawn) -> None:
        """Ask what was drawn; if all candidates were taken by others, ask the trainer for more."""
        candidates, self._drawing = self._drawing, None
        indices = self._pool.indices_of(list(drawn.taken)).tolist()
        self._finder.leased |= {pool_idx for pool_idx in indices if pool_idx >= 0}
        if candidates is None:
            return
        if drawn.row is None:
            self.submit()
            return
        is_awaited = self._batches.current is None
        self._batches.add(candidates.drawn(drawn.row), ahead=not is_awaited)
        self._hold()
        known = 0 if self._trainer.result is None else self._trainer.result.n_labels
        is_unpredicted = is_awaited and candidates.trained_on is None and len(self._ledger.standing) > 0
        if self._plan.retrain == "label" and (is_unpredicted or known > (candidates.trained_on or 0)):
            self.submit()  # a better model is there, or on its way, that was not asked about these items

    def on_team_changed(self, colleagues: int, leased: Collection[int], lost: Collection[int]) -> None:
        """Take note of the items that others are asked.

        Parameters
        ----------
        colleagues : how many other sessions there are.
        leased : pool indices of these items.
        lost : those of them that this session was asked before it was away for long; they leave its batch.
        """
        is_more = bool(self.leased - set(leased))
        self.colleagues, self._finder.leased = colleagues, set(leased)
        if lost:
            self._batches.drop(lost)
            self._batches.update_open()
        if self._batches.current is None and (lost or is_more):
            self.submit()

    def _hold(self) -> None:
        """Hold what is asked, and what is answered but not in the store yet: nobody else knows of the answer."""
        asked = (item.id for item in self._batches.open_unanswered())
        answered = (self._pool.ids[pool_idx].decode() for pool_idx in self._unstored())
        self._drawer.hold(chain(asked, answered))

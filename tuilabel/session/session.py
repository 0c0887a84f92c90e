"""The whole labelling loop without a screen: the terminal app, simulations and notebooks drive this one object.

    session.start()                      # submits the first request to the trainer
    session.batch.items[3]               # what to ask
    session.label(3, 7, milliseconds=640)
    session.statistics()                 # a frozen snapshot of all figures

Trainer messages enter through `handle`, in the thread that owns the session.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.errors import UsageError
from tuilabel.estimate import LureEstimate, advice_text, audit_estimate, class_figures, labels_per_minute
from tuilabel.labels import Event, Round, Writer, current_answers
from tuilabel.learner.messages import (
    ClassItems,
    Failure,
    Inspection,
    Message,
    OutOfFold,
    Progress,
    Ready,
    RoundResult,
    TrainRequest,
)
from tuilabel.learner.trainer import Trainer
from tuilabel.session.figures import Figures
from tuilabel.session.honesty import cross_validated
from tuilabel.session.insight import Insight
from tuilabel.session.ledger import Ledger
from tuilabel.session.rounds import AUDIT_SHARE, audit_size, batch_of, query_items, round_of, with_predictions
from tuilabel.session.state import Batch, QueryItem, Statistics, TrainerState

REFRESH_FACTOR = 2  # predictions on the screen change only for a model of twice as many labels
AHEAD = {"label": 2, "batch": 1}  # ranked ahead, so that nobody waits; where one waits anyway the model is the newest
FOLDS = 5
PACE_WINDOW = 60  # answers over which labels per minute is measured


class LabellingSession:
    """Query, answer, retrain: one annotator's sitting over one pool.

    Parameters
    ----------
    pool : the images that may be asked.
    events, rounds : what the store holds so far; the session goes on from there.
    writer : takes the new events and rounds to disk.
    trainer : answers training requests; started by the caller, its messages passed to `handle`.
    classes : class names; a label is a position in this tuple.
    strategy : name of the query strategy; before two classes are known the trainer falls back on coverage.
    batch_size : items a round; at least 1.
    annotator : the name every answer carries.
    seed : of everything drawn at random.
    retrain : "label" asks for a new model after every answer (a person types meanwhile), "batch" only
        when a batch is complete, before the next is picked (simulations).
    start : strategy of the first batch; by default `strategy` itself, or coverage where that needs a model.
    first_batch : items of the first batch, by default `batch_size`.
    budget : answers after which the session is finished; by default the whole pool.
    audit_share : part of each batch from the second on that is drawn uniformly at random; 0 for none.
    cross_validate : whether the trainer cross-validates after each batch, for the estimate by LURE weights; by default
        where the strategy draws at random.
    target : the accuracy one labels for, above 0 and below 1; by default none.

    Attributes
    ----------
    insight : asks the model about single items, classes and doubtful labels.

    Raises
    ------
    UsageError : where `batch_size`, `first_batch` or `budget` is below 1, `audit_share` not in 0…1,
        `target` not in between, or there are fewer than two classes.
    """

    def __init__(
        self,
        pool: ImagePool,
        *,
        events: Sequence[Event],
        rounds: Sequence[Round],
        writer: Writer,
        trainer: Trainer,
        classes: Sequence[str],
        strategy: str = "auto",
        batch_size: int = 20,
        annotator: str = "anonymous",
        seed: int = 0,
        retrain: Literal["label", "batch"] = "label",
        start: str | None = None,
        first_batch: int | None = None,
        budget: int | None = None,
        audit_share: float = AUDIT_SHARE,
        cross_validate: bool | None = None,
        target: float | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        for option, number in (("--batch", batch_size), ("--initial", first_batch), ("--budget", budget)):
            if number is not None and number < 1:
                raise UsageError(f"{option} {number} asks nothing: give {option} 1 or more")
        if not 0 <= audit_share <= 1:
            raise UsageError(f"an audit share of {audit_share} is none: give 0 to 1")
        if target is not None and not 0 < target < 1:
            raise UsageError(f"an accuracy of {target} is no target: give one between 0 and 1, as 0.95")
        if len(classes) < 2:
            raise UsageError("a classifier needs at least two classes: name them with --classes a,b")
        self.pool = pool
        self.classes = tuple(classes)
        self.strategy = strategy
        self.batch_size = batch_size
        self.annotator = annotator
        self.seed = seed
        self._writer = writer
        self._trainer = trainer
        self._retrain = retrain
        self._start = start or strategy
        self._first_batch = first_batch or batch_size
        self._budget = len(pool.ids) if budget is None else min(budget, len(pool.ids))
        self._audit_share = audit_share
        self._cross_validate = cross_validate
        self._clock = clock
        self._class_index = {name: position for position, name in enumerate(self.classes)}
        self._serial = 0
        self._answered_serial = 0
        self._trainer_state = TrainerState()
        self._ledger = Ledger()
        self._history: list[Event] = []
        self._batches: list[Batch] = []
        self._open: list[int] = []
        self._current: int | None = None
        self._result: RoundResult | None = None
        self._target = target
        tested = pool.test is not None and set(pool.classes) <= set(self.classes)
        self._figures = Figures(
            self.classes, batch_size, len(pool.test.images) if pool.test is not None and tested else None, target
        )
        self.events = list(events)
        """All events, of every annotator, in their order."""
        self.insight = Insight(self, trainer)
        self._lure: LureEstimate | None = None
        self._validated = 0
        self._trained_on: dict[int, NDArray[np.int64]] = {}
        self._restore(events, rounds)

    # -- what there is to see -----------------------------------------------------------------------------------

    @property
    def batch(self) -> Batch | None:
        """The batch that is asked now; None while there is none to ask (see `finished`)."""
        return None if self._current is None else self._batches[self._current]

    @property
    def finished(self) -> bool:
        """Whether every item of the pool has been answered, or as many as the budget allows."""
        return len(self._ledger.events) >= self._budget

    @property
    def result(self) -> RoundResult | None:
        """The trainer's newest result."""
        return self._result

    @property
    def can_undo(self) -> bool:
        """Whether there is an answer of this annotator to take back."""
        return bool(self._history)

    @property
    def last_batch(self) -> bool:
        """Whether the batch that is asked holds every item that is left."""
        left = self._budget - len(self._ledger.events)
        unanswered = [] if self.batch is None else [i for i in self.batch.items if i.index not in self._ledger.events]
        return left == len(unanswered)

    def answer_to(self, item: QueryItem) -> Event | None:
        """The answer that stands for `item`, or None."""
        return self._ledger.events.get(item.index)

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The training set: pool indices (n,) and class positions (n,), both int64, by growing index."""
        known = self._ledger.labels
        indices = np.fromiter(known.keys(), np.int64, len(known))
        classes = np.fromiter(known.values(), np.int64, len(known))
        order = np.argsort(indices)
        return indices[order], classes[order]

    @property
    def answers(self) -> Mapping[int, Event]:
        """The answers that stand, by pool index."""
        return self._ledger.events

    def taken(self) -> NDArray[np.int64]:
        """Pool indices that are answered, set aside or in an open batch, ascending."""
        asked = {item.index for position in self._open for item in self._batches[position].items}
        return np.array(sorted(asked | self._ledger.events.keys()), dtype=np.int64)

    def statistics(self) -> Statistics:
        """All figures of this moment."""
        ledger, result, batch = self._ledger, self._result, self.batch
        histogram = None if result is None else result.uncertainty_histogram
        figures, advice = self._figures, self._figures.advisor.advice
        counts = tuple(ledger.classes[c] for c in range(len(self.classes)))
        per_minute = labels_per_minute(self._history[-PACE_WINDOW:])
        audit = audit_estimate(list(ledger.audits.values()))
        test = None if result is None else result.test_accuracy
        left = figures.labels_left(ledger.kinds["label"], len(self.pool.ids))
        return Statistics(
            pool_size=len(self.pool.ids),
            labelled=ledger.kinds["label"],
            skipped=ledger.kinds["skip"],
            flagged=ledger.kinds["flag"],
            per_minute=per_minute,
            round=batch.round if batch else len(self._batches),
            strategy=self.strategy,
            trainer=self._trainer_state,
            test_accuracy=test,
            curve=figures.curve,
            audit=audit,
            lure=self._lure,
            confidence=None if result is None else result.mean_confidence,
            advice=advice,
            mean_uncertainty=None if result is None else result.mean_uncertainty,
            histogram=None if histogram is None else tuple(histogram.tolist()),
            start_histogram=figures.start_histogram,
            class_counts=counts,
            class_figures=class_figures(counts, figures.confusion),
            confusions=figures.confusions,
            target=self._target,
            labels_to_target=left,
            minutes_left=None if left is None or not per_minute else left / per_minute,
            advice_text=advice_text(figures.accuracy(test, audit), advice),
        )

    # -- what one can do ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ask the trainer for a model of the labels on disk; an unfinished batch is there at once."""
        self._submit()

    def label(self, position: int, class_index: int, milliseconds: int = 0) -> None:
        """Answer item `position` of the batch with a class; a new answer replaces the one before.

        Raises
        ------
        UsageError : where the class is none of the session's.
        """
        if not 0 <= class_index < len(self.classes):
            raise UsageError(f"class {class_index} is none of 0…{len(self.classes) - 1}")
        self._answer(position, "label", self.classes[class_index], milliseconds)

    def confirm(self, position: int, milliseconds: int = 0) -> bool:
        """Answer item `position` with the model's prediction; False where its batch came without a model."""
        predicted = self._item(position).predicted
        if predicted is None:
            return False
        self.label(position, predicted, milliseconds)
        return True

    def skip(self, position: int, milliseconds: int = 0) -> None:
        """Pass over item `position`: it is not asked again and not learnt from."""
        self._answer(position, "skip", None, milliseconds)

    def flag(self, position: int, milliseconds: int = 0) -> None:
        """Set item `position` aside for a second look: not asked again, not learnt from."""
        self._answer(position, "flag", None, milliseconds)

    def undo(self) -> QueryItem | None:
        """Take back the last standing answer, however far back, and return to its batch.

        Returns the item whose answer was taken back, None where there is nothing to take back.
        """
        if not self._history:
            return None
        event = self._history.pop()
        undo = replace(event, key=uuid.uuid4().hex, kind="undo", class_name=None, at=self._clock(), undoes=event.key)
        self._writer.put(undo)
        self.events.append(undo)
        index = int(self.pool.indices_of([event.item])[0])
        earlier = next((e for e in reversed(self._history) if e.item == event.item), None)
        self._ledger.set(index, earlier, self._class_of(earlier))
        position = next((b for b, batch in self._batches_of(event) if any(i.index == index for i in batch.items)), None)
        if position is not None:
            if position not in self._open and not self._complete(self._batches[position]):
                self._open = sorted([*self._open, position])
            self._current = position
        self._changed()
        return None if self.batch is None else next((item for item in self.batch.items if item.index == index), None)

    def handle(self, message: Message) -> None:
        """Take in a message of the trainer; results older than the newest are dropped."""
        state = self._trainer_state
        match message:
            case Ready():
                self._trainer_state = replace(state, doing="idle", done=0, total=0, failure=None)
            case Progress():
                self._trainer_state = replace(state, doing=message.stage, done=message.done, total=message.total)
            case Failure():
                self._trainer_state = replace(
                    state, doing="stopped" if message.fatal else "starting", failure=message.message
                )
            case RoundResult():
                self._take(message)
            case Inspection() | ClassItems() | OutOfFold():
                self.insight.take(message)

    # -- inside -------------------------------------------------------------------------------------------------

    def _restore(self, events: Sequence[Event], rounds: Sequence[Round]) -> None:
        """Rebuild the state from what is on disk; answers to items that left the pool stay in the store."""
        standing = [event for event in current_answers(events).values() if self._understood(event)]
        for index, event in zip(self.pool.indices_of([e.item for e in standing]).tolist(), standing, strict=True):
            if index >= 0:
                self._ledger.set(index, event, self._class_of(event))
        undone = {event.undoes for event in events if event.kind == "undo"}
        mine = [e for e in events if e.kind != "undo" and e.key not in undone and e.annotator == self.annotator]
        here = self.pool.indices_of([event.item for event in mine]) >= 0
        self._history = [event for event, known in zip(mine, here, strict=True) if known and self._understood(event)]
        self._batches = [batch for row in rounds if (batch := batch_of(row, self.pool, self._class_index)).items]
        self._figures.restore(rounds, self._ledger.audits.values())
        self._open = [b for b, batch in enumerate(self._batches) if not self._complete(batch)]
        self._current = self._open[0] if self._open else None

    def _understood(self, event: Event) -> bool:
        return event.kind != "label" or event.class_name in self._class_index

    def _class_of(self, event: Event | None) -> int | None:
        return None if event is None or event.class_name is None else self._class_index[event.class_name]

    def _batches_of(self, event: Event) -> list[tuple[int, Batch]]:
        return [(b, batch) for b, batch in enumerate(self._batches) if batch.round == event.round]

    def _item(self, position: int) -> QueryItem:
        batch = self.batch
        if batch is None or not 0 <= position < len(batch.items):
            raise IndexError(f"no item {position} in the batch on the screen")
        return batch.items[position]

    def _answer(
        self, position: int, kind: Literal["label", "skip", "flag"], name: str | None, milliseconds: int
    ) -> None:
        item = self._item(position)
        batch = self.batch
        assert batch is not None
        event = Event(
            key=uuid.uuid4().hex,
            kind=kind,
            item=item.id,
            class_name=name,
            annotator=self.annotator,
            at=self._clock(),
            milliseconds=milliseconds,
            round=batch.round,
            strategy=batch.strategy,
            query_probability=item.query_probability,
            model=item.model,
            predicted=None if item.predicted is None else self.classes[item.predicted],
            confidence=item.confidence,
            audit=item.audit,
            undoes=None,
        )
        self._writer.put(event)
        self.events.append(event)
        self._ledger.set(item.index, event, self._class_of(event))
        self._history.append(event)
        if self._complete(batch):
            self._open = [position for position in self._open if not self._complete(self._batches[position])]
            self._current = self._open[0] if self._open else None
        self._changed()

    def _complete(self, batch: Batch) -> bool:
        return all(item.index in self._ledger.events for item in batch.items)

    def _changed(self) -> None:
        """After an answer or an undo: see to it that there is a batch, and ask for a new model."""
        if self.batch is None and self._retrain == "label":
            self._next_batch(fresh=False)  # ranked ahead: the person does not wait
        if self.batch is None or self._retrain == "label":
            self._submit()

    def _submit(self) -> None:
        self._serial += 1
        indices, labels = self.labels()
        asked = {item.index for position in self._open for item in self._batches[position].items}
        excluded = self._ledger.aside | {index for index in asked if index not in self._ledger.labels}
        shown = [] if self.batch is None else [i.index for i in self.batch.items if i.index not in self._ledger.events]
        self._trained_on[self._serial] = indices
        self._trainer.submit(
            TrainRequest(
                serial=self._serial,
                indices=indices,
                labels=labels,
                n_classes=len(self.classes),
                audit=np.isin(indices, np.fromiter(self._ledger.audits, np.int64, len(self._ledger.audits))),
                excluded=np.array(sorted(excluded), dtype=np.int64),
                shown=np.array(shown, dtype=np.int64),
                strategy=self.strategy if self._batches else self._start,
                batch_size=max(1, self._next_size),
                audit_size=0 if self._audit_share == 0 else max(1, audit_size(self.batch_size, 2, self._audit_share)),
                seed=self.seed,
                ahead=AHEAD[self._retrain],
                folds=FOLDS if self._worth_validating() else 0,
            )
        )

    def _worth_validating(self) -> bool:
        """Once a batch, where the items' query probabilities say something about the pool."""
        due = self.batch is None or len(self._ledger.labels) >= self._validated + self.batch_size
        drawn = self._result is not None and self._result.picks.query_probability is not None
        return due and (drawn if self._cross_validate is None else self._cross_validate)

    def _take(self, result: RoundResult) -> None:
        if result.serial <= self._answered_serial:
            return
        self._answered_serial = result.serial
        self._result = result
        self._trainer_state = replace(
            self._trainer_state,
            doing="idle" if result.serial == self._serial else "train",
            done=0,
            total=0,
            failure=None,
            model=result.n_labels or None,
            fit_seconds=result.fit_seconds,
            query_seconds=result.query_seconds,
        )
        self._figures.take(result, self._ledger.audits.values())
        trained_on = self._trained_on[result.serial]
        self._trained_on = {serial: x for serial, x in self._trained_on.items() if serial > result.serial}
        if result.out_of_fold is not None:
            self._validated = result.n_labels
            answers = dict(zip(trained_on.tolist(), result.out_of_fold.tolist(), strict=True))
            self._lure = cross_validated(self._ledger, answers, len(self.pool.ids))
        if self.batch is None:
            self._next_batch(fresh=result.serial == self._serial)
        else:
            self._refresh_predictions(result, trained_on)

    def _refresh_predictions(self, result: RoundResult, trained_on: NDArray[np.int64]) -> None:
        """Give the batch the predictions of a much better model than it has.

        Never for an answered item, nor for one whose answer, taken back since, that model has learnt: an audit item
        is judged by a model that has not seen it.
        """
        batch = self.batch
        if batch is None or self._current is None or not result.n_labels:
            return
        if batch.model is not None and result.n_labels < REFRESH_FACTOR * batch.model:
            return
        shown, answered = set(result.shown.indices.tolist()), self._ledger.events
        if any(item.index not in shown and item.index not in answered for item in batch.items):
            return  # the request was made before this batch
        barred = answered.keys() | set(trained_on.tolist())
        self._batches[self._current] = with_predictions(batch, result, barred)

    @property
    def _next_number(self) -> int:
        return self._batches[-1].round + 1 if self._batches else 1

    @property
    def _next_size(self) -> int:
        """Items of the batch to come; the last may be smaller."""
        size = self.batch_size if self._batches else self._first_batch
        return min(size, self._budget - len(self._ledger.events))

    def _next_batch(self, fresh: bool) -> None:
        """Make a batch of the newest result's candidates.

        Where that result is not `fresh` and has too few candidates left, or the session retrains by batch, the next
        result is waited for.
        """
        result = self._result
        if result is None or self.finished or (not fresh and self._retrain == "batch"):
            return
        number, wanted = self._next_number, self._next_size
        answered, model = self._ledger.events, result.n_labels or None
        items = query_items(result.audit, self.pool, answered, audit=True, model=model)[
            : audit_size(wanted, number, self._audit_share)
        ]
        chosen = answered.keys() | {item.index for item in items}
        items += query_items(result.picks, self.pool, chosen, audit=False, model=model)[: wanted - len(items)]
        if not items or (len(items) < wanted and not fresh):
            return
        batch = Batch(number, tuple(items), result.strategy, model)
        self._batches.append(batch)
        self._current = len(self._batches) - 1
        self._open.append(self._current)
        self._writer.put_round(round_of(batch, result, self.classes, self._clock()))

"""The whole labelling loop without a screen: the terminal app, simulations and notebooks drive this one object.

    session.start()                      # submits the first request to the trainer
    item = session.batch.items[3]        # what to ask; items are addressed by their index in the pool
    session.label(item.index, 7, milliseconds=640)
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
from tuilabel.estimate import MeasuredAccuracy, advice_text, audit_estimate, class_figures, labels_per_minute
from tuilabel.labels import ClassBook, ClassChange, Event, Origin, Round, Writer
from tuilabel.labels.classes import ChangeKind, clean_class_name
from tuilabel.learner.trainer.messages import (
    ClassItems,
    Inspection,
    Message,
    OutOfFoldPredictions,
    PoolChanged,
    RoundResult,
)
from tuilabel.learner.trainer.protocol import Trainer
from tuilabel.session.answers import Answers, Moved
from tuilabel.session.batch_scheduler import Asking, Plan
from tuilabel.session.batches import Batches
from tuilabel.session.event_factory import AnswerKind, Drafts
from tuilabel.session.history import History, HistoryEntry
from tuilabel.session.model_queries import ModelQueries
from tuilabel.session.model_statistics import ModelStatistics
from tuilabel.session.rounds import AUDIT_SHARE, batch_of
from tuilabel.session.state import Batch, QueryItem, Statistics
from tuilabel.session.training import Training

PACE_WINDOW = 60  # answers over which labels per minute is measured


class LabellingSession:
    """Query, answer, retrain: one annotator's sitting over one pool.

    Parameters
    ----------
    pool : the images that may be asked.
    events, rounds, class_changes : all that the store holds so far; the session goes on from there.
    writer : takes the new events and rounds to disk.
    trainer : answers training requests; started by the caller, its messages passed to `handle`.
    classes : class names that there must be; a label is a position in `session.classes`. What `class_changes` say of
        these names counts: one that was renamed or merged does not come back.
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
    model_queries : asks the model about single items, classes and doubtful labels.

    Raises
    ------
    UsageError : where `batch_size`, `first_batch` or `budget` is below 1, `audit_share` not in 0…1, `target` not in
        between, or there are fewer than two classes.
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
        class_changes: Sequence[ClassChange] = (),
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
        if len({*classes, *ClassBook(class_changes).names}) < 2:
            raise UsageError("a classifier needs at least two classes: name them with --classes a,b")
        self.pool = pool
        self.strategy = strategy
        self.batch_size = batch_size
        self.annotator = annotator
        self.seed = seed
        plan = Plan(
            strategy=strategy,
            batch_size=batch_size,
            seed=seed,
            retrain=retrain,
            start=start or strategy,
            first_batch=first_batch or batch_size,
            budget=budget,
            audit_share=audit_share,
        )
        self._answers = Answers(pool, events, class_changes, classes, writer, annotator, clock)
        self._book, self._ledger = self._answers.book, self._answers.ledger
        earlier = (batch_of(row, pool, self._answers.timeline) for row in rounds)
        self._batches = Batches((batch for batch in earlier if batch.items), self._ledger.standing)
        self._drafts = Drafts(pool, self._book, self._ledger, self._batches, annotator, clock)
        tested = None if pool.test is None or not set(pool.classes) <= set(self.classes) else len(pool.test.images)
        self._figures = ModelStatistics(self.classes, batch_size, tested, target)
        self._figures.restore(rounds, self._ledger.audits.values())
        self._target = target
        self._training = Training(trainer, self._ledger, batch_size, cross_validate, self._figures)
        self.model_queries = ModelQueries(self, trainer)
        self._asking = Asking(plan, pool, self._book, self._ledger, self._batches, self._training, writer, clock)

    # -- what there is to see -----------------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by position."""
        return self._book.names

    @property
    def class_ids(self) -> tuple[int, ...]:
        """A number for each class that it keeps when others are added or merged, and that none had before it."""
        return self._book.slots

    @property
    def batch(self) -> Batch | None:
        """The batch that is asked now; None while there is none to ask (see `finished`)."""
        return self._batches.now

    @property
    def finished(self) -> bool:
        """Whether every item of the pool has been answered, or as many as the budget allows."""
        return self._asking.finished

    @property
    def result(self) -> RoundResult | None:
        """The trainer's newest result."""
        return self._training.result

    @property
    def trouble(self) -> str | None:
        """Why the trainer does not work, until it is well again."""
        return self._training.state.failure

    @property
    def can_undo(self) -> bool:
        """Whether there is a step of this annotator to take back."""
        return self._answers.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back in this sitting, and nothing was answered or changed since."""
        return self._answers.can_redo

    @property
    def last_batch(self) -> bool:
        """Whether the batch that is asked holds every item that is left."""
        return self._asking.last_batch

    def answer_at(self, pool_idx: int) -> Event | None:
        """The answer that stands for an item, with the class names of now; None without one."""
        return self._ledger.standing.get(pool_idx)

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The training set: pool indices (n,) and class positions (n,), both int64, by growing index."""
        indices, classes, _ = self._ledger.labels()
        return indices, classes

    def note_on(self, index: int) -> str | None:
        """The note on item `index`, or None."""
        return self._answers.notes.get(index)

    def notes(self) -> dict[int, str]:
        """Every note, by pool index."""
        return dict(self._answers.notes)

    def history(self) -> Sequence[HistoryEntry]:
        """The answers that stand now, of every annotator, newest first; see `History` for what it costs."""
        return History(self._ledger.standing.items(), self._answers.notes, self._book)

    @property
    def standing(self) -> Mapping[int, Event]:
        """The answers that stand, by pool index."""
        return self._ledger.standing

    @property
    def live_events(self) -> list[Event]:
        """Every answer that was not taken back, of every annotator; made anew at each call."""
        return self._ledger.live_events()

    def unavailable(self) -> NDArray[np.int64]:
        """Pool indices that are answered, set aside, gone or in an open batch, ascending."""
        asked = {item.index for item in self._batches.asked()}
        return np.union1d(self._asking.gone, sorted(asked | self._ledger.standing.keys())).astype(np.int64)

    def statistics(self) -> Statistics:
        """All figures of this moment."""
        ledger, training, result, batch = self._ledger, self._training, self.result, self.batch
        histogram = None if result is None else result.uncertainty_histogram
        figures, advice = self._figures, self._figures.advisor.advice
        counts = tuple(ledger.classes[c] for c in range(len(self.classes)))
        per_minute = labels_per_minute(self._answers.steps.latest(PACE_WINDOW))
        audit = audit_estimate(list(ledger.audits.values()))
        test = None if result is None else result.test
        accuracy = MeasuredAccuracy.on_audit(audit) if test is None else MeasuredAccuracy.on_test(test.accuracy, test.n)
        left = figures.labels_left(ledger.kinds["label"], len(self.pool.ids))
        return Statistics(
            pool_size=len(self.pool.ids),
            labelled=ledger.kinds["label"],
            skipped=ledger.kinds["skip"],
            flagged=ledger.kinds["flag"],
            per_minute=per_minute,
            round=batch.round if batch else len(self._batches),
            strategy=self.strategy,
            trainer=training.state,
            test_accuracy=None if test is None else test.accuracy,
            accuracy=accuracy,
            curve=figures.curve,
            by_test=figures.by_test,
            audit=audit,
            lure=training.lure,
            confidence=None if result is None else result.mean_confidence,
            advice=advice,
            mean_uncertainty=None if result is None else result.mean_uncertainty,
            histogram=None if histogram is None else tuple(histogram.tolist()),
            start_histogram=figures.start_histogram,
            class_counts=counts,
            class_figures=class_figures(counts, figures.confusion),
            confusion=figures.confusion,
            confusions=figures.confusions,
            target=self._target,
            labels_to_target=left,
            minutes_left=None if left is None or not per_minute else left / per_minute,
            advice_text=advice_text(accuracy.interval if accuracy else None, advice),
        )

    # -- answers ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ask the trainer for a model of the labels on disk; an unfinished batch is there at once."""
        self._asking.submit()

    def answer(
        self,
        pool_idx: int,
        kind: AnswerKind,
        class_pos: int | None = None,
        milliseconds: int = 0,
        *,
        origin: Origin | None = None,
    ) -> None:
        """Answer an item of the pool, queried or not; a new answer replaces the previous one.

        What was known when the item was queried stays with it: round, strategy, whether it is an audit item, and the
        prediction from before its answer was learnt. Only the answer and its `origin` are new.

        Parameters
        ----------
        pool_idx : index of the item in the pool, as `QueryItem.index` gives it.
        class_pos : position of the class in `classes`; only for a label.
        milliseconds : time from showing the item to the answer.
        origin : by default "batch" for an item of an open batch, else "direct".

        Raises
        ------
        UsageError : unless a label's class is one of the session's.
        IndexError : unless the item is in the pool.
        """
        self._give([(pool_idx, self._drafts.answer(pool_idx, kind, class_pos, milliseconds, origin))])

    def label(self, pool_idx: int, class_pos: int, milliseconds: int = 0) -> None:
        """Label an item with a class; parameters and errors as for `answer`."""
        self.answer(pool_idx, "label", class_pos, milliseconds)

    def confirm(self, pool_idx: int, milliseconds: int = 0) -> bool:
        """Label an item with the prediction it was queried with; False where it has none."""
        found = self._batches.find(pool_idx)
        if found is None or found[1].predicted is None:
            return False
        self.label(pool_idx, found[1].predicted, milliseconds)
        return True

    def skip(self, pool_idx: int, milliseconds: int = 0) -> None:
        """Skip an item: it is not queried again and not learnt."""
        self.answer(pool_idx, "skip", None, milliseconds)

    def flag(self, pool_idx: int, milliseconds: int = 0) -> None:
        """Flag an item for review: it is not queried again and not learnt."""
        self.answer(pool_idx, "flag", None, milliseconds)

    def confirm_class(
        self,
        indices: Sequence[int],
        class_index: int,
        milliseconds: int = 0,
        *,
        predicted: Sequence[int] | None = None,
        confidence: Sequence[float] | None = None,
    ) -> int:
        """Label many items of one class, as one step of undo; returns how many were labelled.

        Items that have an answer are left alone, and so are items of the batch that were drawn at random: they are
        asked there, by whatever class, else the estimates made of them would be of items that the model is sure of.

        Parameters
        ----------
        milliseconds : spent on all of them together.
        predicted, confidence : the newest model's class positions and their probabilities, one for each index.

        Raises
        ------
        UsageError : where the class is none of the session's.
        IndexError : where there is no such item.
        """
        drawn = {item.index for item in self._batches.asked() if item.audit or item.query_probability is not None}
        trained_on = None if self.result is None else self.result.n_labels or None
        guess = {index: k for k, index in enumerate(indices)}
        chosen = [index for index in guess if index not in drawn and index not in self._ledger.standing]
        step, each = uuid.uuid4().hex, milliseconds // max(1, len(chosen))
        given = []
        for index in chosen:
            event = replace(self._drafts.answer(index, "label", class_index, each, "by-class"), step=step)
            if predicted is not None:
                name = self._drafts.class_name(predicted[guess[index]])
                sure = None if confidence is None else float(confidence[guess[index]])
                event = replace(event, trained_on=trained_on, predicted=name, confidence=sure)
            given.append((index, event))
        if given:
            self._give(given)
        return len(given)

    def withdraw(self, index: int) -> bool:
        """Take back the standing answer to item `index`, with what its annotator had answered before.

        Another annotator's earlier answer stands then; without one the item is unanswered, and asked again in its
        batch. A step that can be undone. False where there is no answer.
        """
        if not self._answers.withdraw(index):
            return False
        self._asking.changed([index])
        return True

    def note(self, index: int, text: str) -> None:
        """Put a note on item `index`, in place of the one before; an empty text removes it. Not a step of undo."""
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if text == (self.note_on(index) or ""):
            return
        self._answers.give([(index, self._drafts.note(index, text))])

    # -- back and forth -----------------------------------------------------------------------------------------

    def undo(self) -> QueryItem | None:
        """Take back the last step that stands, however far back, and return to its batch.

        A step is an answer, a bulk confirmation, a withdrawal or a change of the classes. One that others have built
        on meanwhile is passed over.

        Returns an item of the step; None where there is nothing to take back or the step was about classes.
        """
        return self._moved(self._answers.undo)

    def redo(self) -> QueryItem | None:
        """Do again what was taken back last in this sitting; returns as `undo`."""
        return self._moved(self._answers.redo)

    # -- classes ------------------------------------------------------------------------------------------------

    def add_class(self, name: str) -> int:
        """A new class, after the others; returns its position.

        Raises
        ------
        UsageError : where `name` is empty, taken, or has a comma or control characters in it.
        """
        name = clean_class_name(name, self.classes)
        self._change_classes("add", name)
        return self.classes.index(name)

    def rename_class(self, class_index: int, name: str) -> None:
        """Another name for a class, with all its labels; raises `UsageError` as `add_class`."""
        old = self._drafts.class_name(class_index)
        if name.strip() == old:
            return
        self._change_classes("rename", old, clean_class_name(name, self.classes))

    def merge_classes(self, class_index: int, into: int) -> None:
        """Let class `class_index` and its labels, of all annotators, join class `into`.

        Raises
        ------
        UsageError : where they are the same, one is none of the session's, or no two classes would be left.
        """
        name, home = self._drafts.class_name(class_index), self._drafts.class_name(into)
        if name == home:
            raise UsageError(f"{name} cannot be merged into itself: name another class")
        if len(self.classes) == 2:
            raise UsageError(f"{name} and {home} are the last two classes: a classifier needs both")
        self._change_classes("merge", name, home)

    # -- the trainer --------------------------------------------------------------------------------------------

    def handle(self, message: Message) -> None:
        """Take in a message of the trainer; results older than the newest are dropped."""
        if isinstance(message, Inspection | ClassItems | OutOfFoldPredictions):
            self.model_queries.take(message)
        elif isinstance(message, PoolChanged):
            self.pool.refresh()
            self._ledger.grow(len(self.pool))
            self._training.moved(message.encoder)
            self._asking.moved()
        else:
            self._asking.hear(message)

    # -- inside -------------------------------------------------------------------------------------------------

    def _give(self, given: Sequence[tuple[int, Event]]) -> None:
        self._answers.give(given)
        self._asking.changed()

    def _moved(self, move: Callable[[], Moved | None]) -> QueryItem | None:
        """Undo or redo: go to the batch that it was about, if one is open."""
        slots = self.class_ids
        moved = move()
        if moved is None:
            return None
        if moved.classes:
            self._classes_changed(slots)
            return None
        index = moved.indices[-1]
        self._asking.changed(moved.indices, turn_to=index if len(moved.indices) == 1 else None)
        found = self._batches.find(index)
        return QueryItem(index, self.pool.ids[index].decode()) if found is None else found[1]

    def _change_classes(self, kind: ChangeKind, name: str, into: str | None = None) -> None:
        slots = self.class_ids
        self._answers.change_classes(kind, name, into)
        self._classes_changed(slots)

    def _classes_changed(self, slots: Sequence[int]) -> None:
        """After the classes that were at `slots` have changed."""
        self._asking.classes_changed(slots)
        self.model_queries.classes_changed([self._book.position(slot) for slot in slots], self._training.newest)

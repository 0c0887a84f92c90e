"""What a labelling session knows, to be read: its batch, its answers, its model and all figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.estimate import MeasuredPrecision, expected_precision, measured_precision
from tuilabel.labels import Event
from tuilabel.labels.classes import ClassBook
from tuilabel.labels.filters import Filter, Subject
from tuilabel.learner.trainer.messages import RoundResult
from tuilabel.session.annotators import TeamFigures, team_figures
from tuilabel.session.answers import Answers
from tuilabel.session.batch_scheduler import BatchScheduler
from tuilabel.session.batches import Batches
from tuilabel.session.event_factory import EventFactory
from tuilabel.session.history import History, HistoryEntry
from tuilabel.session.ledger import Ledger
from tuilabel.session.model_statistics import ModelStatistics
from tuilabel.session.state import Batch, Belief, ModelStatus, Statistics, TrainerState
from tuilabel.session.statistics import model_status, session_statistics
from tuilabel.session.trainer_client import TrainerClient


class SessionView:
    """The half of `LabellingSession` that changes nothing; the parts it looks at are made there."""

    pool: ImagePool
    strategy: str
    batch_size: int
    annotator: str
    seed: int
    _target: float | None
    _is_resumed: bool
    _answers: Answers
    _book: ClassBook
    _ledger: Ledger
    _batches: Batches
    _events: EventFactory
    _models: ModelStatistics
    _trainer: TrainerClient
    _scheduler: BatchScheduler

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by position."""
        return self._book.names

    @property
    def class_ids(self) -> tuple[int, ...]:
        """The id of each class, by position: it stays the same when others are added or merged, and is never reused."""
        return self._book.class_ids

    @property
    def batch(self) -> Batch | None:
        """The current batch; None while there is none (see `finished`)."""
        return self._batches.current

    @property
    def asked(self) -> list[str]:
        """Content ids of the items of open batches that are not answered."""
        return [item.id for item in self._batches.open_unanswered()]

    @property
    def are_left_to_others(self) -> bool:
        """Whether all items that are left are asked of other sessions."""
        n_left = len(self.pool) - len(self._ledger.standing)
        return 0 < n_left <= len(self._scheduler.leased)

    def next_items(self) -> list[int]:
        """Pool indices of the next batch in its order, as it would be created now, to draw them ahead; often empty."""
        return self._scheduler.next_items()

    @property
    def is_last_batch(self) -> bool:
        """Whether the current batch holds every item that is left."""
        return self._scheduler.is_last_batch

    @property
    def finished(self) -> bool:
        """Whether every item of the pool has been answered, or as many as the budget allows."""
        return self._scheduler.finished

    @property
    def result(self) -> RoundResult | None:
        """The trainer's newest result."""
        return self._trainer.result

    @property
    def trainer_failure(self) -> str | None:
        """Why the trainer does not work; None while it does."""
        return self._trainer.state.failure

    @property
    def can_undo(self) -> bool:
        """Whether this annotator has a step to undo."""
        return self._answers.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether a step was undone in this session, and nothing was answered or changed since."""
        return self._answers.can_redo

    @property
    def standing(self) -> Mapping[int, Event]:
        """The standing answers, by pool index, with current class names."""
        return self._ledger.standing

    @property
    def live_events(self) -> list[Event]:
        """Every answer that was not undone, of every annotator; a new list at each call."""
        return self._ledger.live_events()

    @property
    def flags(self) -> Mapping[int, Event]:
        """The flag of each flagged item, by pool index; an item with a flag may have a label as well."""
        return self._ledger.flags

    def answer_at(self, pool_idx: int) -> Event | None:
        """An item's standing answer, with current class names; None if it has none.

        Of an item that is flagged and has no other answer it is the flag. Of one that several people are asked it is
        None as long as this annotator is asked: others' answers must not be known before.
        """
        return None if self._events.awaits_own(pool_idx) else self._ledger.standing.get(pool_idx)

    def flag_on(self, pool_idx: int) -> Event | None:
        """The flag on an item, which says who put it there and when; None if it has none."""
        return self._ledger.flags.get(pool_idx)

    @property
    def blind(self) -> bool:
        """Whether all predictions are hidden until their items are answered."""
        return self._events.blind

    @blind.setter
    def blind(self, blind: bool) -> None:
        self._events.blind = blind

    def hides(self, pool_idx: int) -> bool:
        """Whether the prediction of an item must not be shown yet, so that its answer does not lean on it.

        That is so for audit items and as many other items of their batch, and in a `blind` session for all, until they
        are answered.
        """
        return self._events.hides(pool_idx)

    def belief(self, pool_idx: int) -> Belief | None:
        """What the model of an item's batch believes about it, which `confirm` accepts; None without a prediction."""
        _, item = self._batches.find(pool_idx) or (None, None)
        if item is None or item.predicted is None or item.confidence is None:
            return None
        chances = None if item.probabilities is None else tuple(item.probabilities.tolist())
        return Belief(item.predicted, item.confidence, chances)

    def measured_precision(self, class_pos: int, min_confidence: float = 0.0) -> MeasuredPrecision:
        """How many audit items that were predicted to be of a class, at least as surely, were of it."""
        return measured_precision(self._ledger.audits, self.classes[class_pos], min_confidence)

    def expected_precision(self, class_pos: int, confidences: Sequence[float]) -> float:
        """How many items that a model predicts to be of a class are expected to be of it, as a share.

        Parameters
        ----------
        confidences : of the class, one for each item, in 0…1; at least one.
        """
        of_all = measured_precision(self._ledger.audits)
        return expected_precision(confidences, self.measured_precision(class_pos), of_all)

    @property
    def trainer_state(self) -> TrainerState:
        """What the trainer is doing."""
        return self._trainer.state

    @property
    def model_status(self) -> ModelStatus:
        """Whether there is a model, or one is on its way."""
        return model_status(self._ledger, self._trainer, is_resumed=self._is_resumed)

    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The training set: pool indices (n,), ascending, and class positions (n,), both int64."""
        indices, classes, _ = self._ledger.labels()
        return indices, classes

    def unavailable(self) -> NDArray[np.int64]:
        """Pool indices int64 (n,), ascending, of items that are answered, gone, asked of others or in an open batch."""
        queried = {item.index for item in self._batches.open_items()}
        taken = queried | self._ledger.standing.keys() | self._scheduler.leased
        return np.union1d(self._scheduler.gone, sorted(taken)).astype(np.int64)

    def note_on(self, pool_idx: int) -> str | None:
        """The note on an item; None if it has none."""
        return self._answers.notes.get(pool_idx)

    def matches(self, where: Filter, pool_idx: int) -> bool:
        """Whether an item's standing answer, flag and note meet a filter."""
        note = self.note_on(pool_idx) or ""
        return where.matches(Subject(self.answer_at(pool_idx), self.flag_on(pool_idx), note))

    def number(self, key: str) -> int:
        """The place of an answer or a flag that was not undone in the order in which they came, by its key."""
        return self._ledger.number(key)

    def team_figures(self) -> TeamFigures:
        """What each annotator did, and how far they agree; it goes through all answers."""
        return team_figures(self._ledger.live_events())

    def answered_by(self) -> Counter[str]:
        """Number of standing answers by annotator."""
        return Counter(event.annotator for event in self._ledger.standing.values())

    @property
    def annotators(self) -> tuple[str, ...]:
        """Who has given answers that stand, most answers first."""
        return tuple(name for name, _ in self.answered_by().most_common())

    def notes(self) -> dict[int, str]:
        """Every note, by pool index."""
        return dict(self._answers.notes)

    def history(self) -> Sequence[HistoryEntry]:
        """The standing answers of every annotator, newest first; see `History` for what it costs."""
        return History(self._ledger.standing.items(), self._answers.notes, self._book, self._ledger.number)

    def statistics(self) -> Statistics:
        """A snapshot of all figures."""
        return session_statistics(
            self._ledger,
            self._answers.steps,
            self._models,
            self._trainer,
            model=self.model_status,
            strategy=self.batch.strategy if self._trainer.has_stopped and self.batch else self.strategy,
            round_number=self.batch.round if self.batch else len(self._batches),
            n_classes=len(self.classes),
            target=self._target,
        )

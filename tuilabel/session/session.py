"""The labelling loop without a screen: the terminal app, simulations and notebooks all drive this one object.

trainer.start(session.handle)        # messages of the trainer go to the session
session.start()                      # submits the first request to the trainer
item = session.batch.items[3]        # what to label; items are addressed by their index in the pool
session.label(item.index, 7, milliseconds=640)
session.statistics()                 # a frozen snapshot of all figures
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.errors import UsageError
from tuilabel.labels import Changes, ClassChange, Drawn, Event, NullWriter, Origin, Round, Team, Writer
from tuilabel.labels.classes import ChangeKind, clean_class_name
from tuilabel.labels.events import note_text
from tuilabel.labels.store import Role
from tuilabel.learner.trainer.messages import (
    Message,
    PoolChanged,
    Reply,
)
from tuilabel.learner.trainer.protocol import Trainer
from tuilabel.session.answers import Answers, Touched
from tuilabel.session.batch_scheduler import BatchScheduler, QueryPlan
from tuilabel.session.batches import Batches
from tuilabel.session.drawing import Drawer
from tuilabel.session.event_factory import AnswerKind, EventFactory
from tuilabel.session.model_queries import ModelQueries
from tuilabel.session.model_statistics import ModelStatistics
from tuilabel.session.overlap import Overlap
from tuilabel.session.rounds import AUDIT_SHARE, Asked, batch_from_round
from tuilabel.session.state import Batch, QueryItem
from tuilabel.session.statistics import has_two_classes
from tuilabel.session.step_text import step_text
from tuilabel.session.trainer_client import TrainerClient
from tuilabel.session.view import SessionView


class LabellingSession(SessionView):
    """Query, answer, retrain: one annotator's session on one pool.

    Parameters
    ----------
    pool : the images to label.
    log, rounds, class_changes : all that the store holds so far; the session continues from there.
    writer : writes new events, class changes and rounds to disk; by default they are kept in memory only.
    trainer : answers training requests. The caller starts it, with `handle` as the receiver of its messages.
    classes : names of the classes; a label is a position in `session.classes`. Names that the store does not know are
        added. One that was renamed or merged according to `class_changes` does not come back. There may be none yet:
        they can be added at any time, and there is a model as soon as two have labels.
    strategy : name of the query strategy; until there are labels of two classes the trainer falls back on coverage.
    batch_size : items per round; at least 1.
    annotator : the name on every answer.
    seed : seeds everything that is drawn at random.
    retrain : "label" requests a new model after every answer (for people, who go on labelling meanwhile), "batch" only
        when a batch is complete, before the next is picked (for simulations).
    start : strategy of the first batch; by default `strategy`, or coverage if that needs a model.
    first_batch : items of the first batch; by default `batch_size`.
    budget : answers after which the session is finished; by default the whole pool.
    audit_share : share of each batch from the second on that is drawn uniformly at random, 0…1.
    cross_validate : whether the trainer cross-validates after each batch, for the estimate by LURE weights; by default
        if the strategy draws at random.
    target : the accuracy to reach, above 0 and below 1; by default none.
    clock : the time, in UTC.
    session_id : its id, stored with its rounds; by default a new one.
    overlap : the items that several people are asked; by default none.
    role : what it may do at most: a labeller answers, and undoes what was theirs.
    drawer : draws its batches if it shares the store with other sessions; what it answers goes to `handle`.

    Attributes
    ----------
    id : its id.
    team : who works on the same store, as far as is known.
    model_queries : asks the model about single items, classes and doubtful labels.

    Raises
    ------
    UsageError : if a parameter is out of range.
    """

    def __init__(
        self,
        pool: ImagePool,
        *,
        trainer: Trainer,
        classes: Sequence[str],
        writer: Writer | None = None,
        log: Sequence[Event] = (),
        rounds: Sequence[Round] = (),
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
        session_id: str | None = None,
        drawer: Drawer | None = None,
        role: Role = "owner",
        overlap: Overlap | None = None,
    ) -> None:
        self.id = session_id or uuid.uuid4().hex
        writer = NullWriter() if writer is None else writer
        plan = QueryPlan(strategy, batch_size, seed, retrain, start, first_batch, budget, audit_share)
        if target is not None and not 0 < target < 1:
            raise UsageError(f"target must be above 0 and below 1, such as 0.95, got {target}", parameter="target")
        self.pool, self.strategy, self.batch_size = pool, strategy, batch_size
        self.annotator, self.seed, self._target = annotator, seed, target
        self._last_step = ""
        self._answers = Answers(pool, log, class_changes, classes, writer, annotator, clock)
        self._book, self._ledger = self._answers.book, self._answers.ledger
        self._is_resumed = has_two_classes(self._ledger)
        earlier = ((self._batch_from(row), row.annotator not in (None, annotator)) for row in rounds)
        self._batches = Batches((pair for pair in earlier if pair[0].items), self._is_done)
        self._events = EventFactory(pool, self._book, self._ledger, self._batches, annotator, clock)
        has_test = pool.test is not None and set(pool.classes) <= set(self.classes)
        test_size = len(pool.test.images) if pool.test is not None and has_test else None
        self._models = ModelStatistics(self.classes, batch_size, test_size, target)
        self._models.restore(rounds, self._ledger.audits)
        self._trainer = TrainerClient(trainer, self._ledger, batch_size, cross_validate, self._models)
        self.model_queries = ModelQueries(self, trainer)
        self._scheduler = BatchScheduler(
            plan,
            pool,
            self._book,
            self._ledger,
            self._batches,
            self._trainer,
            writer,
            clock,
            Asked(self.id, annotator),
            drawer,
            overlap or Overlap(),
            lambda: self._answers.unstored,
        )
        self.team = Team()
        self._role: Role = role

    # -- answers ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Request a model of the labels in the log; an unfinished batch is available at once."""
        self._scheduler.submit()

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

        What was known when the item was queried is kept: round, strategy, whether it is an audit item, and the
        prediction of a model that was not trained on its answer. Only the answer and its `origin` are new.

        Parameters
        ----------
        pool_idx : index of the item in the pool, as `QueryItem.index` gives it.
        class_pos : position of the class in `classes`; only for a label.
        milliseconds : time from showing the item to the answer.
        origin : by default "batch" for an item of an open batch, else "direct".

        Raises
        ------
        UsageError : if a label's class is not one of the session's.
        IndexError : if the item is not in the pool.
        """
        if kind == "flag":
            self._flag([pool_idx], True, milliseconds, origin)
        else:
            self._write([(pool_idx, self._events.answer(pool_idx, kind, class_pos, milliseconds, origin))])

    def answer_many(
        self,
        pool_indices: Sequence[int],
        kind: AnswerKind,
        class_pos: int | Sequence[int] | None = None,
        milliseconds: int = 0,
        *,
        origin: Origin | None = None,
    ) -> None:
        """Answer several items as one undo step; other parameters, and errors, are those of `answer`.

        If there is an error, nothing is answered.

        Parameters
        ----------
        class_pos : one class for all, or one for each item; only for labels.
        milliseconds : time spent on all items together.
        """
        if kind == "flag":
            self._flag(pool_indices, True, milliseconds, origin)
            return
        written = self._events.answers(pool_indices, kind, class_pos, milliseconds, origin)
        if written:
            self._write(written)

    def label(self, pool_idx: int, class_pos: int, milliseconds: int = 0) -> None:
        """Label an item with a class; parameters and errors as for `answer`."""
        self.answer(pool_idx, "label", class_pos, milliseconds)

    def confirm(self, pool_idx: int, milliseconds: int = 0) -> bool:
        """Label an item with the prediction it was queried with; False if it has none, or hides it."""
        return bool(self.confirm_many([pool_idx], milliseconds))

    def confirm_many(self, pool_indices: Sequence[int], milliseconds: int = 0) -> list[int]:
        """Label items with the predictions they were queried with, as one undo step.

        Returns
        -------
        Pool indices of those that were labelled: the others have no prediction, or hide it.
        """
        queried = ((pool_idx, self._batches.find(pool_idx)) for pool_idx in pool_indices if not self.hides(pool_idx))
        predicted = {
            pool_idx: found[1].predicted
            for pool_idx, found in queried
            if found is not None and found[1].predicted is not None
        }
        self.answer_many([*predicted], "label", [*predicted.values()], milliseconds)
        return [*predicted]

    def skip(self, pool_idx: int, milliseconds: int = 0) -> None:
        """Skip an item: it is neither queried again nor used for training."""
        self.answer(pool_idx, "skip", None, milliseconds)

    def flag(self, pool_idx: int, milliseconds: int = 0) -> None:
        """Flag an item for review, beside its answer. Without a label it is neither queried again nor trained on."""
        self._flag([pool_idx], True, milliseconds, None)

    def unflag(self, pool_idx: int, milliseconds: int = 0) -> None:
        """Take the flag off an item, no matter who put it there. Without an answer it is unanswered again."""
        self._flag([pool_idx], False, milliseconds, None)

    def toggle_flag(self, pool_indices: Sequence[int], milliseconds: int = 0, *, origin: Origin | None = None) -> bool:
        """Flag items or, if all of them are flagged, take the flags off; one undo step.

        Parameters
        ----------
        pool_indices : at least one.
        milliseconds : time spent on all of them together.
        origin : as for `answer`.

        Returns
        -------
        Whether they are flagged now.

        Raises
        ------
        IndexError : if an item is not in the pool.
        """
        flagged = not all(pool_idx in self._ledger.flags for pool_idx in pool_indices)
        self._flag(pool_indices, flagged, milliseconds, origin)
        return flagged

    def confirm_class(
        self,
        pool_indices: Sequence[int],
        class_pos: int,
        milliseconds: int = 0,
        *,
        predicted: Sequence[int] | None = None,
        confidence: Sequence[float] | None = None,
    ) -> int:
        """Label many items with one class, as one undo step; returns how many were labelled.

        Answered items are left alone, and so are items of open batches that were drawn at random: confirming them here
        would bias the estimates from random draws towards items that the model is sure of.

        Parameters
        ----------
        milliseconds : time spent on all items together.
        predicted, confidence : the newest model's class positions and their probabilities, one for each index.

        Raises
        ------
        UsageError : if the class is not one of the session's.
        IndexError : if an item is not in the pool.
        """
        trained_on = None if self.result is None else self.result.n_labels or None
        written = self._events.confirmations(
            pool_indices, class_pos, milliseconds, predicted=predicted, confidence=confidence, trained_on=trained_on
        )
        if written:
            self._write(written)
        return len(written)

    def withdraw(self, pool_idx: int) -> bool:
        """Withdraw an item's standing answer, and its annotator's earlier ones; False if it has none.

        Another annotator's earlier answer then stands; without one the item is unanswered again, and so is its place in
        its batch. A flag beside the answer stays; if there is only a flag, it is taken off. A withdrawal is a step that
        can be undone.
        """
        return bool(self.withdraw_many([pool_idx]))

    def withdraw_many(self, pool_indices: Sequence[int]) -> list[int]:
        """Withdraw the answers of several items, as one undo step; see `withdraw`.

        Returns
        -------
        Pool indices of those that had an answer or a flag.

        Raises
        ------
        UsageError : if one is of somebody else, and this annotator is not an owner.
        """
        answers = (self._ledger.standing.get(pool_idx) for pool_idx in pool_indices)
        if any(answer is not None and answer.annotator != self.annotator for answer in answers):
            self._check_owner("remove the answers of others")
        withdrawn = self._answers.withdraw(pool_indices)
        if withdrawn:
            self._scheduler.on_answers_changed(withdrawn)
        return withdrawn

    def note(self, pool_idx: int, text: str) -> None:
        """Put a note on an item, in place of the previous one; an empty text removes it. Not an undo step."""
        text = note_text(text)
        if text != (self.note_on(pool_idx) or ""):
            self._answers.write([(pool_idx, self._events.note(pool_idx, text))])

    # -- undo and redo ------------------------------------------------------------------------------------------

    def undo(self) -> QueryItem | None:
        """Undo the last step that can be undone, however far back, and return to its batch.

        A step is what one key did: answers, flags, withdrawals, or a class change. One that later changes depend on is
        passed over. `last_change` says what it was.

        Returns
        -------
        An item of the step; None if there was nothing to undo or the step was a class change.
        """
        return self._travel(self._answers.undo)

    def redo(self) -> QueryItem | None:
        """Redo what was last undone in this session; returns the same as `undo`."""
        return self._travel(self._answers.redo)

    @property
    def last_change(self) -> str:
        """What the last undo or redo did, in words: "took back: cat on IMG_0042.jpg"; empty before the first."""
        return self._last_step

    # -- classes ------------------------------------------------------------------------------------------------

    def add_class(self, name: str) -> int:
        """Add a class after the others; returns its position.

        Raises
        ------
        UsageError : if `name` is empty, taken, or contains a comma or control characters.
        """
        name = clean_class_name(name, self.classes)
        self._change_classes("add", name)
        return self.classes.index(name)

    def rename_class(self, class_pos: int, name: str) -> None:
        """Rename a class, with all its labels; raises `UsageError` like `add_class`."""
        old = self._events.class_name(class_pos)
        if name.strip() != old:
            self._change_classes("rename", old, clean_class_name(name, self.classes))

    def merge_classes(self, class_pos: int, into: int) -> None:
        """Merge the class at `class_pos` and its labels, of all annotators, into the class at position `into`.

        Raises
        ------
        UsageError : if they are the same, or one does not exist.
        """
        name, target = self._events.class_name(class_pos), self._events.class_name(into)
        if name == target:
            raise UsageError(f"{name} cannot be merged into itself: name another class")
        self._change_classes("merge", name, target)

    # -- the trainer --------------------------------------------------------------------------------------------

    def handle(self, message: Message | Changes | Team | Drawn) -> None:
        """Handle a message of the trainer, in the thread that owns the session; outdated results are dropped.

        Also one of a `Follower`: what was written to the store, who is here, or which batch was drawn.
        """
        if isinstance(message, Reply):
            self.model_queries.handle(message)
        elif isinstance(message, Changes):
            self.follow(message)
        elif isinstance(message, Team):
            self.meet(message)
        elif isinstance(message, Drawn):
            self._scheduler.on_drawn(message)
        elif isinstance(message, PoolChanged):
            self.pool.refresh()
            self._ledger.grow(len(self.pool))
            self._answers.on_pool_grown()
            self._trainer.on_features_changed(message.encoder)
            self._scheduler.on_pool_changed()
        else:
            self._scheduler.handle(message)

    def restart_trainer(self) -> None:
        """Start the trainer afresh: after it has given up, or when it seems to hang."""
        self._trainer.restart()

    # -- colleagues ---------------------------------------------------------------------------------------------

    def follow(self, changes: Changes) -> bool:
        """Follow what the store has got since: what other sessions wrote, and what this one did.

        Answers, flags, notes, undos, class changes and rounds of others are known from then on, and the trainer is
        asked for a new model. The order in the store decides: an answer that a colleague stored before one of this
        session does not replace it, even if it arrives later.

        Returns
        -------
        Whether anything changes by that.
        """
        added_by = [self._book.key_of(class_id) for class_id in self.class_ids]
        followed = self._answers.follow(changes)
        for row in changes.rounds:
            batch = self._batch_from(row)
            if row.session != self.id and batch.items:
                self._batches.add_of_other(batch)
        if followed.classes:
            self._on_classes_changed([self._book.id_of_key(key) for key in added_by])
        if followed.pool_indices:
            self._scheduler.on_answers_changed(followed.pool_indices)
        return bool(followed.pool_indices or followed.classes)

    def asked_of(self, session: str) -> int:
        """How many items a session is asked that have no answer yet."""
        if session == self.id:
            return len(self.asked)
        indices = self.pool.indices_of(sorted(self.team.leases.get(session, ()))).tolist()
        return sum(pool_idx not in self._ledger.standing for pool_idx in indices)

    @property
    def role(self) -> Role:
        """What this annotator may do."""
        return "labeller" if "labeller" in (self._role, self.team.role_of(self.annotator)) else "owner"

    def meet(self, team: Team) -> None:
        """Take note of who else is here, and which items they are asked.

        Items that somebody else was given while this annotator was away leave the batch, unless they are answered.
        """
        self.team = team
        of_others, mine = team.leased_to_others(self.id), team.leases.get(self.id, frozenset())
        waiting = self._batches.open_unanswered()
        lost = {item.index for item in waiting if item.id in of_others and item.id not in mine}
        leased = [i for i in self.pool.indices_of(sorted(of_others)).tolist() if i not in self._ledger.standing]
        colleagues = sum(present.session != self.id for present in team.sessions)
        self._scheduler.on_team_changed(colleagues, [pool_idx for pool_idx in leased if pool_idx >= 0], lost)

    # -- private ------------------------------------------------------------------------------------------------

    def _write(self, events: Sequence[tuple[int, Event]]) -> None:
        self._answers.write(events)
        self._scheduler.on_answers_changed()

    def _flag(self, pool_indices: Sequence[int], flagged: bool, milliseconds: int, origin: Origin | None) -> None:
        written = self._events.flags(pool_indices, flagged, milliseconds, origin)
        if written:
            self._answers.write(written)
            self._scheduler.on_answers_changed([pool_idx for pool_idx, _ in written])

    def _travel(self, step: Callable[[], Touched | None]) -> QueryItem | None:
        """Undo or redo, and return to the batch it was about, if that is open."""
        class_ids = self.class_ids
        touched = step()
        if touched is None:
            return None
        self._last_step = step_text(touched, self.pool)
        if touched.change is not None:
            self._on_classes_changed(class_ids)
            return None
        pool_idx = touched.pool_indices[-1]
        self._scheduler.on_answers_changed(touched.pool_indices, switch_to=pool_idx)
        queried = self._batches.find(pool_idx)
        return QueryItem(pool_idx, self.pool.id_of(pool_idx)) if queried is None else queried[1]

    def _check_owner(self, doing: str) -> None:
        if self.role == "labeller":
            raise UsageError(f"only an owner of the project may {doing}")

    def _change_classes(self, kind: ChangeKind, name: str, into: str | None = None) -> None:
        self._check_owner("change its classes")
        class_ids = self.class_ids
        self._answers.change_classes(kind, name, into)
        self._on_classes_changed(class_ids)

    def _is_done(self, item: QueryItem) -> bool:
        if item.overlap:
            return self.annotator in self._ledger.answered_by(item.index)
        return item.index in self._ledger.standing

    def _batch_from(self, row: Round) -> Batch:
        return batch_from_round(row, self.pool, self._answers.timeline, self._book)

    def _on_classes_changed(self, old_class_ids: Sequence[int | None]) -> None:
        self._scheduler.on_classes_changed(old_class_ids)
        new_class_pos = [self._book.position(class_id) for class_id in old_class_ids]
        self.model_queries.on_classes_changed(new_class_pos, self._trainer.newest_serial)

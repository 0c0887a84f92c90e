"""What an import would do to a project, and the doing of it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.errors import UsageError
from tuilabel.labels.classes import ClassBook, ClassChange, clean_class_name, with_current_names
from tuilabel.labels.events import Event, current_answers
from tuilabel.labels.exchange.foreign import ForeignLabel
from tuilabel.labels.store import LabelStore

STRATEGY = "import"
_ASIDE = {"skip": "skipped", "flag": "flagged"}

OnConflict = Literal["skip", "replace"]


@dataclass(frozen=True)
class Conflict:
    """A row that says another class than what stands."""

    row: ForeignLabel
    there: str
    """The class; `skipped` or `flagged` where that was the answer."""
    here: str
    """The row's class."""


@dataclass
class ImportPlan:
    """The rows of an import, sorted, and what is to be written."""

    matched: int = 0
    """Rows whose item was found."""
    same: int = 0
    """Of them, those that say what stands already."""
    conflicts: list[Conflict] = field(default_factory=list)
    """Of them, those that say something else."""
    unknown: list[ForeignLabel] = field(default_factory=list)
    """Rows whose item was not found."""
    without_label: list[ForeignLabel] = field(default_factory=list)
    """Rows that name no class, or one that no class can be called."""
    new_classes: list[str] = field(default_factory=list)
    changes: list[ClassChange] = field(default_factory=list)
    """To be written first."""
    events: list[Event] = field(default_factory=list)

    @property
    def annotators(self) -> dict[str, int]:
        """Labels to be written, by annotator."""
        return dict(Counter(event.annotator for event in self.events).most_common())


def plan_import(
    rows: Iterable[tuple[ForeignLabel, int]],
    pool: ImagePool,
    events: Sequence[Event],
    changes: Sequence[ClassChange],
    classes: Sequence[str],
    annotator: Callable[[ForeignLabel], str],
    on_conflict: OnConflict = "skip",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ImportPlan:
    """What the rows would change.

    Labels are written as answers of their annotators with the time they were given, where a row says when. They carry
    no audit mark, no query probability and no prediction: nobody drew them. All are one step, which their annotator
    can undo. Several annotators in one file may disagree; what stood before is only replaced if asked.

    Parameters
    ----------
    rows : each with the index of its item, -1 for none; see `Matcher`.
    events, changes : what the store holds.
    classes : of the project; what the store does not know of them is begun, as a sitting would.
    annotator : the name that a row's answer carries.
    """
    plan, now, step = ImportPlan(), clock(), uuid.uuid4().hex
    book = _Classes(changes, classes, len(events), now)
    before = current_answers(with_current_names(events, [*changes, *book.changes]))
    given: dict[tuple[str, str], Event] = {}
    for row, index in rows:
        if not row.label or not book.can_be(row.label):
            plan.without_label.append(row)
            continue
        if index < 0:
            plan.unknown.append(row)
            continue
        plan.matched += 1
        item, who = pool.ids[index].decode(), annotator(row)
        label = book.name(row.label)
        there = given.get((item, who)) or before.get(item)
        said = None if there is None else _ASIDE.get(there.kind) or there.class_name
        if said == label:
            plan.same += 1
            continue
        if said is not None:
            plan.conflicts.append(Conflict(row, said, label))
            if on_conflict == "skip":
                continue
        given[item, who] = _event(item, book.add(label, who), who, row.at or now, step)
        plan.events.append(given[item, who])
    plan.new_classes, plan.changes = book.new, book.changes
    return plan


def apply_import(plan: ImportPlan, store: LabelStore) -> None:
    """Write the plan; raises `TuilabelError` where that fails, and then no label is written."""
    store.add_class_changes(plan.changes)
    store.append(plan.events)


class _Classes:
    """The classes of a project, with those that the import adds."""

    def __init__(self, changes: Sequence[ClassChange], classes: Sequence[str], n_events: int, now: datetime) -> None:
        self._book, self._n_events, self._now = ClassBook(changes), n_events, now
        self.changes: list[ClassChange] = []
        self.new: list[str] = []
        for name in classes:
            if self._book.first(name) is None:
                self._change("begin", name, "")

    def can_be(self, label: str) -> bool:
        """Whether a class is or may be called so."""
        if label in self._book.names:
            return True
        try:
            return clean_class_name(label, ()) == label
        except UsageError:
            return False

    def name(self, label: str) -> str:
        """What the class is called now: one that was renamed or merged does not come back."""
        if label in self._book.names:
            return label
        return self._book.name(self._book.first(label)) or label

    def add(self, name: str, annotator: str) -> str:
        """The class, made where there is none of that name."""
        if name not in self._book.names:
            self.new.append(name)
            self._change("add", name, annotator)
        return name

    def _change(self, kind: Literal["begin", "add"], name: str, annotator: str) -> None:
        key = uuid.uuid4().hex
        change = ClassChange(key, kind, name, None, annotator or STRATEGY, self._now, self._n_events)
        self.changes.append(change)
        self._book.apply(change)


def _event(item: str, label: str, annotator: str, at: datetime, step: str) -> Event:
    return Event(
        key=uuid.uuid4().hex,
        kind="label",
        item=item,
        class_name=label,
        annotator=annotator,
        at=at,
        milliseconds=0,
        round=0,
        strategy=STRATEGY,
        query_probability=None,
        trained_on=None,
        predicted=None,
        confidence=None,
        audit=False,
        step=step,
    )

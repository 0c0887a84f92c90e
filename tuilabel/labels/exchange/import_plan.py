"""Work out what an import would change in a project, and apply it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.datasets.sources.texts import normal
from tuilabel.errors import UsageError
from tuilabel.labels.classes import ClassBook, ClassChange, clean_class_name, with_current_names
from tuilabel.labels.events import Event, current_answers
from tuilabel.labels.exchange.base import ImportedLabel
from tuilabel.labels.store import LabelStore

_WITHOUT_CLASS = {"skip": "skipped", "flag": "flagged"}

OnConflict = Literal["skip", "replace"]


@dataclass(frozen=True)
class Conflict:
    """An imported label that differs from the current answer."""

    row: ImportedLabel
    current: str
    """The class in the project, or `skipped` or `flagged`."""
    imported: str
    """The class in the imported file."""


@dataclass
class ImportPlan:
    """The outcome for each row of an import, and what has to be written."""

    matched: int = 0
    """Rows whose item was found."""
    same: int = 0
    """Matched rows that agree with the current answer."""
    conflicts: list[Conflict] = field(default_factory=list)
    """Matched rows that differ from the current answer."""
    unknown: list[ImportedLabel] = field(default_factory=list)
    """Rows whose item was not found."""
    without_label: list[ImportedLabel] = field(default_factory=list)
    """Rows without a class, or with one that is not a valid class name."""
    odd: list[ImportedLabel] = field(default_factory=list)
    """Records that could not be read."""
    new_classes: list[str] = field(default_factory=list)
    changes: list[ClassChange] = field(default_factory=list)
    """Class changes to write before the events."""
    events: list[Event] = field(default_factory=list)
    """Labels to write."""

    @property
    def annotators(self) -> dict[str, int]:
        """Number of labels to write by annotator, most first."""
        return dict(Counter(event.annotator for event in self.events).most_common())


def plan_import(
    rows: Iterable[tuple[ImportedLabel, int]],
    pool: ImagePool,
    events: Sequence[Event],
    changes: Sequence[ClassChange],
    classes: Sequence[str],
    annotator: Callable[[ImportedLabel], str],
    on_conflict: OnConflict = "skip",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ImportPlan:
    """Work out what importing the rows would change.

    Each label becomes an answer of its annotator, with the time from the file if it has one. Imported answers have no
    audit mark, query probability or prediction, because those items were not drawn at random. All of them are one step,
    which their annotator can undo. Annotators may disagree within one file; an answer that was in the project before
    is replaced only if `on_conflict` is `replace`.

    Parameters
    ----------
    rows : labels, each with the pool index of its item or -1; see `Matcher`.
    events, changes : the content of the label store.
    classes : the project's classes; those that the store does not know yet are added to it, as a session does.
    annotator : gives the annotator of a row.
    """
    plan, now, step = ImportPlan(), clock(), uuid.uuid4().hex
    book = _Classes(changes, classes, len(events), now)
    before = current_answers(with_current_names(events, [*changes, *book.changes]))
    given: dict[tuple[str, str], Event] = {}
    for row, index in rows:
        if row.is_odd:
            plan.odd.append(row)
            continue
        if not row.label or not book.is_valid(row.label):
            plan.without_label.append(row)
            continue
        if index < 0:
            plan.unknown.append(row)
            continue
        plan.matched += 1
        item, labeller = pool.ids[index].decode(), annotator(row)
        label = book.current_name(row.label)
        answer = given.get((item, labeller)) or before.get(item)
        current = None if answer is None else _WITHOUT_CLASS.get(answer.kind) or answer.class_name
        if current == label:
            plan.same += 1
            continue
        if current is not None:
            plan.conflicts.append(Conflict(row, current, label))
            if on_conflict == "skip":
                continue
        given[item, labeller] = _event(item, book.add(label, labeller), labeller, row.at or now, step)
        plan.events.append(given[item, labeller])
    plan.new_classes, plan.changes = book.new, book.changes
    return plan


def apply_import(plan: ImportPlan, store: LabelStore) -> None:
    """Write the plan to the store; raises `TuilabelError` if that fails, and then no label is written."""
    store.add_class_changes(plan.changes)
    store.append(plan.events)


class _Classes:
    """The classes of a project, including those that the import adds."""

    def __init__(self, changes: Sequence[ClassChange], classes: Sequence[str], n_events: int, now: datetime) -> None:
        self._book, self._n_events, self._now = ClassBook(changes), n_events, now
        self.changes: list[ClassChange] = []
        self.new: list[str] = []
        self._spelled = {normal(name): name for name in classes}
        for name in classes:
            if self._book.first_id(name) is None:
                self._change("begin", name, "")

    def is_valid(self, label: str) -> bool:
        """Whether a class has this name, or could have it."""
        if label in self._book.names:
            return True
        try:
            return clean_class_name(label, ()) == label
        except UsageError:
            return False

    def current_name(self, label: str) -> str:
        """The current name of the class: a class that was renamed or merged does not come back."""
        label = self._spelled.get(label, label)  # it may be there in another form of Unicode
        if label in self._book.names:
            return label
        return self._book.name(self._book.first_id(label)) or label

    def add(self, name: str, annotator: str) -> str:
        """Add the class unless it exists; returns its name."""
        if name not in self._book.names:
            self.new.append(name)
            self._change("add", name, annotator)
        return name

    def _change(self, kind: Literal["begin", "add"], name: str, annotator: str) -> None:
        key = uuid.uuid4().hex
        change = ClassChange(key, kind, name, None, annotator or "import", self._now, self._n_events)
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
        strategy="",
        origin="import",
        query_probability=None,
        trained_on=None,
        predicted=None,
        confidence=None,
        audit=False,
        step=step,
    )

"""Work out what an import would change in a project, and apply it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from tuilabel.datasets import ImagePool
from tuilabel.datasets.sources.texts import normal
from tuilabel.errors import UsageError, printable
from tuilabel.labels.classes import ClassBook, ClassChange, clean_class_name, with_current_names
from tuilabel.labels.events import Event, Kind, current_answers, current_flags, current_notes
from tuilabel.labels.exchange.base import ImportedLabel
from tuilabel.labels.store import LabelStore

_WITHOUT_CLASS = {"skip": "skipped", "flag": "flagged"}

OnConflict = Literal["skip", "replace"]


@dataclass(frozen=True)
class Conflict:
    """An imported label that differs from the current answer, or a note that differs from the current note."""

    row: ImportedLabel
    current: str
    """The class in the project, or `skipped` or `flagged`; or the note."""
    imported: str
    """The class, or the note, in the imported file."""
    first: str = ""
    """Where that file names the current class, if it does so itself."""


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
    """Labels, flags and notes to write."""
    different_notes: list[Conflict] = field(default_factory=list)
    """Notes that differ from the note which the image has."""

    @property
    def n_labels(self) -> int:
        """Number of labels to write."""
        return self._count("label")

    @property
    def n_flags(self) -> int:
        """Number of flags to write."""
        return self._count("flag")

    @property
    def n_notes(self) -> int:
        """Number of notes to write."""
        return self._count("note")

    @property
    def annotators(self) -> dict[str, int]:
        """Number of labels to write by annotator, most first."""
        return dict(Counter(event.annotator for event in self.events if event.kind == "label").most_common())

    @property
    def of_two_classes(self) -> list[Conflict]:
        """The conflicts within the import: it gives an image two classes by the same annotator."""
        return [conflict for conflict in self.conflicts if conflict.first]

    def _count(self, kind: Kind) -> int:
        return sum(event.kind == kind for event in self.events)


def plan_import(
    rows: Iterable[tuple[ImportedLabel, int]],
    pool: ImagePool,
    events: Sequence[Event],
    changes: Sequence[ClassChange],
    classes: Sequence[str],
    annotator: Callable[[str], str],
    on_conflict: OnConflict = "skip",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ImportPlan:
    """Work out what importing the rows would change.

    Each label becomes an answer of its annotator, with the time from the file if it has one. Imported answers have no
    audit mark, query probability or prediction, because those items were not drawn at random. All of them are one step,
    which their annotator can undo. Annotators may disagree within one file; an answer or a note that was in the project
    before is replaced only if `on_conflict` is `replace`. Flags are added and never taken off.

    Parameters
    ----------
    rows : labels, each with the pool index of its item or -1; see `Matcher`.
    events, changes : the content of the label store.
    classes : the project's classes; those that the store does not know yet are added to it, as a session does.
    annotator : gives the annotator to write for the one that a row names; the name may be empty.
    """
    plan, now, step = ImportPlan(), clock(), uuid.uuid4().hex
    book = _Classes(changes, classes, len(events), now)
    before = current_answers(with_current_names(events, [*changes, *book.changes]))
    marks = _Marks(events, on_conflict)
    given: dict[tuple[str, str], Event] = {}
    given_by: dict[tuple[str, str], str] = {}
    for row, index in rows:
        if row.is_odd:
            plan.odd.append(row)
            continue
        has_label = bool(row.label) and book.is_valid(row.label)
        if row.label and not has_label:
            row = replace(row, problem=row.problem or f"{printable(row.label)!r} cannot be the name of a class")
        if not (has_label or row.flagged or row.note):
            plan.without_label.append(row)
            continue
        if index < 0:
            plan.unknown.append(row)
            continue
        plan.matched += 1
        item = pool.id_of(index)
        if row.flagged:
            marks.flag(plan, item, annotator(row.flagged_by or row.annotator), now, step)
        if row.note:
            marks.note(plan, row, item, annotator(row.noted_by or row.annotator), now)
        if not has_label:
            if row.label:
                plan.without_label.append(row)
            continue
        labeller = annotator(row.annotator)
        label = book.current_name(row.label)
        answer = given.get((item, labeller)) or before.get(item)
        current = None if answer is None else _WITHOUT_CLASS.get(answer.kind) or answer.class_name
        if current == label:
            plan.same += 1
            continue
        if current is not None:
            plan.conflicts.append(Conflict(row, current, label, given_by.get((item, labeller), "")))
            if on_conflict == "skip":
                continue
        given_by[item, labeller] = row.where
        given[item, labeller] = replace(
            _event(item, labeller, row.at or now), kind="label", class_name=book.add(label, labeller), step=step
        )
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


class _Marks:
    """The flags and notes of a project, including those that the import adds."""

    def __init__(self, events: Sequence[Event], on_conflict: OnConflict) -> None:
        self._flagged = {*current_flags(events)}
        self._notes = {item: event.note or "" for item, event in current_notes(events).items()}
        self._on_conflict = on_conflict

    def flag(self, plan: ImportPlan, item: str, annotator: str, at: datetime, step: str) -> None:
        """Flag an item, unless it is flagged."""
        if item not in self._flagged:
            self._flagged.add(item)
            plan.events.append(replace(_event(item, annotator, at), kind="flag", step=step))

    def note(self, plan: ImportPlan, row: ImportedLabel, item: str, annotator: str, at: datetime) -> None:
        """Put the note of a row on an item, unless it has that note, or another one that is kept."""
        current = self._notes.get(item)
        if current == row.note:
            return
        if current is not None:
            plan.different_notes.append(Conflict(row, current, row.note))
            if self._on_conflict == "skip":
                return
        self._notes[item] = row.note
        plan.events.append(replace(_event(item, annotator, at), kind="note", note=row.note))


def _event(item: str, annotator: str, at: datetime) -> Event:
    """An event of an import, without content."""
    return Event(
        key=uuid.uuid4().hex,
        kind="skip",
        item=item,
        class_name=None,
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
    )

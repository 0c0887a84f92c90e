"""Export and import: a project's labels to and from the files of other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import DatasetLike, ImagePool, announcer, open_pool
from tuilabel.encoders import DEFAULT_ENCODER, Encoder
from tuilabel.errors import TuilabelError, UsageError, pluralize, printable
from tuilabel.labels import ClassBook, ClassChange, Event, Project, current_answers, with_current_names
from tuilabel.labels.events import current_flags, current_notes
from tuilabel.labels.exchange import (
    FORMATS,
    ExportOptions,
    Format,
    ImportedLabel,
    ImportOptions,
    LabelRow,
    WriteResult,
    format_for_path,
    get_format,
    read_labels,
    resolve_answers,
    rows_from,
    rows_without_label,
)
from tuilabel.labels.exchange.base import OutOfFoldPredictor
from tuilabel.labels.exchange.formulas import guard_rows
from tuilabel.labels.exchange.import_plan import Conflict, ImportPlan, OnConflict, apply_import, plan_import
from tuilabel.labels.exchange.matching import Matcher
from tuilabel.labels.filters import Filter, Subject
from tuilabel.labels.lock import user_name
from tuilabel.labels.store import NoLabels
from tuilabel.labels.store.team import read_team
from tuilabel.learner.base import needs_encoder
from tuilabel.project.file_problems import unread_lines
from tuilabel.project.locate import find_project, locate_project, missing_line, project_images, project_pool
from tuilabel.project.options import ModelOptions
from tuilabel.project.progress import Note, ignore
from tuilabel.project.recipe import choose_recipe

FOLDS = 5
N_EXAMPLES = 3  # rows of each kind in the summary of an import

PlanImport = Callable[[list[Event], list[ClassChange], Sequence[str]], ImportPlan]
"""Plans an import, given the events and class changes of a store and the project's classes."""


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote."""

    project: Path
    dataset: str
    file_format: str
    out: Path | None
    """None if the labels went to an open file."""
    labels: int
    undecided: int
    """Images left out because their annotators disagree."""
    without_image: int
    """Labels left out because the image is no longer available and the format needs it."""
    gone: int
    """Labelled images that are no longer in the dataset."""
    notes: tuple[str, ...]
    """Anything else worth telling the user, one line each."""

    def to_json(self) -> dict[str, Any]:
        """The summary as a plain document."""
        return {
            "project": str(self.project),
            "dataset": self.dataset,
            "format": self.file_format,
            "out": None if self.out is None else str(self.out),
            "labels": self.labels,
            "undecided": self.undecided,
            "without_image": self.without_image,
            "gone": self.gone,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class ImportSummary:
    """What an import wrote or, if `applied` is false, would write."""

    source: Path
    file_format: str
    project: Path
    dataset: str
    applied: bool
    rows: int
    on_conflict: OnConflict
    plan: ImportPlan

    def to_json(self) -> dict[str, Any]:
        """The summary as a plain document, with a few examples of the rows that were not imported."""
        plan = self.plan
        return {
            "source": str(self.source),
            "format": self.file_format,
            "project": str(self.project),
            "dataset": self.dataset,
            "applied": self.applied,
            "rows": self.rows,
            "matched": plan.matched,
            "same": plan.same,
            "conflicting": len(plan.conflicts),
            "of_two_classes": len(plan.of_two_classes),
            "on_conflict": self.on_conflict,
            "unknown": len(plan.unknown),
            "without_label": len(plan.without_label),
            "odd": len(plan.odd),
            "new_classes": plan.new_classes,
            "labels": plan.n_labels,
            "flags": plan.n_flags,
            "notes": plan.n_notes,
            "different_notes": len(plan.different_notes),
            "annotators": plan.annotators,
            "examples": {
                "conflicting": _both_sides([c for c in plan.conflicts if not c.first]),
                "of_two_classes": [
                    {**sides, "first": c.first}
                    for c, sides in zip(plan.of_two_classes, _both_sides(plan.of_two_classes), strict=False)
                ],
                "notes": _both_sides(plan.different_notes),
                "unknown": _examples(plan.unknown),
                "without_label": _examples(plan.without_label),
                "odd": _examples(plan.odd),
            },
        }


def export_labels(
    dataset: DatasetLike | None,
    out: Path | TextIO,
    *,
    file_format: str | None = None,
    project: Path | None = None,
    data_dir: Path | None = None,
    resolve: str = "latest",
    where: str | None = None,
    options: ExportOptions = ExportOptions(),  # noqa: B008 - frozen
    learner: str | None = None,
    encoder: str | None = None,
    checkpoint: Path | None = None,
    latents: Path | None = None,
    device: str = "auto",
    note: Note = ignore,
) -> ExportSummary:
    """Write a project's labels in the format of another program.

    Parameters
    ----------
    dataset : the project's dataset: a name, or the path or URL of your own images; see `locate_project`.
    out : a path, or an open text file for the formats csv and jsonl.
    file_format : one of `tuilabel.labels.exchange.FORMATS`; by default the one implied by the suffix of `out`, or csv.
    project : the project's directory, by default `DATASET.tuilabel` in the working directory.
    data_dir : the torchvision root folder of built-in datasets.
    resolve : what to do if several annotators labelled an image; see `resolve_answers`.
    where : a filter of what to write, such as `class:cat flagged`; see `Filter`.
    learner, encoder, checkpoint, latents, device : see `ModelOptions`; for the format cleanlab, which needs a model.
    note : called with a line before a step that takes time.

    Raises
    ------
    UsageError : if `file_format`, `resolve`, `where` or an option is unknown, or the format cannot be written to a
        stream.
    TuilabelError : if there is no project, nothing matches `where`, or `out` exists already or cannot be written.
    """
    by_suffix = format_for_path(out) if isinstance(out, Path) else None
    label_format = get_format(file_format or by_suffix or "csv")
    if options.spreadsheet and label_format.name != "csv":
        raise UsageError(
            "spreadsheet guards csv alone: leave it out, or pass `file_format='csv'`", parameter="spreadsheet"
        )
    if not isinstance(out, Path) and label_format.stream is None:
        raise UsageError(
            f"format {label_format.name} cannot be written to a stream: pass `out`, the path of a {label_format.kind}"
        )
    opened = find_project(dataset, project, note=note)
    events, classes = _current_events(opened)
    pool = project_pool(opened, data_dir)
    pool.read_until_found({event.item for event in events}, announcer(note))
    resolved = resolve_answers(events, resolve)
    rows = rows_from(resolved.labels, events, pool)
    unlabelled = rows_without_label(events, pool)
    if where is not None:
        chosen_items = _matching(Filter.parse(where, classes), resolved.labels, events)
        rows, unlabelled = ([row for row in part if row.id in chosen_items] for part in (rows, unlabelled))
        if not (rows or unlabelled):
            raise TuilabelError(f"nothing matches {where}: choose another `where`")
    rows += unlabelled if label_format.without_label else []
    if label_format.name == "cleanlab" and options.out_of_fold is None:
        model = ModelOptions(
            dataset, checkpoint=checkpoint, device=device, learner=learner, encoder=encoder, latents=latents
        )
        recipe = choose_recipe(model, opened, note)
        chosen = None
        if needs_encoder(recipe.learner):
            chosen = recipe.encoder_for(pool, opened.directory, settled=True)
            if chosen.needs_training(pool):
                raise TuilabelError(f"{pool.name} has no VAE yet, and cleanlab needs latents: pass `encoder='pca'`")
            for line in chosen.notes(pool):
                note(line)
        note(f"training {FOLDS} models, each without a fifth of the labels")
        options = replace(options, out_of_fold=_cross_validator(pool, recipe.learner, chosen, device))
    texts = list(guard_rows(rows, formulas=options.spreadsheet)) if label_format.name == "csv" else rows
    if isinstance(out, Path):
        written = label_format.write(texts, classes, pool.files, out, options)
    else:
        assert label_format.stream is not None
        written = WriteResult(label_format.stream(texts, classes, out))
    return ExportSummary(
        project=opened.directory,
        dataset=opened.dataset,
        file_format=label_format.name,
        out=out if isinstance(out, Path) else None,
        labels=written.labels,
        undecided=resolved.undecided,
        without_image=written.left_out,
        gone=sum(row.index < 0 or not pool.files.names(row.index) for row in rows),
        notes=(*_without_label(unlabelled, label_format), *written.notes),
    )


def _matching(where: Filter, labels: Sequence[Event], events: Sequence[Event]) -> set[str]:
    """Ids of the items that a filter finds; of those that several annotators labelled, by the resolved label."""
    flags, notes = current_flags(events), current_notes(events)
    answers = current_answers(events) | {event.item: event for event in labels}
    return {
        item
        for item in answers.keys() | notes.keys()
        if where.matches(Subject(answers.get(item), flags.get(item), (notes[item].note or "") if item in notes else ""))
    }


def _without_label(rows: Sequence[LabelRow], label_format: Format) -> list[str]:
    """What became of images that have a flag or a note and no label, in a line."""
    if not rows:
        return []
    count = f"{pluralize(len(rows), 'image')} without a label"
    if label_format.without_label:
        return [f"{count} written as well, for flags and notes"]
    return [f"{count} left out, with flags and notes: {label_format.name} has no room for them"]


def import_labels(
    source: Path,
    dataset: DatasetLike | None,
    *,
    file_format: str = "auto",
    project: Path | None = None,
    data_dir: Path | None = None,
    annotator: str | None = None,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - frozen
    on_conflict: str = "skip",
    apply: bool = False,
    store: str | None = None,
    note: Note = ignore,
) -> ImportSummary:
    """Match the labels of a file or directory with the images of a project and, with `apply`, add them to it.

    Parameters
    ----------
    source : the labels.
    dataset : the project's dataset: a name, or the path or URL of your own images; see `locate_project`.
    file_format : one of `tuilabel.labels.exchange.READABLE`, or `auto` to detect it.
    project : the project's directory, by default `DATASET.tuilabel` in the working directory; created if needed.
    data_dir : the torchvision root folder of built-in datasets.
    annotator : who gave the labels; by default the name in the source, such as `label-studio:alice`, or else the
        name of the source, such as `import:labels.csv`.
    on_conflict : `skip` keeps an existing label that differs from the imported one, `replace` replaces it.
    store : the address of a server that keeps the labels, for a new project; see `Project.open`.

    Raises
    ------
    UsageError : if the format, a column or an option is unknown.
    TuilabelError : if the source cannot be read, or the project is in use, of another dataset or cannot be written.
    """
    if on_conflict not in ("skip", "replace"):
        raise UsageError(f"on_conflict must be skip or replace, got {on_conflict!r}", parameter="on_conflict")
    policy: OnConflict = "replace" if on_conflict == "replace" else "skip"
    detected, rows = read_labels(source, file_format, options)
    located = locate_project(dataset, project, note=note)
    for line in located.lines:
        note(line)
    directory, images, exists = located.directory, located.images, located.project is not None
    if located.project is not None:
        images = project_images(located.project.at(images))
    pool = open_pool(images, data_dir)
    for line in unread_lines(pool, str(dataset or images.location)):
        note(line)
    matcher = Matcher(pool, source if source.is_dir() else source.parent)
    matched = [(row, matcher.find(row) if row.has_content else -1) for row in rows]
    name_annotator = partial(_annotator_of, annotator=annotator, file_format=detected, source=source)

    labelled = set[str]()

    def plan_for(events: list[Event], changes: list[ClassChange], classes: Sequence[str]) -> ImportPlan:
        labelled.update(event.item for event in events)
        return plan_import(matched, pool, events, changes, classes, name_annotator, policy)

    plan = _plan_without_lock(directory, plan_for) if exists else plan_for([], [], pool.classes)
    missing = missing_line(directory, images.location, pool, labelled)
    if missing:
        note(missing)
    if apply and plan.events:
        model = None if exists else {"encoder": DEFAULT_ENCODER}
        with Project.open(
            directory,
            pool.name,
            pool.fingerprint,
            pool.classes,
            source=images,
            moved=located.moved,
            model=model,
            store=store,
        ) as opened:
            _check_may_import(opened)
            plan = _apply(opened, plan_for)
    return ImportSummary(source, detected, directory, pool.name, apply, len(rows), policy, plan)


def _check_may_import(project: Project) -> None:
    store = project.open_store()
    try:
        if read_team(store).role_of(user_name()) == "labeller":
            raise TuilabelError(f"{user_name()} is a labeller of {project.directory}: only an owner may import labels")
    finally:
        store.close()


def _current_events(project: Project) -> tuple[list[Event], Sequence[str]]:
    """The project's events with current class names, and those names."""
    store = project.read_store()
    try:
        changes = store.class_changes()
        return with_current_names(store.events(), changes), ClassBook(changes).names or project.classes
    finally:
        store.close()


def _plan_without_lock(directory: Path, plan_for: PlanImport) -> ImportPlan:
    """The plan for the current state of a project, which a session may be using."""
    project = Project.read(directory)
    try:
        store = project.read_store()
    except NoLabels:
        return plan_for([], [], project.classes)
    try:
        return plan_for(store.events(), store.class_changes(), project.classes)
    finally:
        store.close()


def _apply(project: Project, plan_for: PlanImport) -> ImportPlan:
    """Make the plan again, now that the project is locked, and write it."""
    store = project.open_store()
    try:
        plan = plan_for(store.events(), store.class_changes(), project.classes)
        apply_import(plan, store)
        project.save_classes(ClassBook(store.class_changes()).names)
        return plan
    finally:
        store.close()


def _annotator_of(name: str, *, annotator: str | None, file_format: str, source: Path) -> str:
    """The annotator to write for the one that a file calls `name`."""
    if annotator is not None:
        return annotator
    if not name:
        return f"import:{printable(source.resolve().name)}"
    imported_before = name.split(":")[0] in (*FORMATS, "import")  # and exported by tuilabel afterwards
    return printable(name if imported_before else f"{file_format}:{name}")


def _both_sides(conflicts: Sequence[Conflict]) -> list[dict[str, str]]:
    return [
        {"where": c.row.where, "path": c.row.path, "there": c.current, "here": c.imported}
        for c in conflicts[:N_EXAMPLES]
    ]


def _examples(rows: Sequence[ImportedLabel]) -> list[dict[str, str]]:
    telling = sorted(rows, key=lambda row: not row.problem)  # those that say why come first
    return [{"where": r.where, "path": r.path or r.id, "problem": r.problem} for r in telling[:N_EXAMPLES]]


def _cross_validator(pool: ImagePool, name: str, encoder: Encoder | None, device: str) -> OutOfFoldPredictor:
    """Five-fold cross-validation with the learner called `name`."""

    def out_of_fold(
        indices: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        from tuilabel.learner.base import LabelSet
        from tuilabel.learner.cross_validation import out_of_fold_probabilities
        from tuilabel.learner.open import open_learner

        learner, _ = open_learner(name, pool, encoder, device=device)
        labelled = LabelSet(indices, labels, n_classes, np.zeros(len(indices), dtype=bool))
        rows, probabilities = out_of_fold_probabilities(learner, labelled, FOLDS)
        return indices[rows], probabilities

    return out_of_fold

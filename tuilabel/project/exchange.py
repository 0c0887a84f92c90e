"""`export` and `import`: labels to and from the files of other programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool, announcer, canonical, open_pool, read_missing
from tuilabel.encoders.choose import Encoder, choose_encoder
from tuilabel.errors import TuilabelError, UsageError, pluralize, printable, unknown_name
from tuilabel.labels import ClassBook, ClassChange, Event, LabelStore, Project, with_current_names
from tuilabel.labels.exchange import FORMATS, ExportOptions, Written, get_format, resolve_answers
from tuilabel.labels.exchange.folder import OutOfFold
from tuilabel.labels.exchange.foreign import ForeignLabel, ImportOptions
from tuilabel.labels.exchange.importing import ImportPlan, apply_import, plan_import
from tuilabel.labels.exchange.matching import Matcher
from tuilabel.labels.exchange.reading import read_labels
from tuilabel.labels.exchange.rows import rows_from
from tuilabel.project.reports import images_of, project_directory, project_pool

FOLDS = 5
EXAMPLES = 3  # rows of a kind that are shown


def export_labels(
    dataset: str,
    named: Path | None,
    data_dir: Path | None,
    out: Path | None,
    *,
    file_format: str,
    resolve: str,
    options: ExportOptions,
    encoder: str = "vae",
    checkpoint: Path | None = None,
    latents: Path | None = None,
    device: str = "auto",
    note: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Write the labels to `out`, or to stdout.

    Parameters
    ----------
    resolve : see `resolve_answers`.
    encoder, checkpoint, latents, device : of the learner whose out-of-fold probabilities cleanlab wants.
    note : called with a line before that takes its time.

    Returns
    -------
    What `export --json` prints.

    Raises
    ------
    UsageError : where the format, the rule or an option is unknown, or the format needs a place to be written to.
    TuilabelError : where there is no project, or `out` is there already or cannot be written.
    """
    form = get_format(file_format)
    if out is None and form.stream is None:
        what = "a file" if form.kind == "file" else "a folder"
        raise UsageError(f"--format {form.name} needs a place for {what}: give --out")
    project = Project.read(project_directory(dataset, named))
    store = LabelStore.open(project.store, create=False)
    try:
        changes = store.class_changes()
        events = with_current_names(store.events(), changes)
    finally:
        store.close()
    classes = ClassBook(changes).names or project.classes
    pool = project_pool(project, data_dir)
    read_missing(pool, {event.item for event in events}, project.source, data_dir, announcer(note))
    resolved = resolve_answers(events, resolve)
    rows = rows_from(resolved.labels, pool)
    if form.name == "cleanlab" and options.out_of_fold is None:
        chosen = choose_encoder(encoder, pool, checkpoint=checkpoint, latents=latents, project=project.directory)
        if chosen is None:
            raise TuilabelError(f"{pool.name} has no VAE yet, which cleanlab's models need: give --encoder pca")
        judge = _cross_validator(pool, chosen, device)
        note(f"training {FOLDS} models, each without a fifth of the labels")
        options = replace(options, out_of_fold=judge)
    if out is None:
        assert form.stream is not None
        text = StringIO(newline="")
        form.stream(rows, classes, text)
        _print_table(text.getvalue())
        written = Written(len(rows))
    else:
        written = form.write(rows, classes, pool.files, out, options)
    return {
        "project": str(project.directory),
        "dataset": project.dataset,
        "format": form.name,
        "out": None if out is None else str(out),
        "labels": written.labels,
        "undecided": resolved.left_out,
        "without_image": written.left_out,
        "gone": sum(row.index < 0 or not pool.files.names(row.index) for row in rows),
        "notes": list(written.notes),
    }


def export_notes(figures: dict[str, Any]) -> list[str]:
    """What to say of an export beside its file, a line each."""
    lines = []
    if figures["undecided"]:
        lines.append(f"{pluralize(figures['undecided'], 'image')} left out: annotators do not agree")
    if figures["without_image"]:
        lines.append(f"{pluralize(figures['without_image'], 'label')} left out: the image cannot be had any more")
    if figures["gone"]:
        lines.append(
            f"{pluralize(figures['gone'], 'labelled image')} of {figures['dataset']} gone: by their last names"
        )
    lines += figures["notes"]
    if figures["out"] is not None:
        lines.append(f"{pluralize(figures['labels'], 'label')} in {figures['out']}")
    return [printable(line) for line in lines]


def import_labels(
    source: Path,
    dataset: str,
    named: Path | None,
    data_dir: Path | None,
    *,
    file_format: str = "auto",
    annotator: str | None = None,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - frozen
    on_conflict: str = "skip",
    apply: bool = False,
) -> dict[str, Any]:
    """Match the rows of a file or folder with the items of a project and, with `apply`, write their labels into it.

    Parameters
    ----------
    annotator : the name that the labels carry; by default the source's, as `label-studio:alice`, `import:labels.csv`.
    on_conflict : whether a row `replace`s a label that says something else, or is `skip`ped.

    Returns
    -------
    What `import --json` prints.

    Raises
    ------
    UsageError : where the format, a column or an option is unknown.
    TuilabelError : where the source cannot be read, or the project is in use, of another dataset, cannot be written.
    """
    if on_conflict not in ("skip", "replace"):
        raise unknown_name("--on-conflict", on_conflict, ("skip", "replace"))
    name, rows = read_labels(source, file_format, options)
    directory = project_directory(dataset, named)
    known = (directory / "settings.toml").is_file()
    where = images_of(Project.read(directory)) if known else canonical(dataset)
    pool = open_pool(where, data_dir)
    matcher = Matcher(pool, source if source.is_dir() else source.parent)
    matched = [(row, matcher.find(row) if row.label else -1) for row in rows]

    def plan(events: list[Event], changes: list[ClassChange], classes: Sequence[str]) -> ImportPlan:
        who = partial(_signature, annotator=annotator, file_format=name, source=source)
        return plan_import(
            matched, pool, events, changes, classes, who, "replace" if on_conflict == "replace" else "skip"
        )

    found = _look_at(directory, plan) if known else plan([], [], pool.classes)
    if apply and found.events:
        with Project.open(directory, pool.name, pool.fingerprint, pool.classes, source=where) as project:
            store = LabelStore.open(project.store)
            try:
                found = plan(
                    store.events(), store.class_changes(), project.classes
                )  # again, now that nobody else writes
                apply_import(found, store)
                project.keep_classes(ClassBook(store.class_changes()).names)
            finally:
                store.close()
    return {
        "source": str(source),
        "format": name,
        "project": str(directory),
        "dataset": pool.name,
        "applied": apply,
        "rows": len(rows),
        "matched": found.matched,
        "same": found.same,
        "conflicting": len(found.conflicts),
        "on_conflict": on_conflict,
        "unknown": len(found.unknown),
        "without_label": len(found.without_label),
        "new_classes": found.new_classes,
        "labels": len(found.events),
        "annotators": found.annotators,
        "examples": {
            "conflicting": [
                {"where": c.row.where, "path": c.row.path, "there": c.there, "here": c.here}
                for c in found.conflicts[:EXAMPLES]
            ],
            "unknown": [{"where": row.where, "path": row.path or row.id} for row in found.unknown[:EXAMPLES]],
            "without_label": [
                {"where": row.where, "path": row.path or row.id} for row in found.without_label[:EXAMPLES]
            ],
        },
    }


def import_lines(figures: dict[str, Any]) -> list[str]:
    """The same for people."""
    examples = figures["examples"]
    fate = ": replaced" if figures["on_conflict"] == "replace" else ": it stays (--on-conflict replace)"
    whose = ", ".join(f"{name} {n:,}" for name, n in figures["annotators"].items())
    counts: list[tuple[int, str, list[str]]] = [
        (figures["matched"], f"matched an image of {figures['dataset']}", []),
        (figures["same"], "with the label that stands", []),
        (
            figures["conflicting"],
            "with another label" + (fate if figures["conflicting"] else ""),
            [f"{e['path'] or e['where']}: {e['there']}, here {e['here']}" for e in examples["conflicting"]],
        ),
        (figures["unknown"], "without an image here, or with several", _where(examples["unknown"])),
        (figures["without_label"], "without a class", _where(examples["without_label"])),
    ]
    new = figures["new_classes"]
    if new:
        counts.append((len(new), f"new class{'' if len(new) == 1 else 'es'}: {', '.join(new)}", []))
    done = f"label{'' if figures['labels'] == 1 else 's'} {'written' if figures['applied'] else 'to write'}"
    counts.append((figures["labels"], done + (f" ({whose})" if whose else ""), []))
    lines = [
        f"{pluralize(figures['rows'], 'row')} in {figures['source']} ({figures['format']}) for {figures['project']}"
    ]
    for n, words, shown in counts:
        lines += [f"{n:>9,} {words}", *(f"{'':12}{text}" for text in shown)]
    return [printable(line) for line in lines]


def _where(examples: list[dict[str, str]]) -> list[str]:
    return [f"{e['where']}: {e['path']}" for e in examples]


def _look_at(
    directory: Path, plan: Callable[[list[Event], list[ClassChange], Sequence[str]], ImportPlan]
) -> ImportPlan:
    """The plan for a project as it is."""
    project = Project.read(directory)
    if not project.store.is_file():
        return plan([], [], project.classes)
    store = LabelStore.open(project.store, create=False)
    try:
        return plan(store.events(), store.class_changes(), project.classes)
    finally:
        store.close()


def _signature(row: ForeignLabel, *, annotator: str | None, file_format: str, source: Path) -> str:
    """The annotator of an imported label: the one named, else where it comes from."""
    if annotator is not None:
        return annotator
    if not row.annotator:
        return f"import:{printable(source.resolve().name)}"
    signed = row.annotator.split(":")[0] in (*FORMATS, "import")  # it has been out and comes back
    return printable(row.annotator if signed else f"{file_format}:{row.annotator}")


def _print_table(text: str) -> None:
    """Print a table as it is; on a terminal nothing in it may command the terminal."""
    if sys.stdout.isatty():
        text = "".join(printable(line) + "\n" for line in text.split("\n")[:-1])
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _cross_validator(pool: ImagePool, encoder: Encoder, device: str) -> OutOfFold:
    """Five-fold cross-validation with the learner of the labelling screen."""

    def out_of_fold(
        indices: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        from tuilabel.learner.base import DEFAULT_LEARNER, LabelSet
        from tuilabel.learner.cross_validation import out_of_fold_probabilities
        from tuilabel.learner.open import open_learner

        learner, _ = open_learner(DEFAULT_LEARNER, pool, encoder, device=device)
        labelled = LabelSet(indices, labels, n_classes, np.zeros(len(indices), dtype=bool))
        rows, probabilities = out_of_fold_probabilities(learner, labelled, FOLDS)
        return indices[rows], probabilities

    return out_of_fold

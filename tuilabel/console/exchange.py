"""`export` and `import`: labels to and from the files of other programs."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.console.reports import project_directory
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.labels import ClassBook, LabelStore, Project, with_current_names
from tuilabel.labels.exchange import ExportOptions, Written, get_format, resolve_answers
from tuilabel.labels.exchange.folder import OutOfFold
from tuilabel.labels.exchange.rows import rows_from

FOLDS = 5


def export_labels(
    dataset: str,
    named: Path | None,
    data_dir: Path | None,
    out: Path | None,
    *,
    file_format: str,
    resolve: str,
    options: ExportOptions,
    checkpoint: Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Write the labels to `out`, or to stdout.

    Parameters
    ----------
    resolve : see `resolve_answers`.
    checkpoint, device : of the learner whose out-of-fold probabilities cleanlab wants.

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
    pool = open_pool(project.dataset, data_dir)
    resolved = resolve_answers(events, resolve)
    rows = rows_from(resolved.labels, pool)
    if form.name == "cleanlab" and options.out_of_fold is None:
        options = _with_probabilities(options, pool, checkpoint, device)
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
        "notes": list(written.notes),
    }


def export_notes(figures: dict[str, Any]) -> list[str]:
    """What to say of an export beside its file, a line each."""
    lines = []
    if figures["undecided"]:
        lines.append(f"{figures['undecided']:,} items are left out: their annotators do not agree")
    if figures["without_image"]:
        lines.append(f"{figures['without_image']:,} labels are left out: their images cannot be had any more")
    lines += figures["notes"]
    if figures["out"] is not None:
        lines.append(f"{figures['labels']:,} labels in {figures['out']}")
    return [printable(line) for line in lines]


def _print_table(text: str) -> None:
    """Print a table as it is; on a terminal nothing in it may command the terminal."""
    if sys.stdout.isatty():
        text = "".join(printable(line) + "\n" for line in text.split("\n")[:-1])
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _with_probabilities(options: ExportOptions, pool: ImagePool, checkpoint: Path | None, device: str) -> ExportOptions:
    return replace(options, out_of_fold=_cross_validator(pool, checkpoint, device))


def _cross_validator(pool: ImagePool, checkpoint: Path | None, device: str) -> OutOfFold:
    """Five-fold cross-validation with the learner of the labelling screen."""

    def out_of_fold(
        indices: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        from tuilabel.learner import messages
        from tuilabel.learner.base import DEFAULT_LEARNER
        from tuilabel.learner.opening import open_learner
        from tuilabel.learner.questions import CrossValidation
        from tuilabel.vae.header import check_fits, find_checkpoint, read_header

        path = find_checkpoint(pool.name, checkpoint)
        check_fits(read_header(path), pool)
        learner, _ = open_learner(DEFAULT_LEARNER, pool, path, device=device)
        validation = CrossValidation(learner, messages.CrossValidate(0, indices, labels, n_classes, FOLDS))
        while (found := validation.next_fold()) is None:
            pass
        assert isinstance(found, messages.OutOfFold)
        if found.error is not None:
            raise TuilabelError(f"cannot judge the labels: {found.error}")
        return found.indices, found.probabilities

    return out_of_fold

"""`cleanlab`: labels and out-of-fold probabilities as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.errors import TuilabelError, UsageError, pluralize
from tuilabel.labels.exchange.base import ExportOptions, Format, ImportedLabel, ImportOptions, WriteResult
from tuilabel.labels.exchange.directory import export_directory
from tuilabel.labels.exchange.formats.csv_table import write_csv
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import read_table
from tuilabel.labels.exchange.text_files import open_text

LABELS, IDS, CLASSES = "labels.npy", "ids.csv", "classes.txt"


def write_cleanlab(
    rows: Iterable[LabelRow], classes: Sequence[str], files: ItemFiles, out: Path, options: ExportOptions
) -> WriteResult:
    """Write `labels.npy`, int64 (k,), and `pred_probs.npy`, float32 (k, C), of models not trained on the label.

    `ids.csv` identifies the rows and `classes.txt` the columns. Only classes with labels have a column.

    Raises
    ------
    UsageError : if `options.out_of_fold` is missing.
    TuilabelError : if the labels are of fewer than two classes, or a model cannot be trained.
    """
    if options.out_of_fold is None:
        raise UsageError("format cleanlab needs `out_of_fold`, a function that predicts labels by cross-validation")
    rows = list(rows)
    known = [row for row in rows if row.index >= 0 and row.label in classes]
    class_number = {name: k for k, name in enumerate(classes)}
    indices = np.array([row.index for row in known], dtype=np.int64)
    labels = np.array([class_number[row.label] for row in known], dtype=np.int64)
    if len(np.unique(labels)) < 2:
        raise TuilabelError("cleanlab needs labels of at least two classes: label more images first")
    predicted, probabilities = options.out_of_fold(indices, labels, len(classes))
    if not len(predicted):
        raise TuilabelError("cleanlab needs at least two labels of a class: label more images first")
    row_of = {index: k for k, index in enumerate(predicted.tolist())}
    kept = [(row, label, row_of[row.index]) for row, label in zip(known, labels, strict=True) if row.index in row_of]
    used, compact = np.unique([label for _, label, _ in kept], return_inverse=True)
    columns = probabilities[[k for _, _, k in kept]][:, used]
    columns = columns / np.maximum(columns.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    with export_directory("cleanlab", files, out, options) as directory:
        np.save(directory.root / LABELS, compact.astype(np.int64))
        np.save(directory.root / "pred_probs.npy", columns.astype(np.float32))
        with open_text(directory.root / IDS) as file:
            write_csv((row for row, _, _ in kept), classes, file)
        with open_text(directory.root / CLASSES) as file:
            file.writelines(f"{classes[k]}\n" for k in used)
        single = len(known) - len(kept)
        if single:
            directory.notes.append(f"{pluralize(single, 'label')} left out: alone in a class, nothing to compare with")
    directory.left_out = len(rows) - len(known)
    return directory.result(len(kept))


def read_cleanlab(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read a directory as exported by tuilabel; `labels.npy` may have been corrected since."""
    options.refuse_columns(source)
    labels = np.load(source / LABELS, allow_pickle=False)
    names = (source / CLASSES).read_text(encoding="utf-8").splitlines()
    rows = list(read_table(source / IDS, ImportOptions(), "csv"))
    if labels.shape != (len(rows),) or labels.dtype.kind not in "iu":
        raise TuilabelError(f"{source / LABELS} does not have one number for each row of {IDS}: export it again")
    for row, number in zip(rows, labels.tolist(), strict=True):
        yield replace(row, label=names[number] if 0 <= number < len(names) else "")


FORMAT = Format("cleanlab", "directory", writer=write_cleanlab, reader=read_cleanlab, markers=(LABELS,))

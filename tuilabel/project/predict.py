"""Predict a pool with a project's model: to a table, to any export format, to a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import DatasetLike, ImagePool, open_pool
from tuilabel.encoders.tables.encoder import LatentTable
from tuilabel.encoders.tables.open import open_table
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels.exchange import ExportOptions, Format, LabelRow, get_format
from tuilabel.labels.exchange.formulas import guard_rows
from tuilabel.learner.wide import is_tempered, tempered
from tuilabel.project.model import ProjectModel, open_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.prediction_files import CsvFile, PredictionFile, check_out, prediction_file
from tuilabel.project.progress import Note, OnProgress, ignore

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

ANNOTATOR = "model"


@dataclass(frozen=True)
class PredictOptions:
    """What to predict, which predictions to keep and where to write them.

    Attributes
    ----------
    on : another dataset to predict; None for the project's own images.
    on_latents : a table of latents of these images, by what made the project's own latents; see `LatentTable`.
    out : the file to write: .csv, .jsonl or .parquet, or the file or folder for `file_format`.
    html : where to write a report on the project's own images.
    min_confidence : leave out predictions below this probability, 0 to 1.
    probabilities : also write the probability of each class.
    unlabelled_only : leave out items that have a label.
    force : overwrite existing files.
    file_format : an export format by name; None to infer it from the suffix of `out`.
    spreadsheet : guard the texts of CSV that a spreadsheet would run as formulas.
    """

    on: str | None = None
    on_latents: Path | None = None
    out: Path | None = None
    html: Path | None = None
    min_confidence: float = 0.0
    probabilities: bool = False
    unlabelled_only: bool = False
    force: bool = False
    file_format: str | None = None
    spreadsheet: bool = False


@dataclass(frozen=True)
class PredictionSummary:
    """What `predict` did.

    Attributes
    ----------
    dataset, project : the project's.
    on : the name of the pool that was predicted.
    encoder : whose latents the model has learned from; None for a learner that needs none.
    labels : how many labels the model was trained on.
    items : size of the predicted pool.
    selected : predictions kept by the options.
    written : rows written to the file or table.
    classes : how many of the selected predictions each class has.
    mean_confidence : of the selected predictions; None if there are none.
    expected_accuracy : mean confidence of all items without a label; None if all have one.
    temperature : the temperature of the calibration (temperature scaling).
    audit_items : how many audit items the temperature was fitted on; 0 if it was not fitted.
    """

    dataset: str
    project: Path
    on: str
    encoder: str | None
    out: Path | None
    html: Path | None
    labels: int
    items: int
    selected: int
    written: int
    classes: dict[str, int]
    mean_confidence: float | None
    expected_accuracy: float | None
    temperature: float
    audit_items: int

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON document."""
        paths = {name: None if path is None else str(path) for name, path in (("out", self.out), ("html", self.html))}
        return {**asdict(self), "project": str(self.project), **paths}


@dataclass(frozen=True)
class Predictions:
    """The predictions of a project's model for every image of a pool.

    Attributes
    ----------
    pool : the images, with their ids and files.
    classes : class names: the columns of `probabilities`.
    probabilities : calibrated, float32 (N, C), in the pool's order.
    """

    pool: ImagePool
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]

    @property
    def labels(self) -> NDArray[np.str_]:
        """The most likely class of each image, (N,)."""
        labels: NDArray[np.str_] = np.array(self.classes)[self.probabilities.argmax(axis=1)]
        return labels

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of that class, float32 (N,)."""
        confidence: NDArray[np.float32] = self.probabilities.max(axis=1)
        return confidence

    @property
    def paths(self) -> list[str]:
        """The file of each image, relative to the dataset; the last known one if it is gone."""
        return [self.pool.files.last_name(index) for index in range(len(self.pool))]


def predict_pool(
    model: ModelOptions,
    on: DatasetLike | None = None,
    on_latents: Path | None = None,
    *,
    on_progress: OnProgress = ignore,
    note: Note = ignore,
) -> Predictions:
    """Train a project's model and predict a pool with it, in memory.

    Parameters
    ----------
    on, on_latents : see `PredictOptions`.

    Raises
    ------
    TuilabelError : as `open_model`; if the images do not fit.
    UsageError : if `on_latents` is not of use here.
    """
    _check_other_latents(on, on_latents)
    opened = open_model(model, on_progress=on_progress, note=note)
    pool, features = _pool_to_predict(opened, model, on, on_latents, on_progress, note)
    chunks = [p for _, p in _chunks(opened, pool, features)]
    return Predictions(pool, opened.classes, np.concatenate(chunks))


def predict(
    model: ModelOptions,
    options: PredictOptions = PredictOptions(),
    *,
    table: SupportsWrite[str] | None = None,
    on_progress: OnProgress = ignore,
    note: Note = ignore,
) -> PredictionSummary:
    """Train a project's model, predict a pool with it and write the results that the options request.

    Parameters
    ----------
    table : a text stream for the predictions as CSV, used if `options.out` is None.

    Raises
    ------
    TuilabelError : as `open_model`; if a file already exists or cannot be written, or if the images do not fit.
    UsageError : if an option is out of range or names an unknown format.
    """
    export_format = _check(options)
    opened = open_model(model, on_progress=on_progress, note=note)
    pool, features = _pool_to_predict(opened, model, options.on, options.on_latents, on_progress, note)
    tally = _Tally(len(opened.classes), _labelled(opened, pool))
    observers: list[Callable[[int, NDArray[np.float32]], None]] = [tally.add_all]
    if options.html is not None:
        from tuilabel.report import Sampler

        sampler = Sampler(len(opened.classes), tally.labelled)
        observers.append(sampler.add)
    skip = _skipped(pool, options, tally.labelled)
    written = 0
    with _destination(options, export_format, table, opened.classes) as file:
        for start, p in _chunks(opened, pool, features):
            for observe in observers:
                observe(start, p)
            kept = _kept(start, p, options, skip)
            tally.add_selected(p[kept])
            if file is not None:
                written += len(kept)
                file.write(list(_guarded(_rows(pool, opened.classes, start, p, kept, options.probabilities), options)))
            on_progress("predicting", start + len(p), len(pool.ids))
    if export_format is not None and options.out is not None:
        rows = _guarded(predicted_rows(opened, pool, features, options), options)
        export_options = ExportOptions(force=options.force)
        written = export_format.write(rows, opened.classes, pool.files, options.out, export_options).labels
    if options.html is not None:
        from tuilabel.project.report_page import write_report

        write_report(opened, sampler.samples(), tally.expected_accuracy, options.html, on_progress=on_progress)
    return PredictionSummary(
        dataset=opened.project.dataset,
        project=opened.project.directory,
        on=pool.name,
        encoder=None if opened.encoder is None else opened.encoder.name,
        out=options.out,
        html=options.html,
        labels=len(opened.final.labelled.indices),
        items=len(pool.ids),
        selected=tally.selected,
        written=written,
        classes={name: int(n) for name, n in zip(opened.classes, tally.classes, strict=True)},
        mean_confidence=tally.mean_confidence,
        expected_accuracy=tally.expected_accuracy,
        temperature=opened.final.temperature,
        audit_items=opened.final.n_calibration,
    )


def predicted_rows(
    opened: ProjectModel, pool: ImagePool, features: NDArray[np.float32], options: PredictOptions
) -> Iterator[LabelRow]:
    """The predictions that the options keep, in the pool's order, as label rows by the annotator "model".

    Every export format can write these rows. Only one chunk of the pool is in memory at a time.

    Parameters
    ----------
    features : of the pool, float32 (N, D).
    """
    skip = _skipped(pool, options, _labelled(opened, pool))
    for start, p in _chunks(opened, pool, features):
        kept = _kept(start, p, options, skip)
        yield from _rows(pool, opened.classes, start, p, kept, options.probabilities)


def _guarded(rows: Iterator[LabelRow], options: PredictOptions) -> Iterator[LabelRow]:
    return guard_rows(rows, formulas=True) if options.spreadsheet else rows


def _chunks(
    opened: ProjectModel, pool: ImagePool, features: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The first row and the probabilities of each slice; those of the project's own images as the screen has them.

    An image is known by its content, wherever its file is.
    """
    learner, model = opened.learner, opened.final.model
    as_on_screen = is_tempered(learner, model) and not opened.final.n_calibration
    for start, p in opened.final.chunks(features):
        if as_on_screen:
            rows = np.arange(start, start + len(p))
            own = rows if pool is opened.pool else opened.pool.indices_of([id_.decode() for id_ in pool.ids[rows]])
            yield start, tempered(learner, model, p, own)
        else:
            yield start, p


def _check(options: PredictOptions) -> Format | None:
    """Check the options before anything takes time; the export format, or None for a table."""
    if not 0 <= options.min_confidence <= 1:
        raise UsageError(
            f"min_confidence must be between 0 and 1, got {options.min_confidence}", parameter="min_confidence"
        )
    export_format = None if options.file_format is None else _format(options.file_format, options.out)
    if options.out is not None and export_format is None:
        check_out(options.out, options.force)
    suffix = ".csv" if options.out is None else options.out.suffix.lower()
    if options.spreadsheet and (suffix if export_format is None else f".{export_format.name}") != ".csv":
        raise UsageError("spreadsheet guards csv alone: leave it out, or write a .csv", parameter="spreadsheet")
    _check_other_latents(options.on, options.on_latents)
    if options.html is not None:
        check_out(options.html, options.force, (".html", ".htm"))
        if options.on is not None:
            raise UsageError("html reports on the project's own images: leave out `on`", parameter="html")
    return export_format


def _check_other_latents(on: DatasetLike | None, on_latents: Path | None) -> None:
    """Check the table before the model is trained."""
    if on_latents is None:
        return
    if on is None:
        raise UsageError("on_latents is the table of other images: name them with `on`", parameter="on_latents")
    open_table(on_latents)


def _format(name: str, out: Path | None) -> Format | None:
    """The export format to use; None for tables, which are written as the predictions are made."""
    export_format = get_format(name)
    if export_format.name == "cleanlab":
        raise UsageError(
            "file_format cleanlab is for labels, not predictions: `tuilabel export` writes it", parameter="file_format"
        )
    if out is None and export_format.name != "csv":
        raise UsageError(f"file_format {name} needs a file or folder: pass `out`", parameter="file_format")
    tables = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
    return None if out is None or tables.get(out.suffix.lower()) == export_format.name else export_format


class _Tally:
    """Counts all predictions, and those kept by the options."""

    def __init__(self, n_classes: int, labelled: NDArray[np.bool_]) -> None:
        self.labelled = labelled
        self.classes = np.zeros(n_classes, dtype=np.int64)
        self.selected = 0
        self._confidence = self._unlabelled_confidence = 0.0
        self._unlabelled = 0

    def add_all(self, start: int, p: NDArray[np.float32]) -> None:
        """Count the probabilities of the pool's items from `start` on."""
        unlabelled = ~self.labelled[start : start + len(p)]
        self._unlabelled += int(unlabelled.sum())
        self._unlabelled_confidence += float(p[unlabelled].max(axis=1, initial=0).sum(dtype=np.float64))

    def add_selected(self, p: NDArray[np.float32]) -> None:
        """Count rows that the options keep."""
        self.selected += len(p)
        self.classes += np.bincount(p.argmax(axis=1), minlength=len(self.classes))
        self._confidence += float(p.max(axis=1, initial=0).sum(dtype=np.float64))

    @property
    def mean_confidence(self) -> float | None:
        """Of the selected predictions."""
        return self._confidence / self.selected if self.selected else None

    @property
    def expected_accuracy(self) -> float | None:
        """The mean confidence of all items without a label."""
        return self._unlabelled_confidence / self._unlabelled if self._unlabelled else None


def _pool_to_predict(
    opened: ProjectModel,
    model: ModelOptions,
    on: DatasetLike | None,
    on_latents: Path | None,
    on_progress: OnProgress,
    note: Note,
) -> tuple[ImagePool, NDArray[np.float32]]:
    """The pool and its features, float32 (N, D)."""
    if on is None:
        return opened.pool, opened.learner.features
    encoder = opened.encoder
    if on_latents is not None:
        if not isinstance(encoder, LatentTable):
            used = "pixels" if encoder is None else encoder.name
            raise UsageError(
                f"on_latents needs a model on own latents, but this one uses {used}", parameter="on_latents"
            )
        encoder = replace(encoder, others=on_latents)
    pool = open_pool(on, model.data_dir, on_progress)
    if isinstance(encoder, LatentTable):
        for line in encoder.notes_on_others(pool):
            note(line)
    if encoder is None:
        from tuilabel.learner.cnn import pixel_rows

        if pool.images.shape[1:] != opened.pool.images.shape[1:]:
            raise TuilabelError(f"the cnn learner needs images of the same size as those of {opened.pool.name}")
        return pool, pixel_rows(pool.images)
    return pool, encoder.encode_others(pool, opened.pool, model.device, partial(on_progress, "encoding"))


def _labelled(opened: ProjectModel, pool: ImagePool) -> NDArray[np.bool_]:
    """Which items of `pool` have a label in the project, bool (N,); items of another pool are matched by content."""
    labelled = np.zeros(len(pool.ids), dtype=bool)
    indices = opened.final.labelled.indices
    if pool is not opened.pool:
        indices = pool.indices_of([item.decode() for item in opened.pool.ids[indices].tolist()])
    labelled[indices[indices >= 0]] = True
    return labelled


def _skipped(pool: ImagePool, options: PredictOptions, labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Items to leave out, bool (N,): their files are gone, or they have a label and only others are wanted."""
    skipped = labelled.copy() if options.unlabelled_only else np.zeros(len(pool.ids), dtype=np.bool_)
    skipped[pool.gone] = True
    return skipped


def _kept(start: int, p: NDArray[np.float32], options: PredictOptions, skip: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows of a chunk that are written."""
    return np.flatnonzero((p.max(axis=1, initial=0) >= options.min_confidence) & ~skip[start : start + len(p)])


def _rows(
    pool: ImagePool,
    classes: Sequence[str],
    start: int,
    p: NDArray[np.float32],
    kept: NDArray[np.int64],
    probabilities: bool,
) -> Iterator[LabelRow]:
    files, best = pool.files, p.argmax(axis=1)
    for row in kept.tolist():
        index = start + row
        probs = tuple(p[row].tolist()) if probabilities else None
        confidence = float(p[row, best[row]])
        item, path, label = pool.ids[index].decode(), files.last_name(index), classes[best[row]]
        yield LabelRow(item, index, path, label, ANNOTATOR, None, None, confidence, probs)


@contextmanager
def _destination(
    options: PredictOptions, export_format: Format | None, table: SupportsWrite[str] | None, classes: Sequence[str]
) -> Iterator[PredictionFile | None]:
    """Where predictions are written as they are made: a file, the table, or nowhere (None)."""
    columns = classes if options.probabilities else ()
    if options.out is not None and export_format is None:
        with prediction_file(options.out, columns) as file:
            yield file
    elif options.out is None and table is not None:
        yield CsvFile(table, columns)
    else:
        yield None

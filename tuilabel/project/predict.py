"""`predict`: what a project's model says of every item, to a file, to stdout, to a report."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tuilabel.cli.render.reading import reading
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.labels.exchange import ExportOptions, Format, LabelRow, get_format
from tuilabel.project.model import ModelOptions, ProjectModel, open_model, progress
from tuilabel.project.prediction_files import CsvFile, PredictionFile, check_out, prediction_file

ANNOTATOR = "model"


@dataclass(frozen=True)
class PredictOptions:
    """What `tuilabel predict` was asked for beside the model.

    Attributes
    ----------
    on : another dataset to predict; the project's own where it is None.
    out : .csv, .jsonl or .parquet; stdout where neither it nor `html` nor `quiet` is given.
    file_format : one of the formats of `export`, for an `out` of another kind.
    """

    on: str | None = None
    out: Path | None = None
    html: Path | None = None
    min_confidence: float = 0.0
    probabilities: bool = False
    unlabelled_only: bool = False
    force: bool = False
    quiet: bool = False
    file_format: str | None = None


def run_predict(model_options: ModelOptions, options: PredictOptions) -> dict[str, Any]:
    """Predict a pool.

    Returns
    -------
    What `predict --json` prints: dataset, project, on, out, html, labels, items, selected (by the options), written,
    classes and mean_confidence (of those selected), expected_accuracy (the mean confidence of all items without a
    label), temperature, audit_items (that told it).

    Raises
    ------
    TuilabelError : as `open_model`; where a file is there already or cannot be written, or images do not fit.
    UsageError : where an option is out of range, or names no format.
    """
    if not 0 <= options.min_confidence <= 1:
        raise UsageError(f"--min-confidence {options.min_confidence} is no probability: give 0 to 1")
    form = None if options.file_format is None else _format(options.file_format, options.out)
    if options.out is not None and form is None:
        check_out(options.out, options.force)
    if options.html is not None:
        check_out(options.html, options.force, (".html", ".htm"))
        if options.on is not None:
            raise UsageError("--html reports on the project's own images: leave out --on")
    err = Console(stderr=True, quiet=options.quiet, highlight=False)
    opened = open_model(model_options, err)
    pool, features = _what_to_predict(opened, model_options, options.on, err)
    tally = _Tally(len(opened.classes), _labelled(opened, pool))
    leave_out = _left_out(pool, options, tally.labelled)
    watch: list[Callable[[int, NDArray[np.float32]], None]] = [tally.look]
    if options.html is not None:
        from tuilabel.report import Sampler

        sampler = Sampler(len(opened.classes), tally.labelled)
        watch.append(sampler.look)
    columns = opened.classes if options.probabilities else ()
    written = 0
    tables = options if form is None else replace(options, out=None, quiet=True)
    with _destination(tables, columns) as file, progress(err, "predicting") as bar:
        task = bar.add_task("", total=len(pool.ids))
        for start, p in opened.final.chunks(features):
            for look in watch:
                look(start, p)
            kept = _kept(start, p, options, leave_out)
            tally.count(p[kept])
            if file is not None:
                written += len(kept)
                file.write(list(_rows(pool, opened.classes, start, p, kept, options.probabilities)))
            bar.update(task, completed=start + len(p))
    if form is not None and options.out is not None:
        rows = predicted_rows(opened, pool, features, options)
        written = form.write(rows, opened.classes, pool.files, options.out, ExportOptions(force=options.force)).labels
    if options.html is not None:
        from tuilabel.project.report_page import write_report

        write_report(opened, sampler.found(), tally.expected_accuracy, options.html, err)
    return {
        "dataset": opened.project.dataset,
        "project": str(opened.project.directory),
        "on": pool.name,
        "out": None if options.out is None else str(options.out),
        "html": None if options.html is None else str(options.html),
        "labels": len(opened.final.labelled.indices),
        "items": len(pool.ids),
        "selected": tally.selected,
        "written": written,
        "classes": {name: int(n) for name, n in zip(opened.classes, tally.classes, strict=True)},
        "mean_confidence": tally.mean_confidence,
        "expected_accuracy": tally.expected_accuracy,
        "temperature": opened.final.temperature,
        "audit_items": opened.final.n_calibration,
    }


def predicted_rows(
    opened: ProjectModel, pool: ImagePool, features: NDArray[np.float32], options: PredictOptions
) -> Iterator[LabelRow]:
    """The predictions that the options select, as rows of labels by the annotator "model", in the pool's order.

    Whatever takes rows of labels takes these: memory is bounded by a slice of the pool.

    Parameters
    ----------
    features : of the pool, float32 (N, D).
    """
    leave_out = _left_out(pool, options, _labelled(opened, pool))
    for start, p in opened.final.chunks(features):
        kept = _kept(start, p, options, leave_out)
        yield from _rows(pool, opened.classes, start, p, kept, options.probabilities)


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """What `predict` says on stderr when it is done."""
    counts = Counter(summary["classes"]).most_common(5)
    said = ", ".join(f"{name} {n:,}" for name, n in counts if n)
    expected, where = summary["expected_accuracy"], summary["out"]
    lines = [f"{summary['selected']:,} of {summary['items']:,} predictions" + (f" in {where}" if where else "")]
    if expected is not None:
        lines[0] += f", {expected:.1%} of the unlabelled should be right"
    if said:
        lines.append(f"most: {said}" if len(summary["classes"]) > 5 else said)
    if summary["html"]:
        lines.append(f"report in {summary['html']}")
    return lines


def _format(name: str, out: Path | None) -> Format | None:
    """The format of `export` that is meant; None for tables, which are written as they come."""
    form = get_format(name)
    if form.name == "cleanlab":
        raise UsageError("cleanlab judges labels: `tuilabel export --format cleanlab` writes them with probabilities")
    if out is None and form.name != "csv":
        raise UsageError(f"--format {form.name} needs a place to be written to: give --out")
    tables = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
    return None if out is None or tables.get(out.suffix.lower()) == form.name else form


class _Tally:
    """Counts what is predicted and what of it is selected."""

    def __init__(self, n_classes: int, labelled: NDArray[np.bool_]) -> None:
        self.labelled = labelled
        self.classes = np.zeros(n_classes, dtype=np.int64)
        self.selected = 0
        self._confidence = self._open_confidence = 0.0
        self._open = 0

    def look(self, start: int, p: NDArray[np.float32]) -> None:
        """Take in the probabilities of items `start`… of the pool."""
        open_ = ~self.labelled[start : start + len(p)]
        self._open += int(open_.sum())
        self._open_confidence += float(p[open_].max(axis=1, initial=0).sum(dtype=np.float64))

    def count(self, p: NDArray[np.float32]) -> None:
        """Take in rows that the options select."""
        self.selected += len(p)
        self.classes += np.bincount(p.argmax(axis=1), minlength=len(self.classes))
        self._confidence += float(p.max(axis=1, initial=0).sum(dtype=np.float64))

    @property
    def mean_confidence(self) -> float | None:
        """Of what was selected."""
        return self._confidence / self.selected if self.selected else None

    @property
    def expected_accuracy(self) -> float | None:
        """The mean confidence of all items without a label."""
        return self._open_confidence / self._open if self._open else None


def _what_to_predict(
    opened: ProjectModel, model_options: ModelOptions, on: str | None, err: Console
) -> tuple[ImagePool, NDArray[np.float32]]:
    """The pool and its features, float32 (N, D)."""
    if on is None:
        return opened.pool, opened.learner.features
    with reading(err) as show:
        pool = open_pool(on, model_options.data_dir, show)
    if opened.encoder is None:
        from tuilabel.learner.cnn import pixel_rows

        if pool.images.shape[1:] != opened.pool.images.shape[1:]:
            raise TuilabelError(f"the cnn learner takes images as large as {opened.pool.name}'s only: leave out --on")
        return pool, pixel_rows(pool.images)
    from tuilabel.encoders.encode import encode_others

    with progress(err, "encoding") as bar:
        task = bar.add_task("")
        latents = encode_others(
            opened.encoder,
            opened.pool,
            pool,
            model_options.device,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    return pool, latents


def _labelled(opened: ProjectModel, pool: ImagePool) -> NDArray[np.bool_]:
    """Which items of `pool` have a label in the project, bool (N,); one of another pool by its content."""
    labelled = np.zeros(len(pool.ids), dtype=bool)
    known = opened.final.labelled.indices
    if pool is not opened.pool:
        known = pool.indices_of([item.decode() for item in opened.pool.ids[known].tolist()])
    labelled[known[known >= 0]] = True
    return labelled


def _left_out(pool: ImagePool, options: PredictOptions, labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Items of which nothing is said, (N,): their files are gone, or they have a label and only others are wanted."""
    left_out = labelled.copy() if options.unlabelled_only else np.zeros(len(pool.ids), dtype=np.bool_)
    left_out[pool.gone] = True
    return left_out


def _kept(
    start: int, p: NDArray[np.float32], options: PredictOptions, left_out: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The rows of a chunk that are written."""
    kept = (p.max(axis=1, initial=0) >= options.min_confidence) & ~left_out[start : start + len(p)]
    return np.flatnonzero(kept)


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
        said = tuple(p[row].tolist()) if probabilities else None
        confidence = float(p[row, best[row]])
        item, path, label = pool.ids[index].decode(), files.last_name(index), classes[best[row]]
        yield LabelRow(item, index, path, label, ANNOTATOR, None, None, confidence, said)


@contextmanager
def _destination(options: PredictOptions, classes: Sequence[str]) -> Iterator[PredictionFile | None]:
    if options.out is not None:
        with prediction_file(options.out, classes) as file:
            yield file
    elif options.html is None and not options.quiet:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="surrogateescape")  # a file name may hold any bytes
        yield CsvFile(_Safe(sys.stdout) if sys.stdout.isatty() else sys.stdout, classes)
    else:
        yield None


class _Safe:
    """A terminal that no text written to it commands."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._terminal.write("".join(printable(line) + "\n" for line in text.split("\n")[:-1]))
        return len(text)

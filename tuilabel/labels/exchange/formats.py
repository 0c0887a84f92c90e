"""The formats that labels are exported in, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from tuilabel.datasets.pool import ItemFiles
from tuilabel.errors import unknown_name
from tuilabel.files import atomic_write
from tuilabel.labels.exchange.folder import ExportOptions, Written
from tuilabel.labels.exchange.folders import (
    write_fiftyone,
    write_huggingface,
    write_imagefolder,
    write_ultralytics,
)
from tuilabel.labels.exchange.rows import LabelRow
from tuilabel.labels.exchange.tables import check_new, open_text, write_csv, write_jsonl, write_parquet
from tuilabel.labels.exchange.tools import write_cleanlab, write_label_studio, write_prodigy

__all__ = ["FORMATS", "MODEL_FORMATS", "ExportOptions", "Format", "Written", "format_of", "get_format"]

Write = Callable[[Iterable[LabelRow], Sequence[str], ItemFiles, Path, ExportOptions], Written]
Stream = Callable[[Iterable[LabelRow], Sequence[str], TextIO], int]


@dataclass(frozen=True)
class Format:
    """One way to write labels."""

    name: str
    summary: str
    kind: Literal["file", "directory"]
    write: Write
    """Writes all of `out` or nothing; raises `TuilabelError` where that fails or `out` may not be overwritten."""
    stream: Stream | None = None
    """Writes to an open text file; None for a format that is no text."""


def _text_file(stream: Stream) -> Write:
    def write(
        rows: Iterable[LabelRow], classes: Sequence[str], _files: ItemFiles, out: Path, options: ExportOptions
    ) -> Written:
        check_new(out, options.force)
        with atomic_write(out) as temporary, open_text(temporary) as file:
            return Written(stream(rows, classes, file))

    return write


def _parquet(
    rows: Iterable[LabelRow], classes: Sequence[str], _files: ItemFiles, out: Path, options: ExportOptions
) -> Written:
    check_new(out, options.force)
    return Written(write_parquet(rows, classes, out))


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("csv", "a table", "file", _text_file(write_csv), write_csv),
        Format("jsonl", "an object a line", "file", _text_file(write_jsonl), write_jsonl),
        Format("parquet", "a table with types: pandas, polars, DuckDB, Spark", "file", _parquet),
        Format("imagefolder", "a folder for each class: torchvision, Keras, fastai", "directory", write_imagefolder),
        Format("huggingface", "images and metadata.jsonl: datasets", "directory", write_huggingface),
        Format("ultralytics", "train, val and test: yolo classify", "directory", write_ultralytics),
        Format("fiftyone", "a FiftyOneImageClassificationDataset", "directory", write_fiftyone),
        Format("label-studio", "tasks with annotations and their images", "directory", write_label_studio),
        Format("prodigy", "answers for db-in", "directory", write_prodigy),
        Format("cleanlab", "labels and out-of-fold probabilities as npy", "directory", write_cleanlab),
    )
}
MODEL_FORMATS = {"onnx": "the model, for ONNX Runtime", "torch": "the model, for PyTorch"}
_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".onnx": "onnx"}


def get_format(name: str) -> Format:
    """The format called `name`; raises `UsageError` where there is none."""
    if name not in FORMATS:
        raise unknown_name("format", name, (*FORMATS, *MODEL_FORMATS))
    return FORMATS[name]


def format_of(out: Path | None) -> str:
    """The format that the name of a file means; `csv` where it means none."""
    return "csv" if out is None else _BY_SUFFIX.get(out.suffix.lower(), "csv")

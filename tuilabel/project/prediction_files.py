"""Predictions as CSV, JSON lines or Parquet, written chunk by chunk."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from tuilabel.errors import TuilabelError, UsageError
from tuilabel.extras import require
from tuilabel.files import atomic_write

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

SUFFIXES = (".csv", ".jsonl", ".parquet")
DIGITS = 6  # of a probability


class Predicted(Protocol):
    """One prediction; a `LabelRow` is one."""

    @property
    def id(self) -> str:
        """Content id of the item."""

    @property
    def path(self) -> str:
        """Its path within the source."""

    @property
    def label(self) -> str:
        """The most probable class."""

    @property
    def confidence(self) -> float | None:
        """Its probability."""

    @property
    def probabilities(self) -> tuple[float, ...] | None:
        """Of all classes."""


class PredictionFile(Protocol):
    """A destination for rows of predictions."""

    def write(self, rows: Sequence[Predicted]) -> None:
        """Write rows."""


def columns(classes: Sequence[str]) -> tuple[str, ...]:
    """`id,path,label,confidence`, and `p_CLASS` for each of `classes`."""
    return ("id", "path", "label", "confidence", *(f"p_{name}" for name in classes))


def check_out(out: Path, force: bool, suffixes: Iterable[str] = SUFFIXES) -> None:
    """Check that a file can be written, before any work is done.

    Raises
    ------
    UsageError : if its suffix is not one of `suffixes`.
    TuilabelError : if it already exists and `force` is not set, is a directory, or needs a package that is not
        installed.
    """
    allowed = tuple(suffixes)
    if out.suffix.lower() not in allowed:
        raise UsageError(f"cannot tell the format of {out}: its name must end in {', '.join(allowed)}")
    if out.is_dir():
        raise TuilabelError(f"{out} is a directory: name a file in it")
    if out.exists() and not force:
        raise TuilabelError(f"{out} already exists: pass `force=True` to overwrite it, or choose another name")
    if out.suffix.lower() == ".parquet":
        require("pyarrow", "writing Parquet files")


@contextmanager
def prediction_file(out: Path, classes: Sequence[str]) -> Iterator[PredictionFile]:
    """A file for predictions, in the format of its suffix; it appears at `out` once everything is written.

    Parameters
    ----------
    classes : the classes whose probabilities are written; empty to leave them out.
    """
    with atomic_write(out) as temporary:
        if out.suffix.lower() == ".parquet":
            with _parquet(temporary, classes) as parquet:
                yield parquet
            return
        # a file name that is not UTF-8 keeps its bytes
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as text:
            yield CsvFile(text, classes) if out.suffix.lower() == ".csv" else JsonLines(text, classes)


class CsvFile:
    """A CSV file: a header and one line per prediction."""

    def __init__(self, file: SupportsWrite[str], classes: Sequence[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._with_probabilities = bool(classes)
        self._writer.writerow(columns(classes))

    def write(self, rows: Sequence[Predicted]) -> None:
        """Write rows."""
        for row in rows:
            numbers = _numbers(row, self._with_probabilities)
            self._writer.writerow((row.id, row.path, row.label, *(f"{p:.{DIGITS}f}" for p in numbers)))


class JsonLines:
    """JSON lines: one object per prediction, with the keys of the CSV header."""

    def __init__(self, file: IO[str], classes: Sequence[str]) -> None:
        self._file = file
        self._with_probabilities = bool(classes)
        self._columns = columns(classes)

    def write(self, rows: Sequence[Predicted]) -> None:
        """Write rows."""
        for row in rows:
            numbers = (round(p, DIGITS) for p in _numbers(row, self._with_probabilities))
            document = dict(zip(self._columns, (row.id, row.path, row.label, *numbers), strict=True))
            self._file.write(json.dumps(document) + "\n")


@contextmanager
def _parquet(path: Path, classes: Sequence[str]) -> Iterator[PredictionFile]:
    import pyarrow as pa
    from pyarrow import parquet

    names = columns(classes)
    types = [pa.string(), pa.string(), pa.dictionary(pa.int32(), pa.string()), *[pa.float32()] * (len(names) - 3)]
    schema = pa.schema(list(zip(names, types, strict=True)))

    class ParquetFile:
        def __init__(self, writer: Any) -> None:
            self._writer = writer

        def write(self, rows: Sequence[Predicted]) -> None:
            if not rows:
                return
            texts = [[_utf8(getattr(row, name)) for row in rows] for name in names[:3]]
            numbers = zip(*(_numbers(row, bool(classes)) for row in rows), strict=True)
            arrays = [pa.array(column, kind) for column, kind in zip((*texts, *numbers), types, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    with parquet.ParquetWriter(path, schema) as writer:
        yield ParquetFile(writer)


def _numbers(row: Predicted, with_probabilities: bool) -> tuple[float, ...]:
    confidence = row.confidence or 0.0
    return (confidence, *(row.probabilities or ())) if with_probabilities else (confidence,)


def _utf8(text: str) -> str:
    """Text that UTF-8 can encode: a file name may hold any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

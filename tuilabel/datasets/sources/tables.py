"""Tables of paths: CSV, TSV, JSON lines and Parquet, row by row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from tuilabel.datasets.sources.base import reason_of, wrong_format
from tuilabel.datasets.sources.file_refs import FileRef
from tuilabel.errors import TuilabelError, UsageError, printable

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

_PATHS = ("path", "file_name", "filename", "file", "filepath", "file_path", "image", "image_path", "img", "img_path")
_LABELS = ("label", "labels", "class", "class_name", "category", "target", "y")
_SPLITS = ("split", "subset", "fold")
_LONGEST_LINE = 2**20  # of JSON lines, in bytes


class NoPathColumn(UsageError):
    """The table has no column of paths."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    path: str
    label: str | None
    split: str | None


def read_rows(ref: FileRef) -> Iterator[Row]:
    """The rows of a table, one at a time.

    The path is in the column path, file_name, filename, file, filepath, file_path, image, image_path, img or img_path;
    the class in label, labels, class, class_name, category, target or y; the split in split, subset or fold: the first
    of these that exists, in upper or lower case.

    Raises
    ------
    NoPathColumn : if there is no column of paths.
    TuilabelError : if the table is damaged; the message has the line.
    """
    kind = ref.name.rpartition(".")[2].lower()
    readers: dict[str, Callable[[FileRef, IO[bytes]], Iterator[Row]]] = {"parquet": _parquet, "csv": _csv, "tsv": _csv}
    try:
        with ref.open() as file:
            yield from readers.get(kind, _json_lines)(ref, file)
    except (TuilabelError, GeneratorExit):
        raise
    except Exception as error:  # a disk error, a remote file system, pyarrow
        raise ref.error(error) from error


def _csv(ref: FileRef, file: IO[bytes]) -> Iterator[Row]:
    # File names may not be UTF-8; Excel writes a byte order mark, and semicolons in locales with a decimal comma.
    with io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="") as text:
        first = text.readline(_LONGEST_LINE)
        delimiter = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
        header = next(csv.reader([first], delimiter=delimiter), [])
        pick = _picker(ref, header)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise _damaged(ref, 1 + reader.line_num, reason_of(error)) from error
            if cells is None:
                return
            if len(cells) != len(header) and cells:
                reason = f"{len(cells)} columns, but {len(header)} in the first line"
                raise _damaged(ref, 1 + reader.line_num, reason)
            if cells:
                yield _row(ref, 1 + reader.line_num, [cells[k] if k is not None else None for k in pick])


def _json_lines(ref: FileRef, file: IO[bytes]) -> Iterator[Row]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if not line.strip():
            continue
        try:
            values = json.loads(line.decode("utf-8-sig", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            raise _damaged(ref, number, f"not JSON ({reason_of(error)})") from error
        if not isinstance(values, dict):
            raise _damaged(ref, number, "not a JSON object")
        keys = list(values)
        yield _row(ref, number, [values[keys[k]] if k is not None else None for k in _picker(ref, keys, number)])


def _parquet(ref: FileRef, file: IO[bytes]) -> Iterator[Row]:
    from pyarrow import ArrowInvalid, parquet  # takes 0.1 s, and is rarely needed

    try:
        table = parquet.ParquetFile(file)
    except ArrowInvalid as error:
        raise wrong_format(".parquet") from error
    names = table.schema_arrow.names
    pick = _picker(ref, names)
    columns = [names[k] for k in pick if k is not None]
    number = 0
    for batch in table.iter_batches(batch_size=4096, columns=columns):
        values: Mapping[str, Sequence[Any]] = batch.to_pydict()
        for k in range(batch.num_rows):
            number += 1
            yield _row(ref, number, [values[names[p]][k] if p is not None else None for p in pick])


def _picker(ref: FileRef, names: Sequence[str], line: int | None = None) -> list[int | None]:
    """The positions of the columns of paths, classes and splits, None for one that is missing."""
    position = {str(name).strip().lower(): k for k, name in reversed(list(enumerate(names)))}
    pick = [next((position[word] for word in words if word in position), None) for words in (_PATHS, _LABELS, _SPLITS)]
    if pick[0] is None:
        available = ", ".join(str(name)[:20] for name in names[:6]) or "nothing"
        where = ref.location if line is None else f"{ref.location}, line {line},"
        raise NoPathColumn(f"{printable(where)} has no column of paths: call one `path` (it has {available})")
    return pick


def _row(ref: FileRef, line: int, values: list[Any]) -> Row:
    path, label, split = values
    if isinstance(path, dict) and "bytes" in path:
        raise UsageError(f"{ref.location} contains the images themselves: write them to files, and a table of paths")
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise _damaged(ref, line, "no path")
    return Row(path, class_text(label), class_text(split))


def class_text(value: object) -> str | None:
    """A class as text; None if it is empty or not a class, such as a list of boxes."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if value is None or isinstance(value, (list, dict, tuple)) or value != value:
        return None
    return str(value).strip() or None


def _damaged(ref: FileRef, line: int, reason: str) -> TuilabelError:
    return TuilabelError(f"{ref.location} is damaged in line {line}: {reason}. Fix it and try again")

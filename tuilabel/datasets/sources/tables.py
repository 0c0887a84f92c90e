"""Tables of images: CSV, TSV, JSON lines and Parquet, row by row; manifests and labels to import are read here."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, TextIO

from tuilabel.datasets.sources.base import is_image, reason_of, wrong_format
from tuilabel.datasets.sources.file_refs import FileRef
from tuilabel.datasets.sources.layout import are_splits
from tuilabel.datasets.sources.texts import class_text, classes_in, text_of
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.extras import require

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

PATHS = (
    "path", "file_name", "filename", "file", "filepath", "file_path", "image", "image_path", "image_file", "image_name",
    "img", "img_path", "img_file", "img_name", "image_url", "url", "uri",
)  # fmt: skip
LABELS = ("label", "labels", "class", "class_name", "category", "choice", "target", "y", "file_attributes")
SPLITS = ("split", "subset", "fold")
_LONGEST_LINE = 2**28  # characters; a line may hold an image
_WHOLE_FLOAT = re.compile(r"\d+\.0")
_MISSING = {"", "nan"}
_BINARY = ("PK\x03\x04", "\udcd0\udccf")  # how files of Excel begin
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_BITS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_MOSTLY_ONE = 0.9  # of the rows of one-hot columns

Choose = Callable[[Sequence[str]], Mapping[str, int]]
"""From the names of a table's columns to the positions of those that are wanted, by what each is wanted for."""

csv.field_size_limit(2**31 - 1)


class NoPathColumn(UsageError):
    """The table has no column of paths."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a table.

    Attributes
    ----------
    where : its line or row, for messages.
    cells : the chosen cells, by what they were chosen for; `path`, if it was, is a text. `content` are the bytes of an
        image, if the table holds them.
    label : the class; None if the row names none, or several.
    problem : why the row cannot be used, or why it names no class; empty if there is nothing to say.
    is_odd : whether the row cannot be read at all, so that it has no cells.
    """

    where: str
    cells: Mapping[str, Any]
    label: str | None = None
    problem: str = ""
    is_odd: bool = False


def read_records(ref: FileRef, choose: Choose, kind: str | None = None) -> Iterator[Record]:
    """The rows of a table, one at a time, with the cells in the chosen columns.

    A row that cannot be read (no JSON, more cells than columns) is an odd record among the others. Texts may be UTF-8
    or UTF-16, with a byte order mark or without. A column of labels like 3.0 is one that pandas made of whole numbers.
    A text table may lack the line with the names of its columns if the first line names an image: then these are
    `path`, `label` if there is one more, or numbers from 1. Its classes may be columns of 0 and 1, one-hot.

    Parameters
    ----------
    choose : may raise if a column is missing. For JSON lines it is called with the keys of each new kind of object.
    kind : csv, tsv, jsonl or parquet; by default what the file's name says.

    Raises
    ------
    TuilabelError : if the table is damaged, or has no row that can be read; the message has the line.
    """
    kind = kind or ref.name.rpartition(".")[2].lower()
    readers = {"parquet": _parquet, "csv": _csv, "tsv": _csv, "txt": _csv}
    first_odd, readable = None, False
    try:
        with ref.open() as file:
            for record in readers.get(kind, _json_lines)(ref, file, choose):
                readable = readable or not record.is_odd
                first_odd = first_odd or (record if record.is_odd else None)
                yield record
    except (TuilabelError, GeneratorExit):
        raise
    except Exception as error:  # a disk error, a remote file system, pyarrow
        raise ref.error(error) from error
    if first_odd is not None and not readable:
        raise damaged(ref, first_odd.where, first_odd.problem)


def position(names: Sequence[str], usual: Iterable[str]) -> int | None:
    """The position of the first of the `usual` names that a column has, whatever its case; `Image Path` is image_path.

    A name is also found by exactly its own spelling.
    """
    exact = {str(name): k for k, name in reversed(list(enumerate(names)))}
    loose = {_spelling(name): k for name, k in exact.items()}
    found = (exact.get(name, loose.get(_spelling(name))) for name in usual)
    return next((k for k in found if k is not None), None)


def _spelling(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a manifest; `path` is empty if it cannot be used, and `problem` says why."""

    where: str
    path: str
    label: str | None
    split: str | None
    problem: str = ""


def read_rows(ref: FileRef, label_column: str | None = None) -> Iterator[Row]:
    """The rows of a manifest, one at a time.

    The path is in the first of the columns `PATHS`, the class in `label_column` or else the first of `LABELS`, the
    split in the first of `SPLITS`, in any case.

    Raises
    ------
    NoPathColumn : if there is no column of paths.
    UsageError : if there is no `label_column`.
    TuilabelError : if the table is damaged; the message has the line.
    """

    def choose(names: Sequence[str]) -> Mapping[str, int]:
        available = printable(", ".join(str(name)[:20] for name in names[:6])) or "nothing"
        labels = LABELS if label_column is None else (label_column,)
        usual_names = {"path": PATHS, "label": labels, "split": SPLITS}
        found = {role: position(names, usual) for role, usual in usual_names.items()}
        if found["path"] is None:
            raise NoPathColumn(
                f"{printable(ref.location)} has no column of paths: call one `path` (it has {available})"
            )
        if found["label"] is None and label_column is not None:
            raise UsageError(
                f"{printable(ref.location)} has no column {label_column!r} for `label_column`: it has {available}"
            )
        return {role: k for role, k in found.items() if k is not None}

    for record in read_records(ref, choose):
        path = record.cells.get("path", "")
        split = class_text(record.cells.get("split"))
        yield Row(record.where, path, record.label, split, "" if path else record.problem or "no path")


def damaged(ref: FileRef, where: str, reason: str) -> TuilabelError:
    """The error for a table that cannot be read on."""
    return TuilabelError(f"{ref.location} is damaged in {where}: {reason}. Fix it and try again")


def json_objects(text: TextIO) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """The objects of a JSON Lines file, each with its line; for a line that is none, the reason."""
    number = 0
    while line := text.readline(_LONGEST_LINE):
        number += 1
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield f"line {number}", f"not JSON ({reason_of(error)})"
        else:
            yield f"line {number}", values if isinstance(values, dict) else "not a JSON object"


def record_of(where: str, values: Sequence[Any], chosen: Mapping[str, int]) -> Record:
    """The chosen cells of a row."""
    cells = {role: values[k] for role, k in chosen.items()}
    if "path" in cells:
        path = cells["path"].get("path") if isinstance(cells["path"], dict) else cells["path"]
        cells["path"] = path if isinstance(path, str) and path.strip() and "\0" not in path else ""
    if isinstance(cells.get("content"), dict):
        cells["content"] = cells["content"].get("bytes")
    names = classes_in(cells.get("label"))
    return Record(where, cells, names[0] if len(names) == 1 else None, several(names))


def several(names: Sequence[str]) -> str:
    """The problem of a record that names several classes; empty if it does not."""
    return f"{len(names)} classes: {', '.join(names)}" if len(names) > 1 else ""


def _odd(where: str, reason: str) -> Record:
    return Record(where, {}, problem=reason, is_odd=True)


def _csv(ref: FileRef, file: IO[bytes], choose: Choose) -> Iterator[Record]:
    with text_of(file) as text:
        names, rows = _open_csv(ref, text)
        one_hot = [] if position(names, LABELS) is not None else _one_hot_columns(ref, names)
        chosen = choose([*names, "label"] if one_hot else names)
        label = chosen.get("label")
        whole_numbers = label is not None and label < len(names) and _holds_whole_floats(ref, label)
        for where, cells in rows:
            if isinstance(cells, str):
                yield _odd(where, cells)
                continue
            if label is not None and whole_numbers:
                text_now = cells[label].strip()
                cells[label] = "" if text_now.lower() in _MISSING else text_now[:-2]
            classes = [[names[k] for k in one_hot if _BITS[cells[k].strip().lower()]]] if one_hot else []
            yield _checked(ref, record_of(where, [*cells, *classes], chosen))


def _checked(ref: FileRef, record: Record) -> Record:
    """The record itself; raises `TuilabelError` if its class has bytes that are not text in UTF-8."""
    if record.label is not None and _NOT_UTF8.search(record.label):
        raise TuilabelError(
            f"{printable(ref.location)}, {record.where}: the class is not text in UTF-8: save the table as UTF-8 (in "
            "Excel as CSV UTF-8) and try again"
        )
    return record


def _open_csv(ref: FileRef, text: TextIO) -> tuple[list[str], Iterator[tuple[str, list[str] | str]]]:
    """The names of the columns, and the rows: each with its line, and its cells or why it has none."""
    first, above = text.readline(_LONGEST_LINE), 1
    delimiter = ""
    while first and (not first.strip() or first.lower().startswith("sep=")):
        delimiter = first.strip()[4:5]  # Excel's own line
        first, above = text.readline(_LONGEST_LINE), above + 1
    if first.startswith(_BINARY) or "\0" in first:
        raise ValueError("not a table in text: save a sheet of Excel as CSV UTF-8 first")
    outside_quotes = re.sub(r'"[^"]*"', "", first)
    delimiter = delimiter or max(",;\t|", key=outside_quotes.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if len(names) == 1 and is_image(names[0].rpartition(" ")[0]):
        return ["path", "label"], _listed_rows(chain([first], text), above)
    if not any(is_image(name) for name in names):
        return names, _csv_rows(ref, csv.reader(text, delimiter=delimiter, strict=True), len(names), above)
    lines = csv.reader(chain([first], text), delimiter=delimiter, strict=True)
    return _usual_names(names), _csv_rows(ref, lines, len(names), above - 1)


def _usual_names(cells: Sequence[str]) -> list[str]:
    """Names for the columns of a table without any, by its first row: numbers from 1 but for what is certain."""
    path = next(k for k, cell in enumerate(cells) if is_image(cell))
    names = [str(k) for k in range(1, len(cells) + 1)]
    names[path] = "path"
    others = [k for k in range(len(cells)) if k != path]
    split = next((k for k in others if are_splits([cells[k]])), None) if len(others) > 1 else None
    if split is not None:
        names[split] = "split"
        others.remove(split)
    if len(others) == 1:
        names[others[0]] = "label"
    return names


def _listed_rows(lines: Iterable[str], number: int) -> Iterator[tuple[str, list[str] | str]]:
    """The rows of a list with a path, a space and a class in each line, as for ImageNet."""
    for k, line in enumerate(lines, number):
        if line.strip():
            path, _, label = line.strip().rpartition(" ")
            yield f"line {k}", [path, label]


def _one_hot_columns(ref: FileRef, names: Sequence[str]) -> list[int]:
    """The columns that are classes because they hold just 0 and 1, and nearly all rows a single 1; else none."""
    others = {position(names, usual) for usual in (PATHS, SPLITS, ("id",))}
    columns = [k for k in range(len(names)) if k not in others]
    n_rows = n_single = 0
    with ref.open() as file, text_of(file) as text:
        for _, cells in _open_csv(ref, text)[1]:
            if isinstance(cells, str):
                continue
            columns = [k for k in columns if cells[k].strip().lower() in _BITS]
            if len(columns) < 2:
                return []
            n_rows += 1
            n_single += sum(_BITS[cells[k].strip().lower()] for k in columns) == 1
    return columns if n_rows and n_single >= _MOSTLY_ONE * n_rows else []


def _csv_rows(ref: FileRef, reader: Any, width: int, above: int) -> Iterator[tuple[str, list[str] | str]]:
    while True:
        where = f"line {above + reader.line_num + 1}"
        try:
            cells: list[str] = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):  # it has swallowed all lines after it
                raise damaged(ref, where, "a quotation mark that is never closed") from error
            yield where, reason_of(error)
            continue
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if len(cells) > width:
            yield where, f"{len(cells)} cells, but {width} columns: a cell with a separator in it needs quotation marks"
        elif any(cells):
            yield where, cells + [""] * (width - len(cells))


def _holds_whole_floats(ref: FileRef, column: int) -> bool:
    """Whether all labels in a column look like 3.0; in most tables the first one settles it."""
    found = False
    with ref.open() as file, text_of(file) as text:
        for _, cells in _open_csv(ref, text)[1]:
            label = "" if isinstance(cells, str) else cells[column].strip()
            if label.lower() not in _MISSING:
                if not _WHOLE_FLOAT.fullmatch(label):
                    return False
                found = True
    return found


def _json_lines(ref: FileRef, file: IO[bytes], choose: Choose) -> Iterator[Record]:
    chosen_of: dict[tuple[str, ...], Mapping[str, int]] = {}
    waiting, first_error = list[Record](), None  # odd ones, until an object is like those of a table
    with text_of(file) as text:
        for where, values in json_objects(text):
            if isinstance(values, str):
                record = _odd(where, values)
            else:
                names = tuple(values)
                try:
                    chosen_of[names] = chosen_of.get(names) or choose(names)
                    record = record_of(where, [*values.values()], chosen_of[names])
                except TuilabelError as error:
                    first_error = first_error or error
                    record = _odd(where, f"none of the columns: it has {printable(', '.join(names[:6])) or 'nothing'}")
            if chosen_of:
                yield from (*waiting, _checked(ref, record))
                waiting = []
            else:
                waiting.append(record)
    if first_error is not None and not chosen_of:
        raise first_error
    yield from waiting


def _parquet(_ref: FileRef, file: IO[bytes], choose: Choose) -> Iterator[Record]:
    require("pyarrow", "reading Parquet files")
    from pyarrow import ArrowInvalid, parquet  # takes 0.1 s, and is rarely needed

    from tuilabel.datasets.sources.parquets import class_names, image_column, named

    try:
        table = parquet.ParquetFile(file)
    except ArrowInvalid as error:
        raise wrong_format(".parquet") from error
    schema, number = table.schema_arrow, 0
    chosen, image = dict(choose(schema.names)), image_column(schema)
    if image is not None:
        chosen["content"] = schema.names.index(image)
    column_of = {role: schema.names[k] for role, k in chosen.items()}
    names = class_names(schema, column_of.get("label", ""))
    roles = {role: k for k, role in enumerate(column_of)}
    for batch in table.iter_batches(4096 if image is None else 64, columns=sorted({*column_of.values()})):
        values: Mapping[str, Sequence[Any]] = batch.to_pydict()
        for k in range(batch.num_rows):
            number += 1
            cells = {role: values[column][k] for role, column in column_of.items()}
            if "label" in cells:
                cells["label"] = named(cells["label"], names)
            yield record_of(f"row {number}", [*cells.values()], roles)

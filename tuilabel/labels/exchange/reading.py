"""Labels from the files of other programs: which formats there are, tables and class folders."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuilabel.errors import TuilabelError, UsageError, unknown_name
from tuilabel.labels.exchange.folder import MANIFEST
from tuilabel.labels.exchange.foreign import ForeignLabel, ImportOptions, json_lines, text_of, time_of
from tuilabel.labels.exchange.images import SUFFIXES
from tuilabel.labels.exchange.reading_tools import read_label_studio, read_prodigy

LABEL_COLUMNS = ("label", "class", "class_name", "category", "choice", "target")
PATH_COLUMNS = ("path", "file_name", "filename", "filepath", "file", "image")
SPLITS = {"train", "val", "valid", "validation", "test"}


Reader = Callable[[Path, ImportOptions], Iterable[ForeignLabel]]


def read_labels(source: Path, file_format: str, options: ImportOptions) -> tuple[str, list[ForeignLabel]]:
    """The format and all rows of a file or folder.

    Parameters
    ----------
    file_format : a name, or `auto` to look.

    Raises
    ------
    UsageError : where the format is unknown or a table lacks a column.
    TuilabelError : where the source cannot be read, or is not what the format says.
    """
    readers: dict[str, Reader] = {
        "csv": read_csv,
        "jsonl": read_jsonl,
        "parquet": read_parquet,
        "imagefolder": read_imagefolder,
        "label-studio": read_label_studio,
        "prodigy": read_prodigy,
    }
    if not source.exists():
        raise TuilabelError(f"there is nothing at {source}: name a file or a folder with labels")
    if file_format not in ("auto", *readers):
        raise unknown_name("format", file_format, ("auto", *readers))
    name = file_format
    try:
        name = _look(source) if name == "auto" else name
        return name, list(readers[name](_file_in(source, name), options))
    except OSError as error:
        raise TuilabelError(f"cannot read {source}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TuilabelError(f"{source} is no text in UTF-8: save it as that, or name its --format") from error
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise TuilabelError(f"{source} is not built as {name} is: name its --format") from error


def read_csv(source: Path, options: ImportOptions) -> Iterator[ForeignLabel]:
    """A table with a line of names; commas, semicolons or tabs between."""
    csv.field_size_limit(2**31 - 1)
    with source.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        table = csv.DictReader(file, delimiter=delimiter)
        path, label = _columns(table.fieldnames or (), options, source)
        try:
            for row in table:
                yield _from_row(row, f"line {table.line_num}", path, label)
        except csv.Error as error:
            raise TuilabelError(f"{source}, line {table.line_num}, is no csv: {error}") from error


def read_jsonl(source: Path, options: ImportOptions) -> Iterator[ForeignLabel]:
    """An object a line."""
    columns: tuple[str | None, str] | None = None
    for where, row in json_lines(source):
        columns = columns or _columns(row, options, source)
        yield _from_row(row, where, *columns)


def read_parquet(source: Path, options: ImportOptions) -> Iterator[ForeignLabel]:
    """A Parquet table."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(source) as table:
            path, label = _columns(table.schema_arrow.names, options, source)
            wanted = {path or "id", label, "id", "annotator", "labelled_at"} & set(table.schema_arrow.names)
            number = 0
            for batch in table.iter_batches(columns=sorted(wanted)):
                for row in batch.to_pylist():
                    number += 1
                    yield _from_row(row, f"row {number}", path, label)
    except pa.ArrowException as error:
        raise TuilabelError(f"{source} is no Parquet table: {' '.join(str(error).split())}") from error


def read_imagefolder(source: Path, _options: ImportOptions) -> Iterator[ForeignLabel]:
    """`CLASS/…/image` or `train/CLASS/…/image`; an export of ours knows what each file was, wherever it lies now."""
    if not source.is_dir():
        raise TuilabelError(f"{source} is a file, and imagefolder is a folder of classes: give that, or its --format")
    manifest = _manifest(source)
    items, classes = manifest.get("items", {}), manifest.get("classes", {})
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    tops = {path.relative_to(source).parts[0] for path in files if len(path.relative_to(source).parts) > 1}
    level = 1 if tops and tops <= SPLITS else 0
    for path in files:
        parts = path.relative_to(source).parts
        folder = parts[level] if len(parts) > level + 1 else ""
        known = items.get(path.name, {})
        yield ForeignLabel(
            where=str(path.relative_to(source)),
            label=classes.get(folder, folder),
            id=known.get("id", ""),
            path=str(path.absolute()),
            annotator=known.get("annotator", ""),
            at=time_of(known.get("labelled_at")),
            content=path.read_bytes,
        )


def _columns(names: Iterable[str], options: ImportOptions, source: Path) -> tuple[str | None, str]:
    """The columns with the path, if there is one, and with the label."""
    names = list(names)

    def find(wanted: str | None, usual: tuple[str, ...], option: str) -> str | None:
        if wanted is not None and wanted not in names:
            raise UsageError(f"{source} has no column {wanted!r} for {option}: there are {', '.join(names)}")
        return wanted or next((name for name in usual if name in names), None)

    path = find(options.path_column, PATH_COLUMNS, "--path-column")
    label = find(options.label_column, LABEL_COLUMNS, "--label-column")
    if label is None:
        raise UsageError(f"{source} has no column called label: name it with --label-column ({', '.join(names)})")
    if path is None and "id" not in names:
        raise UsageError(f"{source} has no column called path or id: name one with --path-column ({', '.join(names)})")
    return path, label


def _from_row(row: Mapping[str, Any], where: str, path: str | None, label: str) -> ForeignLabel:
    named = "" if path is None else str(row.get(path) or "")
    return ForeignLabel(
        where=where,
        label=text_of(row.get(label)),
        id=text_of(row.get("id")),
        path=named,
        annotator=text_of(row.get("annotator")),
        at=time_of(row.get("labelled_at")),
    )


def _look(source: Path) -> str:
    """The format that a source seems to have."""
    if source.is_dir():
        said = _manifest(source).get("format", "")
        return said if said in ("label-studio", "prodigy") else "imagefolder"
    suffix = source.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        _, first = next(json_lines(source), ("", {}))
        return "prodigy" if {"answer", "accept", "_view_id", "_input_hash"} & set(first) else "jsonl"
    known = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "label-studio", ".parquet": "parquet"}
    if suffix not in known:
        raise UsageError(f"{source} may be anything: say what with --format")
    return known[suffix]


def _file_in(source: Path, file_format: str) -> Path:
    """The file with the labels in a folder that `export` made."""
    inside = {"label-studio": "tasks.json", "prodigy": "annotations.jsonl"}.get(file_format)
    return source / inside if inside is not None and source.is_dir() else source


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    usable = isinstance(document, dict) and all(isinstance(document.get(k, {}), dict) for k in ("items", "classes"))
    return document if usable else {}

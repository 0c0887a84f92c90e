"""Images inside Parquet files, as data sets of Hugging Face keep them: one file or many, local or remote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tuilabel.datasets.sources.base import (
    MAX_FILE_BYTES,
    Content,
    Entry,
    SkipLog,
    Skipped,
    SourceError,
    reason_of,
    title_of,
    too_large,
    wrong_format,
)
from tuilabel.datasets.sources.file_refs import FileRef
from tuilabel.datasets.sources.layout import Splits, are_splits
from tuilabel.datasets.sources.tables import LABELS, PATHS, position
from tuilabel.datasets.sources.texts import class_text
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.extras import require

READING = "reading Parquet files"
_ROWS = 64  # images in memory at a time


class ParquetImages:
    """The images in the rows of Parquet files: a column of `{bytes, path}` or of bytes, and one of classes.

    Numbers of classes have the names that the file gives them. The first word of a file's name is its split, or its
    folder is. An image is called by its path if all paths in its file differ, else `#ROW`, and `FILE/…` or `FILE#ROW`
    if there are many files. A file is read in groups of rows, so images are read in their order.
    """

    sequential = True
    keeps_copies = True
    row_shape = None

    def __init__(self, location: str, files: Sequence[FileRef], label_column: str | None = None) -> None:
        self.location = location
        self.title = title_of(location)
        self._label_column = label_column
        names = [ref.location.removeprefix(location).strip("/").removesuffix(".parquet") for ref in files]
        self._files = dict(zip(names if len(files) > 1 else [""], files, strict=True))
        self._rows: dict[str, tuple[str, int]] = {}
        self._skipped = SkipLog()

    def list(self) -> Iterator[Entry]:
        """Every row with an image, in the order of the files; a file that is damaged is skipped."""
        self._skipped, self._rows = SkipLog(), {}
        words = {name: _split_word(ref) for name, ref in self._files.items()}
        splits = Splits(words.values())
        for file_name, ref in self._files.items():
            try:
                _, stamp = ref.status()
                paths, labels = _paths_and_labels(ref, self._label_column)
            except UsageError:  # there is no such column
                raise
            except Exception as error:  # pyarrow and each file system raise their own errors
                if len(self._files) == 1:
                    raise error if isinstance(error, TuilabelError) else ref.error(error) from error
                self._skipped.add(ref.name, reason_of(error))
                continue
            are_names = all(paths) and len(set(paths)) == len(paths)
            for k, (path, label) in enumerate(zip(paths, labels, strict=True)):
                name = f"{file_name}/{path}".lstrip("/") if are_names else f"{file_name}#{k}"
                self._rows[name] = file_name, k
                yield Entry(name, 0, f"{stamp}-{k}", label, label is not None and splits.is_test(words[file_name]))

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The bytes of the images, file by file."""
        if not self._rows:
            for _ in self.list():
                pass
        wanted: dict[str, dict[int, str]] = {}
        for name in names:
            if name in self._rows:
                file_name, k = self._rows[name]
                wanted.setdefault(file_name, {})[k] = name
            else:
                yield name, SourceError("no such row")
        for file_name, rows in wanted.items():
            try:
                for k, content in _contents(self._files[file_name], rows):
                    yield rows.pop(k), content
                reason = "no such row"
            except Exception as error:  # pyarrow and each file system raise their own errors
                reason = reason_of(error)
            for name in rows.values():
                yield name, SourceError(reason)

    def columns(self) -> str:
        """The names of the columns in the first file, for messages."""
        from pyarrow import parquet

        with next(iter(self._files.values())).open() as file:
            return _names(parquet.read_schema(file))

    def path(self, _name: str) -> Path | None:
        """None: the image is inside a file."""
        return None

    def skipped(self) -> Skipped:
        """Files that could not be read."""
        return self._skipped.all()

    def passed_over(self) -> dict[str, int]:
        """Nothing: every row is an image."""
        return {}


def holds_images(ref: FileRef) -> bool:
    """Whether a file is a Parquet file with images in it; False if it cannot be read."""
    require("pyarrow", READING)
    from pyarrow import parquet

    try:
        with ref.open() as file:
            return image_column(parquet.read_schema(file)) is not None
    except Exception:  # reading it will report why
        return False


def image_column(schema: Any) -> str | None:
    """The column of images in an Arrow schema: structs that have `bytes`, or bytes under a usual name."""
    from pyarrow import types

    structs = [f.name for f in schema if types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    binary = [f.name for f in schema if types.is_binary(f.type) or types.is_large_binary(f.type)]
    for names in (structs, binary):
        k = position(names, PATHS)
        if k is not None:
            return str(names[k])
    return str(structs[0]) if structs else None


def class_names(schema: Any, column: str) -> Sequence[str]:
    """The names of the numbered classes in a column, as Hugging Face notes them; empty if there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def _names(schema: Any) -> str:
    return printable(", ".join(map(str, schema.names)))


def _only_classes(schema: Any) -> str | None:
    """The one column whose numbers have names of classes; None if there is none, or several."""
    columns = [str(name) for name in schema.names if class_names(schema, name)]
    return columns[0] if len(columns) == 1 else None


def named(value: object, names: Sequence[str]) -> object:
    """The name of a numbered class, or the value itself."""
    if not names or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def _paths_and_labels(ref: FileRef, label_column: str | None) -> tuple[list[str], list[str | None]]:
    """The path and the class of every row; empty paths where there are none."""
    require("pyarrow", READING)
    from pyarrow import ArrowInvalid, parquet, types

    with ref.open() as file:
        try:
            table = parquet.ParquetFile(file)
        except ArrowInvalid as error:
            raise wrong_format(".parquet") from error
        schema = table.schema_arrow
        image = image_column(schema)
        if image is None:
            raise ValueError("no column of images")
        kind = schema.field(image).type
        has_path = types.is_struct(kind) and kind.get_field_index("path") >= 0
        k = position(schema.names, LABELS if label_column is None else (label_column,))
        if k is None and label_column is not None:
            raise UsageError(
                f"{ref.location} has no column {label_column!r} for `label_column`: it has {_names(schema)}"
            )
        label = _only_classes(schema) if k is None or schema.names[k] == image else schema.names[k]
        count = table.metadata.num_rows
        paths = [""] * count
        labels: list[str | None] = [None] * count
        if has_path:
            paths = [cell["path"] or "" for cell in table.read([f"{image}.path"]).column(0).to_pylist()]
        if label is not None:
            names = class_names(schema, label)
            labels = [class_text(named(cell, names)) for cell in table.read([label]).column(0).to_pylist()]
        return paths, labels


def _contents(ref: FileRef, rows: Iterable[int]) -> Iterator[tuple[int, Content]]:
    """The images in some rows, in their order; groups of rows without any of them are not read."""
    from pyarrow import parquet, types

    left = set(rows)
    with ref.open() as file:
        table = parquet.ParquetFile(file)
        image = image_column(table.schema_arrow)
        is_struct = types.is_struct(table.schema_arrow.field(image).type)
        begin = 0
        for group in range(table.num_row_groups):
            end = begin + table.metadata.row_group(group).num_rows
            if not left.isdisjoint(range(begin, end)):
                column = f"{image}.bytes" if is_struct else image
                for batch in table.iter_batches(_ROWS, row_groups=[group], columns=[column]):
                    for k, cell in enumerate(batch.column(0), begin):
                        if k in left:
                            yield k, _content(cell.as_py())
                    begin += batch.num_rows
            begin = end


def _content(cell: object) -> Content:
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        return SourceError("the row holds no image")
    return too_large(len(data)) if len(data) > MAX_FILE_BYTES else data


def _split_word(ref: FileRef) -> str:
    """The first word of a file's name, or its folder if that is a split: train-00000.parquet, train/0000.parquet."""
    folder = ref.path.rpartition("/")[0].rpartition("/")[2]
    return folder if are_splits([folder]) else re.split(r"[-_.]", ref.name)[0]

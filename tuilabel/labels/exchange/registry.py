"""All formats by name, and detection of the format of a file."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from tuilabel.datasets.sources.base import is_hidden
from tuilabel.datasets.sources.layout import are_splits
from tuilabel.errors import TuilabelError, UsageError, printable, unknown_name
from tuilabel.labels.exchange.base import Format, ImportedLabel, ImportOptions
from tuilabel.labels.exchange.directory import read_manifest
from tuilabel.labels.exchange.formats import (
    cleanlab,
    csv_table,
    cvat,
    fiftyone,
    huggingface,
    imagefolder,
    jsonl_table,
    label_studio,
    labelme,
    parquet_table,
    prodigy,
    ultralytics,
)

_SHEETS = (".xlsx", ".xls", ".ods")
FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        csv_table,
        jsonl_table,
        parquet_table,
        imagefolder,
        huggingface,
        ultralytics,
        fiftyone,
        label_studio,
        prodigy,
        cleanlab,
    )
}
"""Those that labels can be exported to."""
_ONLY_READ: dict[str, Format] = {module.FORMAT.name: module.FORMAT for module in (cvat, labelme)}
_READERS = {name: form for name, form in (FORMATS | _ONLY_READ).items() if form.reader is not None}
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".xml", *_SHEETS)
_NO_LABELS = ("metadata", "tuilabel", "dataset_info", "dataset_dict", "state")  # of folders that are read as a whole
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
READABLE = tuple(_READERS)


def get_format(name: str) -> Format:
    """The format called `name`; raises `UsageError` if there is none."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    return FORMATS[name]


def format_for_path(out: Path) -> str | None:
    """The name of the single-file format with this path's suffix; None if there is none."""
    suffix = out.suffix.lower()
    return next((form.name for form in FORMATS.values() if form.kind == "file" and suffix in form.suffixes), None)


def detect_format(source: Path) -> str:
    """The name of the format that a file or directory seems to be in.

    Raises
    ------
    UsageError : if no format has the suffix of the file.
    TuilabelError : if the file has to be read to decide, and is damaged.
    """
    if source.is_dir():
        written_as = str(read_manifest(source).get("format"))
        if written_as in READABLE:
            return written_as
        known = next((name for name, form in _READERS.items() if _knows(form, source)), None)
        if known is None:
            _check_class_folders(source)
        return known or imagefolder.FORMAT.name
    candidates = [form for form in _READERS.values() if source.suffix.lower() in form.suffixes]
    if source.suffix.lower() in _SHEETS:
        raise UsageError(f"{source} is a spreadsheet: save it as CSV UTF-8, and import that")
    if source.suffix.lower() in _PACKED and Path(source.stem).suffix.lower() in _TABLES:
        raise UsageError(f"{source} is a packed table: unpack it first, and import {source.stem}")
    if not candidates:
        raise UsageError(f"cannot tell the format of {source} from its name: pass `file_format`")
    certain = (form for form in candidates if form.recognises is not None and form.recognises(source))
    usual = (form for form in candidates if form.recognises is None)
    return next(chain(certain, usual), candidates[0]).name


def _check_class_folders(folder: Path) -> None:
    """Raise `UsageError` if a folder has tables, and no class folders: its classes are rather in these."""
    inside = sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    folders = [path.name for path in inside if path.is_dir()]
    tables = [path.name for path in inside if path.suffix.lower() in _TABLES and path.stem not in _NO_LABELS]
    has_archives = any(path.suffix.lower() in (*_PACKED, ".tar", ".tgz") for path in inside)
    if tables and len(folders) < 2 and not are_splits(folders) and not has_archives:
        named = printable(" and ".join(tables[:3]))
        raise UsageError(f"{folder} has no class folders, but {named}: import that, or pass `file_format`")


def _knows(form: Format, folder: Path) -> bool:
    """Whether a folder is in a format, by a file of a certain name or, if the format has none, by what is in it."""
    if form.markers or form.kind != "directory" or form.recognises is None:
        return any((folder / marker).is_file() for marker in form.markers)
    return form.recognises(folder)


def read_labels(source: Path, file_format: str, options: ImportOptions) -> tuple[str, list[ImportedLabel]]:
    """Read all labels of a file or directory.

    Parameters
    ----------
    file_format : one of `READABLE`, or `auto` to detect it.

    Returns
    -------
    The name of the format, and the labels.

    Raises
    ------
    UsageError : if the format is unknown or a table lacks a column.
    TuilabelError : if the source cannot be read or is not in that format.
    """
    if not source.exists():
        raise TuilabelError(f"{source} does not exist: pass a file or directory with labels")
    if file_format not in ("auto", *READABLE):
        raise unknown_name("format", file_format, ("auto", *READABLE))
    name = file_format
    try:
        name = detect_format(source) if name == "auto" else name
        rows = list(_READERS[name].read(source, options))
    except OSError as error:
        raise TuilabelError(f"cannot read {source}: {error.strerror or error}") from error
    except (AttributeError, EOFError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise TuilabelError(f"{source} does not have the structure of {name}: choose another `file_format`") from error
    if rows and all(row.is_odd for row in rows):
        first = rows[0]
        raise TuilabelError(f"{source}, {first.where}: {first.problem}. Fix it, or choose another `file_format`")
    return name, rows

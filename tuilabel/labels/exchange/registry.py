"""All formats by name, and detection of the format of a file."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from tuilabel.errors import TuilabelError, UsageError, unknown_name
from tuilabel.labels.exchange.base import Format, ImportedLabel, ImportOptions
from tuilabel.labels.exchange.directory import read_manifest
from tuilabel.labels.exchange.formats import (
    cleanlab,
    csv_table,
    fiftyone,
    huggingface,
    imagefolder,
    jsonl_table,
    label_studio,
    parquet_table,
    prodigy,
    ultralytics,
)

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
READABLE = tuple(name for name, form in FORMATS.items() if form.reader is not None)


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
        marked = (name for name in READABLE if FORMATS[name].marker and (source / FORMATS[name].marker).is_file())
        return next(marked, imagefolder.FORMAT.name)
    candidates = [FORMATS[name] for name in READABLE if source.suffix.lower() in FORMATS[name].suffixes]
    if not candidates:
        raise UsageError(f"cannot tell the format of {source} from its name: pass `file_format`")
    certain = (form for form in candidates if form.recognises is not None and form.recognises(source))
    usual = (form for form in candidates if form.recognises is None)
    return next(chain(certain, usual), candidates[0]).name


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
        rows = list(FORMATS[name].read(source, options))
    except OSError as error:
        raise TuilabelError(f"cannot read {source}: {error.strerror or error}") from error
    except (AttributeError, EOFError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise TuilabelError(f"{source} does not have the structure of {name}: choose another `file_format`") from error
    if rows and all(row.is_odd for row in rows):
        first = rows[0]
        raise TuilabelError(f"{source}, {first.where}: {first.problem}. Fix it, or choose another `file_format`")
    return name, rows

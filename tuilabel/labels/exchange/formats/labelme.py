"""`labelme`: a folder with a JSON file for each image, whose flags are classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tuilabel.datasets.sources.base import is_hidden
from tuilabel.datasets.sources.tables import record_of
from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange.base import Format, ImportedLabel, ImportOptions
from tuilabel.labels.exchange.documents import rows_in
from tuilabel.labels.exchange.tables import imported_row

_LOOKED_AT = 20  # files


def read_labelme(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read the files of labelme in a folder, or one of them: an image has the class whose flag is set.

    Raises
    ------
    TuilabelError : if there are none.
    """
    options.refuse_columns(source)
    files = _files(source) if source.is_dir() else [source]
    if not files:
        raise TuilabelError(f"{source} has no .json files of labelme: choose another `file_format`")
    for file in files:
        where = str(file.relative_to(source)) if source.is_dir() else file.name
        row = _row(file)
        if row is None:
            yield ImportedLabel(where, "", problem="not a file of labelme", is_odd=True)
        else:
            yield imported_row(record_of(where, row, {"path": 0, "label": 1}))


def recognise_labelme(source: Path) -> bool:
    """Whether a file, or the first JSON file in a folder, is one of labelme."""
    return any(_row(file) is not None for file in (_files(source)[:_LOOKED_AT] if source.is_dir() else [source]))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.json") if not is_hidden(file.name))


def _row(file: Path) -> tuple[str, object] | None:
    """The path of the image, relative to the folder of the imported files, and its flags."""
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    rows = rows_in(document) if isinstance(document, dict) and "imagePath" in document else None
    return None if not rows else (rows[0]["path"], rows[0]["label"])


FORMAT = Format("labelme", "directory", reader=read_labelme, suffixes=(".json",), recognises=recognise_labelme)

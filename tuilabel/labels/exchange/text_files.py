"""Text files, written atomically."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from tuilabel.datasets.item_files import ItemFiles
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write
from tuilabel.labels.exchange.base import ExportOptions, StreamWriter, Writer, WriteResult
from tuilabel.labels.exchange.rows import LabelRow


def text_file_writer(stream: StreamWriter) -> Writer:
    """The writer of a format that is one text file."""

    def write(
        rows: Iterable[LabelRow], classes: Sequence[str], _files: ItemFiles, out: Path, options: ExportOptions
    ) -> WriteResult:
        check_new_file(out, options.force)
        with atomic_write(out) as temporary, open_text(temporary) as file:
            return WriteResult(stream(rows, classes, file))

    return write


def open_text(path: Path) -> TextIO:
    """Open a file for writing text. Bytes of file names that are not valid UTF-8 are written as they are."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def check_new_file(out: Path, force: bool) -> None:
    """Raise `TuilabelError` if a file must not be written at `out`."""
    if out.is_dir():
        raise TuilabelError(f"{out} is a directory, but this format is a single file: choose another `out`")
    if (out.exists() or out.is_symlink()) and not force:
        raise TuilabelError(f"{out} already exists: pass `force=True` to overwrite it, or choose another `out`")

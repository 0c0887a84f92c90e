"""Open a table of latents. Nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path

from tuilabel.encoders.tables.arrays import NpyFile, NpzFile
from tuilabel.encoders.tables.base import TableFile
from tuilabel.encoders.tables.folder import FolderOfTables
from tuilabel.encoders.tables.parquet import ParquetFile
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import open_file

KINDS: dict[bytes, type[NpyFile | NpzFile | ParquetFile]] = {
    b"\x93NUM": NpyFile,
    b"PK\x03\x04": NpzFile,
    b"PAR1": ParquetFile,
}
"""The formats by the first four bytes of a file."""


def open_table(path: Path) -> TableFile:
    """Open a table of latents, or a folder of Parquet files; the content decides the format, not the name.

    Raises
    ------
    TuilabelError : if the file cannot be read, or is damaged.
    UsageError : if it does not hold a table of numbers.
    """
    if path.is_dir():
        return FolderOfTables(path)
    try:
        with open_file(path) as file:
            magic = file.read(4)
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    kind = KINDS.get(magic)
    if kind is None:
        found = "is empty" if not magic else "is neither of these, or damaged"
        raise UsageError(f"latents must be a table of numbers, a .npy, .npz or .parquet file: {path} {found}")
    return kind(path)

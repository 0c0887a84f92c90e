"""The folder that shards are written to: on a local disk, or wherever fsspec writes."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO

from tuilabel.datasets.sources.base import reason_of
from tuilabel.datasets.sources.file_refs import file_ref
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write

_APPEAR_WHOLE = frozenset(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "hf", "memory"))
"""File systems on which a file is not there until all of it is."""


class ShardFolder:
    """A folder in which files appear whole or not at all.

    Parameters
    ----------
    location : a path, or a URL that fsspec can write to.

    Raises
    ------
    UsageError, TuilabelError : if there is no such file system, or it cannot be reached.
    """

    def __init__(self, location: str) -> None:
        self._ref = file_ref(location)
        self.location = self._ref.location

    def names(self) -> set[str]:
        """The files in it; empty if it does not exist yet."""
        return {name for name, is_folder in self._ref.children() if not is_folder}

    def open(self, name: str) -> IO[bytes]:
        """A file, opened for reading; raises `TuilabelError` if it cannot be."""
        file = self._ref.child(name)
        try:
            return file.open()
        except Exception as error:  # each file system raises its own errors
            raise file.error(error) from error

    def read(self, name: str) -> bytes:
        """The content of a file; raises `TuilabelError` if it cannot be read."""
        with self.open(name) as file:
            return file.read()

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a path on this machine; what is written there becomes the file when all went well.

        Raises
        ------
        TuilabelError : if it cannot be written.
        """
        if self._ref.is_local:
            with atomic_write(Path(self._ref.path, name)) as temporary:
                yield temporary
            return
        with tempfile.TemporaryDirectory() as temporary_folder:
            written = Path(temporary_folder, name)
            yield written
            self._put(written, name)

    def remove(self, name: str) -> None:
        """Delete a file; one that is not there, or cannot be deleted, stays."""
        try:
            if self._ref.is_local:
                Path(self._ref.path, name).unlink(missing_ok=True)
            else:
                self._ref.filesystem.rm_file(self._path(name))
        except Exception:  # it is of no use any more, and does no harm
            return

    def _put(self, file: Path, name: str) -> None:
        files = self._ref.filesystem
        protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        try:
            files.makedirs(self._ref.path, exist_ok=True)
            if protocols & _APPEAR_WHOLE:
                files.put_file(str(file), self._path(name))
            else:
                temporary = self._path(f".{name}.{token_hex(4)}.tmp")
                files.put_file(str(file), temporary)
                files.mv(temporary, self._path(name))
        except Exception as error:  # each file system raises its own errors
            raise TuilabelError(f"cannot write {self.location}/{name}: {reason_of(error)}") from error

    def _path(self, name: str) -> str:
        return posixpath.join(self._ref.path, name)

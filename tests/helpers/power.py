"""Power cuts: what a disk may hold of a database when the power goes, by SQLite's own rules.

A virtual file system (apsw) notes each write, flush and deletion. What has not been flushed when the power goes may be
on the disk or not, sector by sector; a deletion is certain once the directory has been flushed.
"""

# ruff: noqa: N802 - the names are SQLite's

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


@dataclass
class Recorder:
    """What happened to the files of a database, in order: (what, name, offset, bytes)."""

    log: list[tuple[str, str, int, bytes]] = field(default_factory=list)

    def register(self, name: str) -> None:
        """Make SQLite use it as the virtual file system `name`."""
        recorder = self

        class File(apsw.VFSFile):
            def __init__(self, filename: Any, flags: Any) -> None:
                self._path = filename.filename() if isinstance(filename, apsw.URIFilename) else str(filename)
                super().__init__("", filename, flags)

            def xWrite(self, data: bytes, offset: int) -> None:
                recorder.log.append(("write", self._path, offset, bytes(data)))
                super().xWrite(data, offset)

            def xTruncate(self, size: int) -> None:
                recorder.log.append(("truncate", self._path, size, b""))
                super().xTruncate(size)

            def xSync(self, flags: int) -> None:
                recorder.log.append(("sync", self._path, 0, b""))
                super().xSync(flags)

        class Files(apsw.VFS):
            def __init__(self) -> None:
                super().__init__(name, "")

            def xOpen(self, filename: Any, flags: Any) -> File:
                return File(filename, flags)

            def xDelete(self, filename: str, sync_directory: bool) -> None:
                super().xDelete(filename, sync_directory)
                recorder.log.append(("delete", filename, int(sync_directory), b""))

        self._files = Files()

    def state_at(self, moment: int, dice: random.Random, kept: float) -> dict[str, bytes]:
        """The files when the power goes before the operation `moment`.

        Parameters
        ----------
        kept : the share of unflushed sectors that are on the disk all the same, chosen by `dice`.
        """
        disk: dict[str, bytearray] = {}
        loose: dict[str, list[tuple[str, int, bytes]]] = {}
        for what, name, number, data in self.log[:moment]:
            if what == "sync":
                for change in loose.pop(name, []):
                    _apply(disk.setdefault(name, bytearray()), *change)
            elif what == "delete":
                loose.pop(name, None)
                if number or dice.random() < kept:
                    disk.pop(name, None)
            else:
                loose.setdefault(name, []).append((what, number, data))
        for name, changes in loose.items():
            for what, number, data in changes:
                if what == "truncate" and dice.random() < kept:
                    _apply(disk.setdefault(name, bytearray()), what, number, data)
                for start in range(0, len(data), SECTOR):
                    if dice.random() < kept:
                        piece = data[start : start + SECTOR]
                        torn = piece[: dice.randrange(len(piece) + 1)] if dice.random() < 0.1 else piece
                        _apply(disk.setdefault(name, bytearray()), what, number + start, torn)
        return {name: bytes(content) for name, content in disk.items()}


def put(state: dict[str, bytes], folder: Path) -> None:
    """Write the files of a state to a folder."""
    folder.mkdir(parents=True)
    for name, content in state.items():
        (folder / Path(name).name).write_bytes(content)


def _apply(content: bytearray, what: str, number: int, data: bytes) -> None:
    if what == "truncate":
        del content[number:]
    else:
        content.extend(bytes(max(0, number - len(content))))
        content[number : number + len(data)] = data

"""Places for a store, so that a test runs on each database; stores are closed at the end of the test."""

from __future__ import annotations

import sqlite3
import uuid
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Self

from tests.helpers.postgresql import PASSWORD, Server
from tuilabel.labels import LabelStore
from tuilabel.labels.store import ServerAddress


class StorePlace(ABC):
    """A place for one store, which several programs may open."""

    def __init__(self) -> None:
        self._opened: list[LabelStore] = []

    def open(self) -> LabelStore:
        """Open the store as another program does, with connections of its own."""
        self._opened.append(self._open())
        return self._opened[-1]

    @abstractmethod
    def _open(self) -> LabelStore: ...

    @abstractmethod
    def read(self) -> LabelStore:
        """Open it for reading; to be closed by the test."""

    @abstractmethod
    def execute(self, statement: str) -> None:
        """Run SQL beside the program."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._opened:
            store.close()


class FilePlace(StorePlace):
    """A file for SQLite."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def _open(self) -> LabelStore:
        return LabelStore.open(self.path)

    def read(self) -> LabelStore:
        return LabelStore.read(self.path)

    def execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute(statement)


class ServerPlace(StorePlace):
    """A schema in the database of a server."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        address = ServerAddress.parse(server.url, uuid.uuid4().hex)
        self.server, self.address = server, replace(address, password=PASSWORD)

    def _open(self) -> LabelStore:
        return LabelStore.connect(self.address)

    def read(self) -> LabelStore:
        return LabelStore.connect(self.address, create=False)

    def execute(self, statement: str) -> None:
        self.server.sql(f"SET search_path TO {self.address.schema}; {statement}")

"""What a store needs of a database: an engine, and a few things in which databases differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuilabel.errors import TuilabelError

Begin = Callable[[sa.Connection], None]
"""Begins a transaction of a connection."""


def begin_with(*statements: str) -> Begin:
    """Begins a transaction with some statements."""

    def begin(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    return begin


class NoLabels(TuilabelError):
    """There is no store yet where one was to be read."""


class LabelsMoved(TuilabelError):
    """The labels of a store were moved to another one, so that nothing may be added here."""


class NewerFormat(TuilabelError):
    """A store was written by a newer version of tuilabel."""


class StoreLostError(TuilabelError):
    """An open store is no longer what it was: deleted, replaced or damaged from outside."""


@dataclass(frozen=True)
class Database:
    """A database that holds a store.

    Attributes
    ----------
    where : its name in messages, such as the path of its file; never a secret.
    reading : begins a transaction in which everything is read as of one moment.
    writing : begins a transaction of the only writer: others wait, so that numbers are in the order of commits and a
        reader that follows misses none.
    creating : statements to be run before the tables are created.
    append_only : statements that make the database itself refuse to change or delete a row, to be run once.
    close, reopen : statements that make the database refuse rows, as the labels were moved, and take them again.
    insert : SQLAlchemy's insert of this database, which can leave out rows that are there.
    advice : what to do about an error, by the words of the database.
    moved : why it is no longer where it was when it was opened; None if it still is.
    is_damage : whether an error means that it is damaged, by the words of the database.
    foreign : what is in it that no store has, and that would act on its own, such as a trigger; None if nothing.
    declared : the format of the store that the database itself declares, outside the tables; 0 for none.
    """

    engine: sa.Engine
    where: str
    reading: Begin
    writing: Begin
    creating: Sequence[str]
    append_only: Sequence[str]
    close: Sequence[str]
    reopen: Sequence[str]
    insert: Callable[[sa.Table], Any]
    advice: Callable[[str], str]
    moved: Callable[[], str | None] = lambda: None
    is_damage: Callable[[str], bool] = lambda _reason: False
    foreign: Callable[[sa.Connection], str | None] = lambda _connection: None
    declared: Callable[[sa.Connection], int] = lambda _connection: 0

"""The tables of the store, what older formats lack, and how their rows are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from sys import intern
from typing import Any

import sqlalchemy as sa

from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event, Round, RoundItem

VERSION = 6
"""The format. A store of an older one gets the tables and columns that it lacks: a new column must allow NULL."""

metadata = sa.MetaData()
about = sa.Table(
    "about",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("moved_to", sa.Text),
    sa.Column("project", sa.String(32)),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(32), nullable=False, unique=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("item", sa.String(32), nullable=False),
    sa.Column("class_name", sa.Text),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("milliseconds", sa.BigInteger, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("query_probability", sa.Double),
    sa.Column("model", sa.Integer, key="trained_on"),
    sa.Column("predicted", sa.Text),
    sa.Column("confidence", sa.Double),
    sa.Column("audit", sa.Boolean, nullable=False),
    sa.Column("undoes", sa.String(32)),
    sa.Column("note", sa.Text),
    sa.Column("step", sa.String(32)),
    sa.Column("origin", sa.String(16)),
    sa.Column("shown", sa.Boolean),
    sa.Column("beside", sa.Boolean),
)
class_changes = sa.Table(
    "class_changes",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(32), nullable=False, unique=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("into", sa.Text),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("after", sa.Integer, nullable=False),
    sa.Column("undoes", sa.String(32)),
)
rounds = sa.Table(
    "rounds",
    metadata,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("asked_at", sa.String(32), nullable=False),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("model", sa.Integer, key="trained_on"),
    sa.Column("test_accuracy", sa.Double),
    sa.Column("mean_uncertainty", sa.Double),
    sa.Column("test_size", sa.Integer),
    sa.Column("annotator", sa.Text),
    sa.Column("session", sa.String(32)),
)
round_items = sa.Table(
    "round_items",
    metadata,
    sa.Column("round_row", sa.Integer, sa.ForeignKey("rounds.row"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.String(32), nullable=False),
    sa.Column("audit", sa.Boolean, nullable=False),
    sa.Column("predicted", sa.Text),
    sa.Column("confidence", sa.Double),
    sa.Column("query_probability", sa.Double),
    sa.Column("hidden", sa.Boolean),
    sa.Column("overlap", sa.Boolean),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("item", sa.String(32), primary_key=True),
    sa.Column("session", sa.String(32), primary_key=True),
    sa.Column("until", sa.Double, nullable=False),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session", sa.String(32), primary_key=True),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("seen", sa.Double, nullable=False),
)
members = sa.Table(
    "members",
    metadata,
    sa.Column("annotator", sa.Text, primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
)

APPEND_ONLY = ("events", "class_changes", "rounds", "round_items")
"""Tables whose rows are never changed or deleted."""

MOVED = "the labels were moved to another store"
"""What a database says to a program that still wants to add to a store that was moved."""

_REPEATED = ("kind", "item", "class_name", "annotator", "strategy", "origin", "predicted")
"""Columns whose texts are kept in memory once: several entries have the same."""

_FORMER_STRATEGIES = ("by-class", "history", "review", "import", "withdraw", "note")
"""Values of `strategy` in format 2 that stand for an origin, or mark a note."""


def event_from(row: Mapping[Any, Any]) -> Event:
    """The event of a row. Before format 3 its origin was kept as its strategy; before format 5 flags were answers."""
    values = {**row, "at": time_from(row["at"]), "beside": bool(row["beside"])}
    values |= {name: intern(row[name]) for name in _REPEATED if row[name] is not None}
    if row["origin"] is None:
        kind, strategy = row["kind"], row["strategy"]
        if kind == "undo":
            values["origin"] = "withdraw" if strategy == "withdraw" else "undo"
        elif kind == "note":
            values["origin"] = "direct"
        else:
            values["origin"] = strategy if strategy in _FORMER_STRATEGIES else "batch"
        values["strategy"] = "" if strategy in _FORMER_STRATEGIES else strategy
    return Event(**values)


def round_item_from(row: Sequence[Any]) -> RoundItem:
    """The item of a round from its columns, in their order."""
    item, audit, predicted, *others = row
    return RoundItem(intern(item), audit, None if predicted is None else intern(predicted), *others)


def row_from(entry: Event | ClassChange | Round) -> dict[str, Any]:
    """The row of an event, a class change or a round, without the items of that."""
    row = storable(entry)
    for name in row.keys() & {"at", "asked_at"}:
        row[name] = row[name].isoformat()
    row.pop("items", None)
    return row


def storable(entry: Event | ClassChange | Round | RoundItem) -> dict[str, Any]:
    """The values of an entry by field, with texts that every database takes.

    PostgreSQL has no room for a NUL, and no database for half a character, which a damaged name may have.
    """
    values = ((field.name, getattr(entry, field.name)) for field in fields(entry))
    return {name: _storable(value) if isinstance(value, str) else value for name, value in values}


def _storable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="backslashreplace").decode()


def time_from(text: str) -> datetime:
    """A time as it is stored."""
    return datetime.fromisoformat(text).astimezone(UTC)

"""What the store takes from whom: a labeller answers, and undoes what was theirs; an owner may do everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import sqlalchemy as sa

from tuilabel.errors import TuilabelError
from tuilabel.labels.classes import ClassChange
from tuilabel.labels.events import Event
from tuilabel.labels.store import schema

Role = Literal["owner", "labeller"]
ROLES: tuple[Role, ...] = get_args(Role)


def read_roles(connection: sa.Connection) -> dict[str, Role]:
    """The role of each annotator who was given one."""
    columns = schema.members.c
    return {row.annotator: row.role for row in connection.execute(sa.select(columns.annotator, columns.role))}


def role_among(roles: dict[str, Role], annotator: str) -> Role:
    """What an annotator may do. While no roles are given everybody is an owner, then only those who are named."""
    return roles.get(annotator, "labeller") if "owner" in roles.values() else "owner"


def check_events(connection: sa.Connection, events: Sequence[Event]) -> None:
    """Check that these events may be written; raises `TuilabelError` if not. Others' names may only be imported."""
    roles = read_roles(connection)
    of_labellers = [e for e in events if role_among(roles, e.annotator) == "labeller"]
    if any(event.origin == "import" and event.annotator in roles for event in of_labellers):
        raise TuilabelError("only an owner of the project may import labels")
    undone = [event for event in of_labellers if event.kind == "undo"]
    if not undone:
        return
    columns = schema.events.c
    found = connection.execute(
        sa.select(columns.key, columns.annotator).where(columns.key.in_([event.undoes for event in undone]))
    )
    whose = {event.key: event.annotator for event in events} | {row.key: row.annotator for row in found}
    if any(whose.get(event.undoes or "", event.annotator) != event.annotator for event in undone):
        raise TuilabelError("only an owner of the project may take back the answers of others")


def check_class_changes(connection: sa.Connection, changes: Sequence[ClassChange]) -> None:
    """Check that these class changes may be written; raises `TuilabelError` if not."""
    roles = read_roles(connection)
    if any(role_among(roles, change.annotator) == "labeller" for change in changes):
        raise TuilabelError("only an owner of the project may change its classes")

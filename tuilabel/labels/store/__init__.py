"""Where labels are kept: an append-only log of events, class changes and rounds in a database."""

from __future__ import annotations

from tuilabel.labels.store.address import ServerAddress
from tuilabel.labels.store.changes import Changes, Cursor, Extent
from tuilabel.labels.store.database import LabelsMoved, NewerFormat, NoLabels, StoreLostError
from tuilabel.labels.store.roles import Role
from tuilabel.labels.store.store import LabelStore
from tuilabel.labels.store.team import Drawn, DrawRequest, Present, Seat, Team

__all__ = [
    "Changes",
    "Cursor",
    "DrawRequest",
    "Drawn",
    "Extent",
    "LabelStore",
    "LabelsMoved",
    "NewerFormat",
    "NoLabels",
    "Present",
    "Role",
    "Seat",
    "ServerAddress",
    "StoreLostError",
    "Team",
]

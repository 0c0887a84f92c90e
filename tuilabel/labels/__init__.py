"""The append-only label store, and projects around it; `exchange` reads and writes the files of other programs."""

from __future__ import annotations

from tuilabel.labels.classes import ClassBook, ClassChange, ClassTimeline, with_current_names
from tuilabel.labels.events import Event, Kind, Origin, Round, RoundItem, current_answers
from tuilabel.labels.project import Project
from tuilabel.labels.store import Changes, Cursor, Drawn, DrawRequest, LabelStore, Seat, Team
from tuilabel.labels.writer import BackgroundWriter, InlineWriter, NullWriter, Writer

__all__ = [
    "BackgroundWriter",
    "Changes",
    "ClassBook",
    "ClassChange",
    "ClassTimeline",
    "Cursor",
    "DrawRequest",
    "Drawn",
    "Event",
    "InlineWriter",
    "Kind",
    "LabelStore",
    "NullWriter",
    "Origin",
    "Project",
    "Round",
    "RoundItem",
    "Seat",
    "Team",
    "Writer",
    "current_answers",
    "with_current_names",
]

"""The labelling loop without a screen."""

from __future__ import annotations

from tuilabel.session.history import History, HistoryEntry
from tuilabel.session.session import LabellingSession
from tuilabel.session.state import Batch, QueryItem, Statistics, TrainerState

__all__ = ["Batch", "History", "HistoryEntry", "LabellingSession", "QueryItem", "Statistics", "TrainerState"]

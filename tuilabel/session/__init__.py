"""The labelling loop without a screen."""

from __future__ import annotations

from tuilabel.session.history import History, HistoryEntry
from tuilabel.session.log_statistics import LogStatistics, log_statistics
from tuilabel.session.session import LabellingSession
from tuilabel.session.state import Batch, Belief, CurvePoint, QueryItem, Statistics, TrainerState

__all__ = [
    "Batch",
    "Belief",
    "CurvePoint",
    "History",
    "HistoryEntry",
    "LabellingSession",
    "LogStatistics",
    "QueryItem",
    "Statistics",
    "TrainerState",
    "log_statistics",
]

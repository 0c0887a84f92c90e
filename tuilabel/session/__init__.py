"""The labelling loop without a screen."""

from __future__ import annotations

from tuilabel.session.session import LabellingSession
from tuilabel.session.state import Batch, CurvePoint, QueryItem, Statistics, TrainerState

__all__ = ["Batch", "CurvePoint", "LabellingSession", "QueryItem", "Statistics", "TrainerState"]

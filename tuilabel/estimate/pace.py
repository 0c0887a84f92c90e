"""Speed of labelling."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Protocol

MAX_GAP = 30.0  # seconds; a longer gap between answers is a break


class Timed(Protocol):
    """Something that happened at a time; `tuilabel.labels.Event` is one."""

    @property
    def at(self) -> datetime:
        """The time."""


def labels_per_minute(answers: Sequence[Timed]) -> float | None:
    """Answers per minute over `answers` in chronological order, without breaks; None for fewer than three."""
    if len(answers) < 3:
        return None
    gaps = [(b.at - a.at).total_seconds() for a, b in pairwise(answers)]
    worked = [gap for gap in gaps if 0 <= gap <= MAX_GAP]
    return 60 * len(worked) / sum(worked) if sum(worked) > 0 else None

"""Speed of labelling."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Protocol

PAUSE = 30.0  # seconds without an answer that count as a break


class Timed(Protocol):
    """Something that happened at a time; `tuilabel.labels.Event` is one."""

    @property
    def at(self) -> datetime:
        """The time."""


def labels_per_minute(answers: Sequence[Timed]) -> float | None:
    """Answers per minute of work over `answers` in their order, breaks left out; None for fewer than three."""
    if len(answers) < 3:
        return None
    gaps = [(b.at - a.at).total_seconds() for a, b in pairwise(answers)]
    worked = [gap for gap in gaps if 0 <= gap <= PAUSE]
    return 60 * len(worked) / sum(worked) if sum(worked) > 0 else None

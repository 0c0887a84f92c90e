"""Accuracy from audit items: drawn at random, judged by a model that had not seen them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

WINDOW = 50  # the latest audit items that count: the model of today, not that of the first hour
Z95 = 1.959964


class Judged(Protocol):
    """An answered audit item; `tuilabel.labels.Event` is one."""

    @property
    def class_name(self) -> str | None:
        """The answer; None for a skip."""

    @property
    def predicted(self) -> str | None:
        """What the model said before; None without a model."""

    @property
    def at(self) -> datetime:
        """When it was answered."""


@dataclass(frozen=True)
class AuditEstimate:
    """Share of right predictions among `n` audit items, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def audit_estimate(answers: Iterable[Judged], window: int = WINDOW) -> AuditEstimate | None:
    """The accuracy on the latest `window` audit items that have an answer and a prediction; None without any.

    The models that judged them have had fewer labels than the newest, so the estimate lags a little behind and
    errs on the cautious side while accuracy grows.
    """
    judged = [answer for answer in answers if answer.class_name is not None and answer.predicted is not None]
    judged = sorted(judged, key=lambda answer: answer.at)[-window:]
    if not judged:
        return None
    right = sum(answer.predicted == answer.class_name for answer in judged)
    return AuditEstimate(right / len(judged), *wilson_interval(right, len(judged)), len(judged))


def wilson_interval(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval (low, high) of a proportion, both in 0…1 (Wilson 1927; Brown, Cai & DasGupta 2001).

    Raises
    ------
    ValueError : unless 0 ≤ successes ≤ n and n ≥ 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no proportion")
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)

"""The error of a session's estimates of accuracy over many runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuilabel.simulation.run import Point, Run

COUNTS = (50, 100, 200, 500)
INTERVALS = ("audit", "lure")


@dataclass(frozen=True)
class Quality:
    """The quality of one estimate at one number of labels, over the runs that have it."""

    runs: int
    bias: float
    """Mean of estimate - true accuracy."""
    coverage: float | None
    """Share of runs whose 95 % interval contains the true accuracy; None for an estimate without an interval."""
    width: float | None
    """Mean width of the interval; None without one."""


@dataclass(frozen=True)
class EstimateRow:
    """The estimates of one strategy and learner at one number of labels."""

    strategy: str
    learner: str
    n_labels: int
    runs: int
    accuracy: float
    """True mean accuracy on the pool."""
    audit: Quality | None
    """None if no run has it, as for `lure` and `confidence`."""
    lure: Quality | None
    confidence: Quality | None


def compare_estimates(runs: Sequence[Run], counts: Sequence[int] = COUNTS) -> list[EstimateRow]:
    """Compare audit, LURE cross-validation and mean confidence with the accuracy of the model of that round.

    The truth is the accuracy on the pool, which is what they estimate: a test split may be easier or harder (MNIST's is
    easier by some tenths of a point). Runs of version 0.1, which lack it, are left out.

    The comparison is made at the round nearest to each of `counts` that the runs reach, or at the last round.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.points[-1].pool_accuracy is not None:
            groups.setdefault((run.strategy, run.learner), []).append(run)
    return [
        _row(strategy, learner, [run.points[n] for run in members])
        for (strategy, learner), members in groups.items()
        for n in _rounds(members, counts)
    ]


def _rounds(runs: list[Run], counts: Sequence[int]) -> list[int]:
    n = np.array([point.n_labels for point in min((run.points for run in runs), key=len)])
    return sorted({int(np.abs(n - c).argmin()) for c in counts if n[0] <= c <= n[-1]}) or [len(n) - 1]


def _row(strategy: str, learner: str, points: list[Point]) -> EstimateRow:
    truth = float(np.mean([_truth(point) for point in points]))
    audit, lure = (_interval_quality(points, name) for name in INTERVALS)
    gaps = [point.confidence - _truth(point) for point in points if point.confidence is not None]
    confidence = Quality(len(gaps), float(np.mean(gaps)), None, None) if gaps else None
    return EstimateRow(strategy, learner, points[0].n_labels, len(points), truth, audit, lure, confidence)


def _truth(point: Point) -> float:
    assert point.pool_accuracy is not None  # see `compare_estimates`
    return point.pool_accuracy


def _interval_quality(points: list[Point], name: str) -> Quality | None:
    rows = [(*estimate, _truth(point)) for point in points if (estimate := getattr(point, name)) is not None]
    if not rows:
        return None
    value, low, high, truth = np.array(rows).T
    return Quality(
        runs=len(rows),
        bias=float((value - truth).mean()),
        coverage=float(((low <= truth) & (truth <= high)).mean()),
        width=float((high - low).mean()),
    )

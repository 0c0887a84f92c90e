"""Summary of an experiment: one row per strategy and learner, with paired differences to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import (
    PairedComparison,
    area_under_learning_curve,
    compare_paired,
    labels_to_target,
)
from tuilabel.simulation.run import Run

COUNTS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
TARGETS = (0.90, 0.95, 0.97)
BASELINE = "random"


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds; `sd` is None for one seed."""

    mean: float
    sd: float | None
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """From one value per seed."""
        return cls(
            float(np.mean(values)),
            float(np.std(values, ddof=1)) if len(values) > 1 else None,
            tuple(map(float, values)),
        )


@dataclass(frozen=True)
class Row:
    """One strategy and learner over all seeds."""

    strategy: str
    learner: str
    seeds: int
    accuracy: dict[int, Spread]
    """By number of labels, linearly interpolated between rounds."""
    balanced_accuracy: Spread
    """After the last round, like `calibration_error`."""
    calibration_error: Spread
    area: Spread
    """Mean accuracy over the range of labels."""
    labels_to: dict[float, tuple[float | None, int]]
    """By target: (median labels, runs that reach it). Other runs count as infinite; None if the median is."""
    against_baseline: PairedComparison | None
    """Paired difference in area to the baseline with the same learner; None without a baseline."""
    seconds: float
    """Median seconds of a round after the first: training and querying."""


def summarise(runs: Sequence[Run], counts: Sequence[int] | None = None, baseline: str = BASELINE) -> list[Row]:
    """A row for every strategy and learner, in the order of the runs.

    Parameters
    ----------
    counts : numbers of labels at which accuracy is given; by default the round numbers that every run reaches.
    """
    if not runs:
        return []
    groups: dict[tuple[str, str], dict[int, Run]] = {}
    for run in runs:
        groups.setdefault((run.strategy, run.learner), {})[run.seed] = run
    shown = counts_within(runs) if counts is None else list(counts)
    return [
        _row(strategy, learner, members, groups.get((baseline, learner)) if strategy != baseline else None, shown)
        for (strategy, learner), members in groups.items()
    ]


def counts_within(runs: Sequence[Run]) -> list[int]:
    """The round numbers of labels that every run reaches, and the first and last."""
    low, high = max(run.points[0].n_labels for run in runs), min(run.points[-1].n_labels for run in runs)
    return sorted({n for n in COUNTS if low <= n <= high} | {low, high})


def curve(run: Run, field: str = "accuracy") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(labels, a field of `Point`) of a run, float64 (rounds,) each."""
    return (
        np.array([point.n_labels for point in run.points], dtype=np.float64),
        np.array([getattr(point, field) for point in run.points], dtype=np.float64),
    )


def _row(strategy: str, learner: str, runs: dict[int, Run], base: dict[int, Run] | None, counts: list[int]) -> Row:
    curves = {seed: curve(run) for seed, run in runs.items()}
    areas = {seed: area(run) for seed, run in runs.items()}
    comparison = None
    shared = sorted(runs.keys() & base.keys()) if base else []
    if base and shared:
        comparison = compare_paired([area(base[s]) for s in shared], [areas[s] for s in shared])
    last = [run.points[-1] for run in runs.values()]
    seconds = [p.fit_seconds + p.query_seconds for run in runs.values() for p in (run.points[1:] or run.points)]
    return Row(
        strategy=strategy,
        learner=learner,
        seeds=len(runs),
        accuracy={n: Spread.of([float(np.interp(n, *points)) for points in curves.values()]) for n in counts},
        balanced_accuracy=Spread.of([point.balanced_accuracy for point in last]),
        calibration_error=Spread.of([point.calibration_error for point in last]),
        area=Spread.of(list(areas.values())),
        labels_to={target: _median_labels(list(curves.values()), target) for target in TARGETS},
        against_baseline=comparison,
        seconds=float(np.median(seconds)),
    )


def area(run: Run) -> float:
    """Mean accuracy over the range of labels (area under the learning curve); of one round, its accuracy."""
    n, y = curve(run)
    return area_under_learning_curve(n, y) if len(n) > 1 else float(y[0])


def _median_labels(
    curves: list[tuple[NDArray[np.float64], NDArray[np.float64]]], target: float
) -> tuple[float | None, int]:
    reached = [labels_to_target(n, y, target) for n, y in curves]
    counts = [np.inf if n is None else n for n in reached]
    middle = float(np.median(counts))
    return (middle if np.isfinite(middle) else None), int(np.isfinite(counts).sum())

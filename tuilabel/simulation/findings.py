"""Figures with their 95 % intervals, and the three-way verdicts that follow from an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tuilabel.estimate import PairedComparison, compare_paired
from tuilabel.simulation.run import Run

Verdict = Literal["holds", "does not hold", "not clear"]
Unit = Literal["share", "points", "deviation", "ratio", "labels", "rounds", "seconds"]

ALPHA = 0.05


@dataclass(frozen=True)
class Figure:
    """A measurement with its 95 % interval; `low` and `high` are None without an interval."""

    what: str
    value: float | None
    unit: Unit
    low: float | None = None
    high: float | None = None
    verdict: Verdict | None = None
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """A claim, the rule that decides it, the measurements, and the verdict."""

    claim: int
    statement: str
    rule: str
    figures: tuple[Figure, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """An entry of `claims` in the document of `tuilabel thesis --json`."""
        return asdict(self)


Evaluation = tuple[list[Figure], Verdict]
"""The figures that a claim depends on, and the verdict."""


def above(low: float | None, high: float | None, bound: float) -> Verdict:
    """Whether an interval lies above `bound` ("holds") or below it ("does not hold"); otherwise "not clear"."""
    if low is None or high is None:
        return "not clear"
    if low > bound:
        return "holds"
    return "does not hold" if high < bound else "not clear"


def consensus(verdicts: Sequence[Verdict]) -> Verdict:
    """The common verdict; "not clear" if verdicts differ or there are none."""
    return verdicts[0] if len(set(verdicts)) == 1 else "not clear"


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim of several parts: holds if all parts do, does not hold if any does not."""
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if verdicts and set(verdicts) == {"holds"} else "not clear"


def runs_of(runs: Sequence[Run], strategy: str, learner: str = "mlp") -> dict[int, Run]:
    """The runs of a strategy and learner by seed."""
    return {run.seed: run for run in runs if (run.strategy, run.learner) == (strategy, learner)}


def last_accuracy(run: Run) -> float:
    """The accuracy of the last round."""
    return run.points[-1].accuracy


def paired_difference(first: dict[int, Run], second: dict[int, Run], of: Any) -> PairedComparison | None:
    """Paired difference of `of(run)`, second - first, over common seeds; None without any."""
    shared = sorted(first.keys() & second.keys())
    return compare_paired([of(first[s]) for s in shared], [of(second[s]) for s in shared]) if shared else None


def difference(
    what: str, comparison: PairedComparison | None, verdict: Verdict | None = None, note: str = ""
) -> Figure:
    """A paired difference of accuracies as a figure."""
    if comparison is None:
        return Figure(what, None, "points", verdict=verdict, note=note)
    return Figure(what, comparison.mean, "points", comparison.low, comparison.high, verdict, note)


def mean_with_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The mean and its 95 % t-interval, which is (None, None) for one value."""
    comparison = compare_paired(np.zeros(len(values)), values)
    return comparison.mean, comparison.low, comparison.high

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
    """Something measured; `low` and `high` are None where there is no interval."""

    what: str
    value: float | None
    unit: Unit
    low: float | None = None
    high: float | None = None
    verdict: Verdict | None = None
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """A claim, the rule that decides it, what was measured, and what follows."""

    claim: int
    statement: str
    rule: str
    figures: tuple[Figure, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """An entry of `claims` in the document of `tuilabel thesis --json`."""
        return asdict(self)


Judged = tuple[list[Figure], Verdict]


def above(low: float | None, high: float | None, bound: float) -> Verdict:
    """Whether an interval lies above `bound`, below it, or around it; without an interval nothing is clear."""
    if low is None or high is None:
        return "not clear"
    if low > bound:
        return "holds"
    return "does not hold" if high < bound else "not clear"


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """What all say; where they differ, or there are none, nothing is clear."""
    said = set(verdicts)
    return verdicts[0] if len(said) == 1 else "not clear"


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """Whether a claim of several parts holds: only where each does, and not where one does not."""
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if verdicts and set(verdicts) == {"holds"} else "not clear"


def runs_of(runs: Sequence[Run], strategy: str, learner: str = "mlp") -> dict[int, Run]:
    """By seed."""
    return {run.seed: run for run in runs if (run.strategy, run.learner) == (strategy, learner)}


def last_accuracy(run: Run) -> float:
    """After all labels."""
    return run.points[-1].accuracy


def compared(first: dict[int, Run], second: dict[int, Run], of: Any) -> PairedComparison | None:
    """The figure `of` each run, second - first, over the seeds that both have; None where there are none."""
    shared = sorted(first.keys() & second.keys())
    return compare_paired([of(first[s]) for s in shared], [of(second[s]) for s in shared]) if shared else None


def difference(what: str, found: PairedComparison | None, verdict: Verdict | None = None, note: str = "") -> Figure:
    """A paired difference of accuracies as a figure."""
    if found is None:
        return Figure(what, None, "points", verdict=verdict, note=note)
    return Figure(what, found.mean, "points", found.low, found.high, verdict, note)


def mean_with_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The mean with Student's 95 % interval; None, None for one value."""
    found = compare_paired(np.zeros(len(values)), values)
    return found.mean, found.low, found.high

"""What a simulation compares: strategies and learners, each with the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tuilabel.datasets import DatasetLike
from tuilabel.encoders import Encoder
from tuilabel.errors import UsageError, unknown_name
from tuilabel.learner.base import check_learner
from tuilabel.simulation.run import STARTS, Run, RunPlan, RunSettings, rounds_of
from tuilabel.strategies import get_strategy

COMMON = tuple(field.name for field in fields(RunPlan))


@dataclass(frozen=True)
class Experiment(RunPlan):
    """Every strategy and learner runs with the same seeds, and so with the same random starts.

    Raises
    ------
    UsageError : if a number is out of range, or a strategy, learner or start is unknown.
    """

    dataset: DatasetLike
    data_dir: Path | None
    encoder: Encoder | None
    strategies: tuple[str, ...]
    learners: tuple[str, ...] = ("latent",)
    seeds: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("seeds", 1), ("seed", 0), ("batch_size", 1), ("budget", 1), ("initial", 1)):
            if getattr(self, name) < low:
                raise UsageError(f"{name} must be at least {low}, got {getattr(self, name)}", parameter=name)
        if self.initial > self.budget:
            raise UsageError(f"initial must be at most `budget`={self.budget}, got {self.initial}", parameter="initial")
        if self.start not in STARTS:
            raise unknown_name("start", self.start, STARTS)
        for names, parameter in ((self.strategies, "strategies"), (self.learners, "learners")):
            if not names or len(set(names)) < len(names):
                got = ",".join(names) or "none"
                raise UsageError(f"{parameter} must be at least one name, each once, got {got}", parameter=parameter)
        for name in self.strategies:
            get_strategy(name)
        for name in self.learners:
            check_learner(name)

    def runs(self) -> list[RunSettings]:
        """Every run, seed by seed, so that even an interrupted experiment has paired runs."""
        common = {name: getattr(self, name) for name in COMMON}
        return [
            RunSettings(strategy, learner, seed, **common)
            for seed in range(self.seed, self.seed + self.seeds)
            for learner in self.learners
            for strategy in self.strategies
        ]


def total_rounds(experiment: Experiment, done: Sequence[Run]) -> tuple[int, int]:
    """(rounds already done, total rounds)."""
    finished = {run.key for run in done}
    rounds = [(rounds_of(run), run.key in finished) for run in experiment.runs()]
    return sum(n for n, is_done in rounds if is_done), sum(n for n, _ in rounds)

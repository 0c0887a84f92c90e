"""What is compared: strategies and learners × seeds, paired by seed."""

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
    """What is compared: every strategy and learner with the same seeds, and so with the same random starts.

    Raises
    ------
    UsageError : where a number makes no sense, or a strategy or a start is unknown.
    """

    dataset: DatasetLike
    data_dir: Path | None
    encoder: Encoder | None
    strategies: tuple[str, ...]
    learners: tuple[str, ...] = ("latent",)
    seeds: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for option, low in (("seeds", 1), ("seed", 0), ("batch", 1), ("budget", 1), ("initial", 1)):
            if getattr(self, option) < low:
                raise UsageError(f"--{option} {getattr(self, option)} is too small: give {low} or more")
        if self.initial > self.budget:
            raise UsageError(f"--initial {self.initial} is more than --budget {self.budget}: give less")
        if self.start not in STARTS:
            raise unknown_name("start", self.start, STARTS)
        for names, option in ((self.strategies, "strategy"), (self.learners, "learner")):
            if not names or len(set(names)) < len(names):
                raise UsageError(f"--{option} {','.join(names) or 'is empty'}: give each once, and at least one")
        for name in self.strategies:
            get_strategy(name)
        for name in self.learners:
            check_learner(name)

    def runs(self) -> list[RunSettings]:
        """Every run, all strategies of a seed beside each other, so that an interrupted experiment is paired too."""
        common = {name: getattr(self, name) for name in COMMON}
        return [
            RunSettings(strategy, learner, seed, **common)
            for seed in range(self.seed, self.seed + self.seeds)
            for learner in self.learners
            for strategy in self.strategies
        ]


def total_rounds(experiment: Experiment, done: Sequence[Run]) -> tuple[int, int]:
    """Rounds that are done already, and rounds in all."""
    known = {run.key for run in done}
    rounds = [(rounds_of(run), run.key in known) for run in experiment.runs()]
    return sum(n for n, here in rounds if here), sum(n for n, _ in rounds)

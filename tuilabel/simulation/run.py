"""One run of a simulation: a labelling session with the true labels as the annotator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

from tuilabel.datasets import ImagePool
from tuilabel.encoders import Encoder
from tuilabel.labels import NullWriter
from tuilabel.learner.evaluation import TestMetrics
from tuilabel.learner.trainer.inline import InlineTrainer
from tuilabel.learner.trainer.messages import RoundResult
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.session import LabellingSession
from tuilabel.session.state import Statistics
from tuilabel.strategies import get_strategy

STARTS = ("own", "random", "coverage")
Key = tuple[str, str, int]
"""Strategy, learner, seed."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What all runs of an experiment share."""

    batch_size: int = 20
    budget: int = 500
    initial: int = 20
    start: str = "own"
    audit_share: float = 0.1
    cross_validate: bool = False
    """Whether accuracy is estimated by cross-validation after each batch, which takes five more models per round."""


@dataclass(frozen=True)
class RunSettings(RunPlan):
    """The settings of one run; the same settings, pool and checkpoint give the same run."""

    strategy: str
    learner: str
    seed: int

    @property
    def key(self) -> Key:
        """Identifies the run within an experiment."""
        return self.strategy, self.learner, self.seed

    def first_strategy(self) -> str:
        """The strategy of the first batch: `start`, the run's own, or random sampling if that needs a model."""
        if self.start != "own":
            return self.start
        return "random" if get_strategy(self.strategy).needs_model else self.strategy


@dataclass(frozen=True)
class Point:
    """One round of a run: the model after `n_labels` labels."""

    n_labels: int
    accuracy: float
    balanced_accuracy: float
    calibration_error: float
    fit_seconds: float
    query_seconds: float
    audit: tuple[float, float, float] | None
    """Estimated accuracy with its 95 % interval: value, low, high."""
    lure: tuple[float, float, float] | None
    confidence: float | None
    """Mean calibrated confidence over the unlabelled pool."""
    agreement: float | None
    """Of the predictions of successive models (Bloodgood & Vijay-Shanker 2009)."""
    pool_accuracy: float | None = None
    """Accuracy on the whole pool, which the estimates estimate; None in files of version 0.1."""


@dataclass(frozen=True)
class Run:
    """A learning curve: one point per round."""

    strategy: str
    learner: str
    seed: int
    points: tuple[Point, ...]

    @property
    def key(self) -> Key:
        """Identifies the run within an experiment."""
        return self.strategy, self.learner, self.seed

    def to_json(self) -> dict[str, Any]:
        """An entry of `runs` in the document of `tuilabel simulate --json`: a list for each field of `Point`."""
        names = [field.name for field in fields(Point)]
        columns = {name: [getattr(point, name) for point in self.points] for name in names}
        return {"strategy": self.strategy, "learner": self.learner, "seed": self.seed, **columns}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Run:
        """The run of such an entry; raises KeyError, TypeError or ValueError if it is malformed."""
        names = [field.name for field in fields(Point) if field.name in document or field.default is MISSING]
        rows = zip(*(document[name] for name in names), strict=True)
        points = (Point(**dict(zip(names, map(_tupled, row), strict=True))) for row in rows)
        return cls(str(document["strategy"]), str(document["learner"]), int(document["seed"]), tuple(points))


def open_runner(learner: str, pool: ImagePool, encoder: Encoder | None, device: str = "cpu") -> RoundRunner:
    """A runner that trains the models of all runs of a learner; raises like `open_learner`."""
    from tuilabel.learner.open import open_learner, open_test_set

    opened, test_features = open_learner(learner, pool, encoder, device=device)
    opened.prepare()
    return RoundRunner(opened, open_test_set(pool, test_features))


def simulate_run(
    pool: ImagePool, runner: RoundRunner, settings: RunSettings, on_round: Callable[[], object] = lambda: None
) -> Run:
    """Replay active learning on `pool` with its targets as the annotator.

    Parameters
    ----------
    runner : trains, queries, and measures accuracy on its test set.
    on_round : called after every round.

    Raises
    ------
    ValueError : if the pool has no targets or no test split.
    """
    if pool.targets is None or pool.test is None:
        raise ValueError("a simulation needs true labels and a test split")
    trainer = InlineTrainer(runner.run)
    session = LabellingSession(
        pool,
        log=[],
        rounds=[],
        writer=NullWriter(),
        trainer=trainer,
        classes=pool.classes,
        strategy=settings.strategy,
        batch_size=settings.batch_size,
        annotator="oracle",
        seed=settings.seed,
        retrain="batch",
        start=settings.first_strategy(),
        first_batch=settings.initial,
        budget=settings.budget,
        audit_share=settings.audit_share,
        cross_validate=settings.cross_validate,
    )
    trainer.start(session.handle)
    session.start()
    points = []
    while (batch := session.batch) is not None:
        for item in batch.items:
            session.label(item.index, int(pool.targets[item.index]))
        result = session.result
        assert result is not None
        test = result.test or _one_class(session)
        points.append(_point(session.statistics(), result, test, _on_pool(session, runner)))
        on_round()
    return Run(settings.strategy, settings.learner, settings.seed, tuple(points))


def rounds_of(settings: RunSettings) -> int:
    """The number of rounds of a run."""
    return 1 + math.ceil(max(0, settings.budget - settings.initial) / settings.batch_size)


def _point(statistics: Statistics, result: RoundResult, test: TestMetrics, on_pool: float | None) -> Point:
    audit, lure = statistics.audit, statistics.lure
    return Point(
        n_labels=statistics.labelled,
        accuracy=test.accuracy,
        balanced_accuracy=test.balanced_accuracy,
        calibration_error=test.calibration_error,
        fit_seconds=result.fit_seconds,
        query_seconds=result.query_seconds,
        audit=None if audit is None else (audit.value, audit.low, audit.high),
        lure=None if lure is None else (lure.value, lure.low, lure.high),
        confidence=result.mean_confidence,
        agreement=statistics.advice.agreement,
        pool_accuracy=on_pool,
    )


def _on_pool(session: LabellingSession, runner: RoundRunner) -> float:
    """Accuracy of the newest model on the pool; without a model, of the only class labelled so far."""
    predicted = runner.predicted()
    return float(np.mean(session.pool.targets == (session.labels()[1][0] if predicted is None else predicted)))


def _one_class(session: LabellingSession) -> TestMetrics:
    """With labels of one class only there is no model; that class is predicted with certainty instead."""
    assert session.pool.test is not None
    only = int(session.labels()[1][0])
    share = float(np.mean(session.pool.test.targets == only))
    balanced = 1 / len(np.unique(session.pool.test.targets)) if share else 0.0
    return TestMetrics(share, balanced, 1 - share, len(session.pool.test.targets))


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

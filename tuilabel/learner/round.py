"""One round of active learning: train on the labels there are, measure, and pick what to ask next."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.messages import Picks, RoundResult, TrainRequest
from tuilabel.strategies import COVERAGE, QueryContext, Selection, draw_uniformly, get_strategy
from tuilabel.strategies.uncertainty import entropy

AHEAD = 2  # batches of candidates a result brings: the next is there while the trainer still works
BINS = 20


@dataclass(frozen=True)
class TestSet:
    """Latents (M, D) float32 and classes (M,) int64 that judge the model and never teach it."""

    __test__ = False  # not for pytest

    latents: NDArray[np.float32]
    targets: NDArray[np.int64]


class RoundRunner:
    """Answers training requests over one pool.

    Without labels of two classes there is no model: strategies that need one give way to the cold start, and torch is
    not imported. The same request always gives the same result.

    Parameters
    ----------
    latents : float32 (N, D), may be memory-mapped.
    test : judges every model, where there is one.
    """

    def __init__(self, latents: NDArray[np.float32], test: TestSet | None = None) -> None:
        self._latents = latents
        self._test = test

    def run(self, request: TrainRequest) -> RoundResult:
        """Train and pick; see `RoundResult`."""
        answered = np.zeros(len(self._latents), dtype=bool)
        answered[request.indices] = True
        answered[request.excluded] = True
        candidates = np.flatnonzero(~answered)
        if len(np.unique(request.labels)) < 2:
            return self._cold(request, candidates)
        return self._trained(request, candidates)

    def _cold(self, request: TrainRequest, candidates: NDArray[np.int64]) -> RoundResult:
        begin = time.perf_counter()
        strategy = get_strategy(request.strategy)
        if strategy.needs_model:
            strategy = COVERAGE
        rng = self._rng(request, 0)
        picks: list[Picks] = []
        left, known = candidates, request.indices
        for _ in range(AHEAD):  # one batch after the other: the first must cover everything by itself
            selection = strategy.pick(QueryContext(self._latents, left, known, None, rng), request.batch_size)
            picks.append(Picks(left[selection.positions], query_probability=selection.query_probability))
            known = np.concatenate([known, picks[-1].indices])
            left = np.delete(left, selection.positions)
        audit = draw_uniformly(len(candidates), AHEAD * request.audit_size, self._rng(request, 1))
        return RoundResult(
            serial=request.serial,
            n_labels=0,
            strategy=strategy.name,
            picks=_joined(picks),
            audit=Picks(candidates[audit.positions], query_probability=audit.query_probability),
            shown=Picks(request.shown),
            test_accuracy=None,
            mean_uncertainty=None,
            uncertainty_histogram=None,
            fit_seconds=0.0,
            query_seconds=time.perf_counter() - begin,
        )

    def _trained(self, request: TrainRequest, candidates: NDArray[np.int64]) -> RoundResult:
        from tuilabel.learner.mlp import MLPEnsemble

        begin = time.perf_counter()
        seed = int(self._rng(request, 2).integers(2**31))
        model = MLPEnsemble(request.n_classes, seed=seed)
        model.fit(self._latents[request.indices], request.labels)
        fitted = time.perf_counter()
        probabilities = model.predict_proba(self._latents)  # (N, C)
        shown = _predictions(request.shown, probabilities[request.shown])
        open_ = probabilities if len(candidates) == len(probabilities) else probabilities[candidates]  # (n, C)
        context = QueryContext(
            self._latents, candidates, request.indices, open_, self._rng(request, 0), request.labels, model
        )
        strategy = get_strategy(request.strategy)
        selection = strategy.pick(context, AHEAD * request.batch_size)
        audit = draw_uniformly(len(candidates), AHEAD * request.audit_size, self._rng(request, 1))
        uncertainty = entropy(open_) / np.log(request.n_classes)  # (n,)
        bins = np.minimum((uncertainty * BINS).astype(np.int64), BINS - 1)
        accuracy = None
        if self._test is not None:
            predicted = model.predict_proba(self._test.latents).argmax(axis=1)
            accuracy = float((predicted == self._test.targets).mean())
        return RoundResult(
            serial=request.serial,
            n_labels=len(request.indices),
            strategy=strategy.name,
            picks=_picked(selection, candidates, open_),
            audit=_picked(audit, candidates, open_),
            shown=shown,
            test_accuracy=accuracy,
            mean_uncertainty=float(uncertainty.mean()) if len(uncertainty) else None,
            uncertainty_histogram=np.bincount(np.maximum(bins, 0), minlength=BINS),
            fit_seconds=fitted - begin,
            query_seconds=time.perf_counter() - fitted,
        )

    @staticmethod
    def _rng(request: TrainRequest, stream: int) -> np.random.Generator:
        """A generator that depends on the request's content and on nothing else."""
        return np.random.default_rng([request.seed, len(request.indices), len(request.excluded), stream])


def _joined(picks: list[Picks]) -> Picks:
    drawn = [p.query_probability for p in picks if p.query_probability is not None]
    return Picks(np.concatenate([p.indices for p in picks]), query_probability=np.concatenate(drawn) if drawn else None)


def _picked(selection: Selection, candidates: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Picks:
    picks = _predictions(candidates[selection.positions], probabilities[selection.positions])
    return Picks(picks.indices, picks.predicted, picks.confidence, selection.query_probability)


def _predictions(indices: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Picks:
    return Picks(indices, probabilities.argmax(axis=1), probabilities.max(axis=1, initial=0))

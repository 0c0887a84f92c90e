"""One round of active learning: train on the labels, evaluate, and pick the items to label next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.base import LabelSet, Learner
from tuilabel.learner.cross_validation import cross_validate, merge_folds
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.trainer.messages import ItemPredictions, RoundResult, TrainRequest
from tuilabel.learner.wide import is_tempered, tempered
from tuilabel.strategies import COVERAGE, QueryContext, draw_uniformly, get_strategy
from tuilabel.strategies.base import Model
from tuilabel.strategies.scores import Scores, Temper
from tuilabel.strategies.support import SCORED

BINS = 20
STOP_SET = 2_000  # items whose predictions show whether the model still changes (Bloodgood & Vijay-Shanker 2009)


class RoundRunner:
    """Runs training requests on one pool.

    Without labels of at least two classes there is no model: coverage replaces strategies that need one, and torch is
    not imported. The same request always gives the same result.

    Parameters
    ----------
    learner : trains the models; the strategies use its compact latents.
    test : evaluates every model; None without a test set.

    Attributes
    ----------
    scores : predictions of the newest model for the pool, or for a sample of its unlabelled items if it has more than
        `SCORED`; None without a model.
    last_serial : serial of the last request that was run.
    """

    def __init__(self, learner: Learner, test: TestSet | None = None) -> None:
        self.learner = learner
        self.scores: Scores | None = None
        self.last_serial = 0
        self._test = test
        self._last_cold: tuple[object, str, ItemPredictions, ItemPredictions] | None = None

    def replace_learner(self, learner: Learner, test: TestSet | None) -> None:
        """Use another learner from now on, with more items or other features."""
        self.learner, self._test = learner, test
        self.scores = None
        self._last_cold = None

    def run(
        self, request: TrainRequest, on_first_part: Callable[[RoundResult], object] = lambda _: None
    ) -> RoundResult:
        """Train, evaluate and pick.

        Parameters
        ----------
        on_first_part : called with the picks of the first batch, without a model, while those of the others are made.
        """
        unavailable = np.zeros(len(self.learner.features), dtype=bool)
        unavailable[request.indices] = True
        unavailable[request.excluded[request.excluded < len(unavailable)]] = True  # the session may know newer items
        self.last_serial = request.serial
        self.scores = None  # freed before the new ones are computed: large pools would not fit into memory twice
        if len(np.unique(request.labels)) < 2:
            return self._cold(request, unavailable, on_first_part)
        return self._trained(request, np.flatnonzero(~unavailable))

    def probabilities(self, items: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """What to show of the newest model's predictions for some items (n,), float32 (n, C); None without one."""
        if self.scores is None:
            return None
        p = self.scores.model.predict_proba(np.asarray(self.learner.features[items]))
        return tempered(self.learner, self.scores.model, p, items)

    def predicted(self) -> NDArray[np.int32] | None:
        """The class that the newest model predicts for each item of the pool, int32 (N,); None without a model."""
        scores, n = self.scores, len(self.learner.features)
        if scores is None or len(scores) == n:
            return None if scores is None else scores.predicted
        return _scored(scores.model, scores.features, np.arange(n)).predicted

    def _cold(
        self, request: TrainRequest, unavailable: NDArray[np.bool_], on_first_part: Callable[[RoundResult], object]
    ) -> RoundResult:
        """A result without a model.

        Items on the screen count as covered, labelled or not, so the result is the same after every key of the first
        batch.
        """
        begin = time.perf_counter()
        key = (
            unavailable.tobytes(),
            request.strategy,
            request.batch_size,
            request.n_batches,
            request.audit_size,
            request.seed,
        )

        def result(strategy: str, picks: ItemPredictions, audit: ItemPredictions, is_first_part: bool) -> RoundResult:
            return RoundResult(
                serial=request.serial,
                n_labels=0,
                strategy=strategy,
                picks=picks,
                audit=audit,
                shown=ItemPredictions(request.shown),
                test=None,
                mean_uncertainty=None,
                uncertainty_histogram=None,
                mean_confidence=None,
                stop_set=None,
                out_of_fold=None,
                fit_seconds=0.0,
                query_seconds=time.perf_counter() - begin,
                is_first_part=is_first_part,
            )

        if self._last_cold is None or self._last_cold[0] != key:
            parts = self._cold_picks(request, unavailable)
            first = next(parts)
            if request.n_batches > 1:
                on_first_part(result(*first, is_first_part=True))
            *_, whole = (first, *parts)
            self._last_cold = (key, *whole)
        return result(*self._last_cold[1:], is_first_part=False)

    def _cold_picks(
        self, request: TrainRequest, unavailable: NDArray[np.bool_]
    ) -> Iterator[tuple[str, ItemPredictions, ItemPredictions]]:
        """The name of the strategy, its picks so far and the audit items, without a model, after each batch."""
        strategy = get_strategy(request.strategy)
        if strategy.needs_model:
            strategy = COVERAGE
        latents = self.learner.compact
        rng, audit_rng = (np.random.default_rng([request.seed, int(unavailable.sum()), 0, stream]) for stream in (0, 1))
        candidates, covered = np.flatnonzero(~unavailable), np.flatnonzero(unavailable)
        drawn = draw_uniformly(len(candidates), request.n_batches * request.audit_size, audit_rng)
        audit = ItemPredictions(candidates[drawn.positions], query_probability=drawn.query_probability)
        picks: list[ItemPredictions] = []
        left, picked_by = candidates, strategy.name
        for _ in range(request.n_batches):  # one batch after the other: the first must cover the pool by itself
            selection = strategy.pick(QueryContext(latents, left, covered, None, rng), request.batch_size)
            picked_by = selection.picked_by or picked_by
            picks.append(ItemPredictions(left[selection.positions], query_probability=selection.query_probability))
            covered = np.concatenate([covered, picks[-1].indices])
            left = np.delete(left, selection.positions)
            yield picked_by, _joined(picks), audit

    def _trained(self, request: TrainRequest, candidates: NDArray[np.int64]) -> RoundResult:
        begin = time.perf_counter()
        features = self.learner.features
        test = None if self._test is None else self._test.with_classes(request.target_of)
        labelled = request.labelled
        model = self.learner.fit(labelled, seed=request.model_seed)
        fitted = time.perf_counter()
        audit = draw_uniformly(len(candidates), request.n_batches * request.audit_size, request.rng(1))
        audited = candidates[audit.positions]
        scores, unlabelled = self._score(model, candidates, request)
        self.scores = scores
        context = QueryContext(
            self.learner.compact,
            unlabelled.items,
            request.indices,
            None,
            request.rng(0),
            request.labels,
            model,
            None if self.learner.compact is features else features,
            unlabelled,
        )
        strategy = get_strategy(request.strategy)
        selection = strategy.pick(context, request.n_batches * request.batch_size)
        share = len(unlabelled) / max(1, len(candidates))  # of the candidates could be drawn
        queried = time.perf_counter()
        uncertainty = unlabelled.shown_entropy / np.float32(np.log(request.n_classes))  # (n,)
        bins = np.clip(uncertainty * BINS, 0, BINS - 1).astype(np.uint8)
        every = np.arange(0, len(features), max(1, len(features) // STOP_SET))
        stop_set = scores.predicted[every] if len(scores) == len(features) else self._shown(every).predicted
        return RoundResult(
            serial=request.serial,
            n_labels=len(request.indices),
            strategy=selection.picked_by or strategy.name,
            picks=self._shown(unlabelled.items[selection.positions], selection.query_probability, share),
            audit=self._shown(audited, audit.query_probability),
            shown=self._shown(request.shown),
            test=None if test is None else test.evaluate(model),
            mean_uncertainty=float(uncertainty.mean()) if len(uncertainty) else None,
            uncertainty_histogram=np.bincount(bins, minlength=BINS),
            mean_confidence=float(unlabelled.shown_confidence.mean()) if len(unlabelled) else None,
            stop_set=None if stop_set is None else stop_set.astype(np.int16),
            out_of_fold=self._out_of_fold(labelled, request),
            fit_seconds=fitted - begin,
            query_seconds=queried - fitted,
        )

    def _score(self, model: Model, candidates: NDArray[np.int64], request: TrainRequest) -> tuple[Scores, Scores]:
        """The scores to keep, and those of the candidates (n,): a sample of them if the pool is large.

        The sample is another one in each round, spread evenly over the pool, so that no item is left out for good.
        """
        learner, n = self.learner, len(self.learner.features)
        temper: Temper | None = None
        if is_tempered(learner, model):
            temper = lambda p, items: tempered(learner, model, p, items)  # noqa: E731
        if n <= SCORED:
            scores = _scored(model, learner.features, np.arange(n), temper)
            return scores, scores.at(candidates)
        edges = np.linspace(0, len(candidates), min(SCORED, len(candidates)) + 1).astype(np.int64)
        sampled = edges[:-1] + (request.rng(4).random(len(edges) - 1) * np.diff(edges)).astype(np.int64)
        scores = _scored(model, learner.features, candidates[sampled], temper)
        return scores, scores

    def _shown(
        self, items: NDArray[np.int64], query_probability: NDArray[np.float64] | None = None, share: float = 1.0
    ) -> ItemPredictions:
        """What to show of the newest model's predictions for items of the pool (k,).

        Parameters
        ----------
        query_probability : with which each was drawn from a `share` of the items.
        """
        p = self.probabilities(items)
        assert p is not None
        drawn = None if query_probability is None else query_probability * share
        return ItemPredictions(items, p.argmax(axis=1), p.max(axis=1, initial=0), drawn, p)

    def _out_of_fold(self, labelled: LabelSet, request: TrainRequest) -> NDArray[np.int64] | None:
        """The class predicted for each labelled item by a model trained without its fold, (m,); None for no folds.

        Folds are random, not stratified, because the result serves to estimate accuracy on the pool.
        """
        m = len(labelled.indices)
        if request.folds < 2 or m < request.folds:
            return None
        rng = request.rng(3)
        fold = rng.permutation(m) % request.folds
        _, probabilities = merge_folds(list(cross_validate(self.learner, labelled, fold, rng)), request.n_classes)
        return np.asarray(probabilities.argmax(axis=1))


def _scored(
    model: Model, features: NDArray[np.float32], items: NDArray[np.int64], temper: Temper | None = None
) -> Scores:
    """Scores of items, with torch's threads each at a slice of them: its products are too small to be shared."""
    from tuilabel.learner.descent import one_thread

    with one_thread() as threads:
        return Scores.of(model, features, items, temper, threads)


def _joined(picks: list[ItemPredictions]) -> ItemPredictions:
    drawn = [p.query_probability for p in picks if p.query_probability is not None]
    return ItemPredictions(
        np.concatenate([p.indices for p in picks]), query_probability=np.concatenate(drawn) if drawn else None
    )

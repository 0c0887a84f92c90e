"""Answers to what the screen asks beside training: one item, the items of a class, labels that may be wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError
from tuilabel.learner.base import LabelSet, Learner
from tuilabel.learner.trainer.messages import (
    ClassItems,
    CrossValidate,
    Inspection,
    InspectItem,
    ItemsOfClass,
    OutOfFoldPredictions,
    Question,
    Reply,
    empty_reply,
)
from tuilabel.learner.trainer.round import RoundRunner

log = logging.getLogger("tuilabel.trainer")

Decode = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""Latents (n, D) to images (n, H, W, C)."""
CHUNK = 16_384  # rows of latents whose distances are taken at once
NEAR = 0.3  # of the usual distance to the nearest item: nearer ones are taken for copies of a sort
SAMPLE = 24  # items that tell what is usual
SPARE = 8  # candidates measured again: a difference of squares is exact to a few digits only


class QuestionHandler:
    """Answers questions with the newest model of a `RoundRunner`.

    An error is the answer's own: it is logged, told in `error`, and ends nothing.

    Parameters
    ----------
    runner : holds the learner, and what its newest model says of the pool.
    decode : draws latents; None for a learner without a VAE.
    """

    def __init__(self, runner: RoundRunner, decode: Decode | None = None) -> None:
        self._runner = runner
        self.decode = decode
        self._typical: tuple[NDArray[np.float32], float] | None = None

    def answer(self, question: Question) -> Reply:
        """Answer at once, a cross-validation also."""
        if not isinstance(question, CrossValidate):
            return self.look_up(question)
        validation = self.cross_validation(question)
        while (found := validation.next_fold()) is None:
            pass
        return found

    def look_up(self, question: InspectItem | ItemsOfClass) -> Reply:
        """Answer what the newest model and the latents know already."""
        try:
            return self._inspect(question) if isinstance(question, InspectItem) else self._of_class(question)
        except Exception as error:
            return failed(question, error)

    def cross_validation(self, question: CrossValidate) -> CrossValidation:
        """The answer to a cross-validation in the making, fold by fold."""
        return CrossValidation(self._runner.learner, question)

    def _inspect(self, question: InspectItem) -> Inspection:
        features, known = self._runner.learner.features, self._runner.probabilities
        nearest, distances = nearest_items(features, question.index, question.neighbours)
        latent = np.array(features[question.index : question.index + 1], dtype=np.float32)
        return Inspection(
            question.serial,
            question.index,
            None if known is None else known[question.index].copy(),
            nearest,
            distances,
            distances < NEAR * self._typical_distance(),
            None if self.decode is None else self.decode(latent)[0],
        )

    def _typical_distance(self) -> float:
        """How far an item usually is from the one nearest to it: the median of a sample, taken once."""
        features = self._runner.learner.features
        if self._typical is None or self._typical[0] is not features:
            sample = np.random.default_rng(0).permutation(len(features))[:SAMPLE].tolist()
            nearest = [nearest_items(features, index, 1)[1] for index in sample]
            found = np.concatenate(nearest) if nearest else np.zeros(0)
            self._typical = (features, float(np.median(found)) if len(found) else 0.0)
        return self._typical[1]

    def _of_class(self, question: ItemsOfClass) -> Reply:
        known = self._runner.probabilities
        if known is None:
            return empty_reply(question)
        mine = known.argmax(axis=1) == question.class_index
        mine[question.excluded] = False
        items = np.flatnonzero(mine)
        confidence = known[items, question.class_index]
        order = np.argsort(confidence if question.order == "unsure" else -confidence, kind="stable")[: question.count]
        confidence = confidence[order]
        return ClassItems(
            question.serial, question.class_index, items[order], confidence, float(np.sum(1 - confidence))
        )


class CrossValidation:
    """Models that have each not learnt one fold of the labels, trained one at a time.

    Folds are stratified: each has its share of every class. The only item of a class is in no fold and teaches all
    models, since nothing else could tell what its class looks like.
    """

    def __init__(self, learner: Learner, question: CrossValidate) -> None:
        self.question = question
        self.folds = max(2, question.folds)
        self.done = 0
        self._learner = learner
        m = len(question.indices)
        self._known = LabelSet(question.indices, question.labels, question.n_classes, np.zeros(m, dtype=bool))
        self._rng = np.random.default_rng([m, self.folds])
        self._fold = stratified_folds(question.labels, self.folds, self._rng)
        self._probabilities = np.zeros((m, question.n_classes), dtype=np.float32)

    def next_fold(self) -> Reply | None:
        """Train the next model and ask it; the answer after the last, None before."""
        question = self.question
        if len(np.unique(question.labels)) < 2:
            return empty_reply(question)
        held_out = self._fold == self.done
        self.done += 1
        try:
            if held_out.any():
                model = self._learner.fit(self._known.subset(~held_out), seed=int(self._rng.integers(2**31)))
                rows = self._learner.features[question.indices[held_out]]
                self._probabilities[held_out] = model.predict_proba(rows)
        except Exception as error:
            return failed(question, error)
        if self.done < self.folds:
            return None
        judged = self._fold >= 0
        return OutOfFoldPredictions(question.serial, question.indices[judged], self._probabilities[judged])


def stratified_folds(labels: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each item, int64 (m,), 0…folds-1, each with its share of every class; -1 for a class's only item."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % folds  # the items of a class lie side by side
    single = np.bincount(labels) == 1 if len(labels) else np.zeros(0, dtype=bool)
    fold[single[labels]] = -1
    return fold


def nearest_items(features: NDArray[np.float32], index: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k items nearest to item `index`, itself left out: indices int64 (k,) and distances float32 (k,).

    Parameters
    ----------
    features : float32 (N, D), may be memory-mapped; read in chunks.
    """
    point = np.array(features[index], dtype=np.float32)
    squared = np.empty(len(features), dtype=np.float32)
    for start in range(0, len(features), CHUNK):
        rows = np.asarray(features[start : start + CHUNK])
        squared[start : start + CHUNK] = np.einsum("nd,nd->n", rows, rows) - 2 * (rows @ point)
    squared[index] = np.inf
    k = min(k, len(features) - 1)
    few = min(k + SPARE, len(features) - 1)
    candidates = np.sort(np.argpartition(squared, few - 1)[:few]) if few else np.empty(0, dtype=np.int64)
    distances = np.sqrt(np.square(features[candidates] - point).sum(axis=1))
    order = np.argsort(distances, kind="stable")[:k]
    return candidates[order].astype(np.int64), distances[order].astype(np.float32)


def failed(question: Question, error: Exception) -> Reply:
    """The answer to a question that ended in `error`."""
    log.exception("a question failed: %s", type(question).__name__)
    reason = " ".join(str(error).split())
    return empty_reply(question, reason if isinstance(error, TuilabelError) else f"{type(error).__name__}: {reason}")

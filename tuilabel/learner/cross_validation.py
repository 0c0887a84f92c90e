"""Cross-validation: predictions for labelled items by models that were trained without their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.base import LabelSet, Learner

FOLDS = 5


@dataclass(frozen=True)
class FoldPredictions:
    """The predictions for the items of one fold, by a model trained on all other folds."""

    rows: NDArray[np.int64]
    """Which of the labelled items are in the fold, (h,); may be empty."""
    probabilities: NDArray[np.float32]
    """Class probabilities (h, C)."""


def cross_validate(
    learner: Learner, labelled: LabelSet, fold: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[FoldPredictions]:
    """Hold out one fold after another, train on all other items, and predict the fold.

    Each step of the iterator trains one model, so a caller can report progress or do other work between two of them.

    Parameters
    ----------
    labelled : m items.
    fold : int64 (m,), the fold 0…F-1 of each item; an item of fold -1 is never held out and trains all F models.
    rng : draws the seed of each model.

    Yields
    ------
    The predictions for each fold in turn. If only one class is left to train on, it is predicted with certainty.
    """
    for held_out in (fold == f for f in range(fold.max(initial=-1) + 1)):
        seed = int(rng.integers(2**31))
        rows = np.flatnonzero(held_out)
        yield FoldPredictions(rows, _predict(learner, labelled.subset(~held_out), labelled.indices[rows], seed))


def merge_folds(parts: Sequence[FoldPredictions], n_classes: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """All rows that were predicted, int64 (k,), ascending, and their probabilities, float32 (k, C)."""
    rows = np.concatenate([np.empty(0, dtype=np.int64), *(part.rows for part in parts)])
    none = np.empty((0, n_classes), dtype=np.float32)
    order = np.argsort(rows)
    return rows[order], np.concatenate([none, *(part.probabilities for part in parts)])[order]


def out_of_fold_probabilities(
    learner: Learner,
    labelled: LabelSet,
    folds: int = FOLDS,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Class probabilities of labelled items by stratified cross-validation.

    Parameters
    ----------
    labelled : m items.
    folds : F, at least 2.
    on_progress : called with (folds done, F).

    Returns
    -------
    The rows of `labelled` that were predicted, int64 (k,), ascending, and their probabilities, float32 (k, C). The only
    item of a class is left out: a model trained without it does not know its class. Both are empty if there are fewer
    than two classes.
    """
    parts: list[FoldPredictions] = []
    if len(np.unique(labelled.labels)) < 2:
        return merge_folds(parts, labelled.n_classes)
    for part in stratified_cross_validation(learner, labelled, folds):
        parts.append(part)
        on_progress(len(parts), folds)
    return merge_folds(parts, labelled.n_classes)


def stratified_cross_validation(learner: Learner, labelled: LabelSet, folds: int = FOLDS) -> Iterator[FoldPredictions]:
    """`cross_validate` with `stratified_folds`; the same items always fall into the same folds."""
    rng = np.random.default_rng([len(labelled.indices), folds])
    return cross_validate(learner, labelled, stratified_folds(labelled.labels, folds, rng), rng)


def stratified_folds(labels: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each item, int64 (m,), in 0…folds-1, each with its share of every class.

    The only item of a class gets fold -1: it must train every model, since no other item shows what its class looks
    like.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % folds  # the items of a class are adjacent in this order
    single = np.bincount(labels) == 1 if len(labels) else np.zeros(0, dtype=bool)
    fold[single[labels]] = -1
    return fold


def _predict(learner: Learner, training: LabelSet, indices: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    classes = np.unique(training.labels)
    probabilities = np.zeros((len(indices), training.n_classes), dtype=np.float32)
    if not len(indices):
        return probabilities
    if len(classes) < 2:
        probabilities[:, classes] = 1
        return probabilities
    return learner.fit(training, seed).predict_proba(learner.features[indices])

"""Which latents explain the labels best: between spaces that are ready, labels decide where there are enough of them.

A space is the latents of one encoder. Until there are labels it is chosen by the look of the images, which ranks the
candidates (`tuilabel.encoders.automatic`). From 20 labels on, whenever their number has doubled and whenever another
space gets ready, models are cross-validated in each of them. The score of a space is the log-likelihood of the labels.
Another space replaces the one in use only if it is better by two standard errors, so the choice does not flip back and
forth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.base import LabelSet, Learner
from tuilabel.learner.cross_validation import merge_folds, stratified_cross_validation

log = logging.getLogger("tuilabel.trainer")

MIN_LABELS = 20
MIN_CLASSES = 2  # with two labels or more each
FOLDS = 4
FLOOR = 1e-3  # probability: a single label, which may be wrong, costs no more than its logarithm
AUDIT_WEIGHT = 4.0  # audit items represent the pool; a strategy picks hard ones
ERRORS = 2.0  # standard errors by which another space must be better
MARGIN = 0.01  # and at least so much in log-likelihood per label


@dataclass(frozen=True)
class Choice:
    """The space to use from now on.

    Attributes
    ----------
    space : its name.
    by_labels : whether labels spoke against the space that the ranking favours.
    """

    space: str
    by_labels: bool = False


class SpaceChooser:
    """Chooses between the spaces that are ready.

    Parameters
    ----------
    ranked : the names of all spaces, best first by the look of the images.
    current : the space in use.
    ready : the spaces that can be used at once.
    learner_of : opens the learner of a space; one that fails is left out of comparisons.
    """

    def __init__(
        self, ranked: Sequence[str], current: str, ready: Sequence[str], learner_of: Callable[[str], Learner]
    ) -> None:
        self._ranked, self._current, self._learner_of = tuple(ranked), current, learner_of
        self._compared, self._compared_at = frozenset(ready), 0
        self._running: tuple[frozenset[str], Iterator[Choice | None]] | None = None

    @property
    def is_comparing(self) -> bool:
        """Whether there are steps of a comparison left."""
        return self._running is not None

    def choose(self, labelled: LabelSet | None, ready: Sequence[str]) -> Choice | None:
        """The choice if none has to be compared; else None, and a comparison begins if one is due.

        Parameters
        ----------
        labelled : None before the first labels.
        ready : at least one.
        """
        if labelled is None or len(ready) < 2 or not enough(labelled):
            self._current, self._running = min(ready, key=self._ranked.index), None
            return Choice(self._current)
        new, names = frozenset(ready) - self._compared, frozenset(ready)
        if self._running is not None and self._running[0] == names:
            return None
        if new or len(labelled.indices) >= 2 * self._compared_at:
            favourite = min((self._current, *new), key=self._rank)
            self._running = (names, self._compare(labelled, ready, favourite))
        return None

    def step(self) -> Choice | None:
        """Train one model of the comparison; the choice, if that was the last."""
        if self._running is None:
            return None
        choice = next(self._running[1])
        if choice is not None:
            self._current, self._running = choice.space, None
        return choice

    def _compare(self, labelled: LabelSet, ready: Sequence[str], favourite: str) -> Iterator[Choice | None]:
        scores: dict[str, NDArray[np.float64]] = {}
        rows = np.empty(0, dtype=np.int64)
        for space in ready:
            parts = []
            try:
                learner = self._learner_of(space)
                yield None
                for part in stratified_cross_validation(learner, labelled, FOLDS):
                    parts.append(part)
                    yield None
            except Exception:  # such as no memory for a second space: no reason to end the session
                log.exception("cannot compare %s", space)
                continue
            rows, probabilities = merge_folds(parts, labelled.n_classes)
            likely = probabilities[np.arange(len(rows)), labelled.labels[rows]].astype(np.float64)
            scores[space] = np.log(np.maximum(likely, FLOOR))
        log.info("%d labels: %s", len(rows), {name: f"{score.mean():.3f}" for name, score in scores.items()})
        self._compared, self._compared_at = frozenset(ready), len(labelled.indices)
        chosen = best_explained(scores, favourite, labelled.audit[rows]) if favourite in scores else self._current
        yield Choice(chosen, by_labels=chosen != favourite)

    def _rank(self, space: str) -> int:
        return self._ranked.index(space) if space in self._ranked else len(self._ranked)


def enough(labelled: LabelSet) -> bool:
    """Whether there are enough labels to compare spaces by."""
    per_class = np.bincount(labelled.labels, minlength=1)
    return len(labelled.indices) >= MIN_LABELS and int((per_class >= 2).sum()) >= MIN_CLASSES


def best_explained(scores: Mapping[str, NDArray[np.float64]], favourite: str, audit: NDArray[np.bool_]) -> str:
    """The space that explains the labels best; the favourite, unless another is clearly better.

    Parameters
    ----------
    scores : for each space the log-likelihood of each label, (k,), by models trained without it.
    audit : which of the labelled items were drawn at random, (k,).
    """
    weights = np.where(audit, AUDIT_WEIGHT, 1.0)
    best, most = favourite, 0.0
    for space, score in scores.items():
        if space == favourite or not len(score):
            continue
        gains = score - scores[favourite]
        gain = float(np.average(gains, weights=weights))
        error = float(np.sqrt(np.square(weights * (gains - gain)).sum()) / weights.sum())
        if gain > max(most, MARGIN, ERRORS * error):
            best, most = space, gain
    return best

"""The learner on wide latents, such as the features of a pretrained network.

Like `LatentLearner` it learns from labels and from labels propagated along a neighbour graph, but its student is linear
and solved in closed form. The first graph is drawn in the compact part of the latents, which knows nothing of the
classes. Then it is drawn again with what the last student says of them, which brings items of one class together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.storage import IN_MEMORY
from tuilabel.estimate import apply_temperature
from tuilabel.learner.base import LabelSet, Learner, check_finite
from tuilabel.learner.latent import MAX_TRUST, LatentLearner, best_share, calibrated, teacher_temperature
from tuilabel.strategies.base import Model
from tuilabel.strategies.geometry import with_scores

if TYPE_CHECKING:  # torch and scipy are imported when training starts: the first batch must not wait for them
    from tuilabel.learner.graph import NeighbourGraph
    from tuilabel.learner.linear import HeldOut, LinearEnsemble, SecondMoments

WIDE = 128  # latents with more columns are wide
FOLDS = 5
ALL_FOLDS = 200  # labels, up to which every fold is held out once; with more, one fold is enough
PRIOR_TRUST = 0.5  # prior in favour of the teacher, in held-out items
ABSORPTION = 5.0  # of labels in the graph; on latents of MNIST it would do harm
SHARPENED = 2.0  # power of the propagated probabilities: least squares learns more from clear-cut targets
TAUGHT = 4_000  # items of the pool that the student learns propagated labels of
REDRAWN = 3  # times
SCORES = 3.0  # weight of the student's scores in distances, relative to the compact latents


@dataclass(frozen=True)
class WideTeacher:
    """Propagated labels, and how far they can be trusted.

    Attributes
    ----------
    probabilities : float32 (R, C) each, calibrated: by all labels, then by those without a fold.
    held_out : float32 (h,), what they give for the true class of each label that is held out in turn.
    trust : 0…1, their share in the mixture with a linear model that explains held-out labels best.
    """

    probabilities: list[NDArray[np.float32]]
    held_out: NDArray[np.float32]
    trust: float

    @property
    def targets(self) -> list[NDArray[np.float32]]:
        """What a student learns: the probabilities, sharpened."""
        powers = [part**SHARPENED for part in self.probabilities]
        return [np.asarray(part / part.sum(axis=1, keepdims=True), dtype=np.float32) for part in powers]

    @property
    def weight(self) -> float:
        """Of all its labels together, relative to that of the labels it was taught."""
        return self.trust / (1 - self.trust)


@dataclass(frozen=True)
class Folds:
    """Labels, divided for a cross-validation. With many labels only one fold is held out, of audit items if possible.

    Attributes
    ----------
    sets : all labels, then those without a fold each.
    labels : int64 (h,), positions of the labels that are held out; the only label of a class never is.
    without : int64 (h,), the position among `sets` of the one that lacks each of them.
    """

    sets: list[LabelSet]
    labels: NDArray[np.int64]
    without: NDArray[np.int64]

    @classmethod
    def of(cls, labelled: LabelSet, seed: int) -> Folds:
        """Each class is dealt evenly."""
        m = len(labelled.labels)
        n_folds = FOLDS if m <= ALL_FOLDS else 1
        rng = np.random.default_rng([seed, m])
        fold = np.full(m, FOLDS, dtype=np.int64)
        dealt = 0
        for label in rng.permutation(labelled.n_classes):
            items = rng.permutation(np.flatnonzero(labelled.labels == label))
            if len(items) < 2:
                continue
            if n_folds == 1:
                items = items[np.argsort(~labelled.audit[items], kind="stable")]
                fold[items[: -(-len(items) // FOLDS)]] = 0
            else:
                fold[items] = (dealt + np.arange(len(items))) % FOLDS
                dealt += len(items)
        held_out = np.flatnonzero(fold < n_folds)
        parts = [labelled.subset(fold != f) for f in range(n_folds if len(held_out) else 0)]
        return cls([labelled, *parts], held_out, 1 + fold[held_out])

    @property
    def evaluation(self) -> LabelSet:
        """The labels that are held out."""
        whole = self.sets[0]
        return LabelSet(
            whole.indices[self.labels], whole.labels[self.labels], whole.n_classes, whole.audit[self.labels]
        )


class WideLatentLearner:
    """A linear classifier, trained on the labels and on labels propagated along the neighbour graph.

    Parameters
    ----------
    latents : float32 (N, D), may be memory-mapped.
    compact : the number of leading columns that the graph and the strategies use; None for all.
    graph : the file that caches the neighbour graph; None to keep it in memory only.

    Attributes
    ----------
    taught : int64 (R,), the items whose propagated labels its models learn, ascending.
    """

    def __init__(self, latents: NDArray[np.float32], compact: int | None = None, graph: Path | None = None) -> None:
        self.features = check_finite(latents)
        self.compact = latents if compact is None else latents[:, :compact]
        if self.compact.nbytes <= IN_MEMORY:  # else a second copy of latents that may not fit into memory once
            self.compact = np.ascontiguousarray(self.compact)
        self._path = graph
        self._graph: NeighbourGraph | None = None
        self._moments: SecondMoments | None = None
        n = len(latents)
        self.taught = np.arange(n) if n <= TAUGHT else np.sort(np.random.default_rng(0).choice(n, TAUGHT, False))

    def prepare(self) -> None:
        """Build the neighbour graph, or read it from its file."""
        from tuilabel.learner.graph import NeighbourGraph
        from tuilabel.learner.linear import SecondMoments

        if self._graph is None:
            path = self._path
            self._graph = NeighbourGraph.of(self.compact) if path is None else NeighbourGraph.cached(self.compact, path)
            self._moments = SecondMoments.of(self.features, self.taught)

    def fit(self, labelled: LabelSet, seed: int) -> LinearEnsemble:
        """Propagate the labels, and solve for the weights that explain them and the labels."""
        from tuilabel.learner.linear import HeldOut

        folds = Folds.of(labelled, seed)
        teacher = self.teach(folds)
        held_out = None
        if len(folds.labels):
            students = self._students(folds, teacher)
            points = self.features[folds.evaluation.indices]
            scores = np.stack([students[k].scores(x[None])[0] for k, x in zip(folds.without, points, strict=True)])
            taught = np.isin(folds.evaluation.indices, self.taught, assume_unique=True)
            held_out = HeldOut(scores, folds.evaluation.labels, taught)
        return self._student(labelled, teacher.targets[0], teacher.weight, seed=seed, held_out=held_out)

    def teach(self, folds: Folds) -> WideTeacher:
        """Propagate labels to the items that are taught, (R,).

        How well a graph explains labels is measured on those held out. Each further graph shares in the result as far
        as it explains them better.
        """
        self.prepare()
        assert self._graph is not None
        if not len(folds.labels):
            (propagated,) = self._graph.propagate(self.compact, *folds.sets, absorption=ABSORPTION)
            rows = self._graph.anchor_rows(self.compact, self.taught)
            return WideTeacher([calibrated(propagated[rows], 1.0)], np.empty(0, dtype=np.float32), MAX_TRUST)
        models = [self._student(part) for part in folds.sets]
        evaluation = folds.evaluation
        plain = models[0].left_out_probabilities[folds.labels, evaluation.labels]
        rows = np.union1d(self.taught, folds.sets[0].indices)  # (P,), of each graph that is drawn again
        taught, asked = np.searchsorted(rows, self.taught), np.searchsorted(rows, evaluation.indices)

        def judged(propagated: Sequence[NDArray[np.float32]], before: WideTeacher | None) -> WideTeacher:
            each = np.stack([propagated[k][row] for k, row in zip(folds.without, asked, strict=True)])
            temperature = teacher_temperature(each, evaluation)
            explained = calibrated(each, temperature)[np.arange(len(each)), evaluation.labels]
            probabilities = [calibrated(part[taught], temperature) for part in propagated]
            if before is not None:
                share = np.float32(best_share(explained, before.held_out, PRIOR_TRUST))
                explained = share * explained + (1 - share) * before.held_out
                pairs = zip(probabilities, before.probabilities, strict=True)
                probabilities = [share * new + (1 - share) * old for new, old in pairs]
            return WideTeacher(probabilities, explained, best_share(explained, plain, PRIOR_TRUST))

        anchors = self._graph.anchor_rows(self.compact, rows)
        first = self._graph.propagate(self.compact, *folds.sets, absorption=ABSORPTION)
        teacher = judged([part[anchors] for part in first], None)
        for already in range(REDRAWN):
            if already:
                models = self._students(folds, teacher)
            drawn = [self._propagate_by_scores(*each, rows) for each in zip(folds.sets, models, strict=True)]
            teacher = judged(drawn, teacher)
        return teacher

    def _students(self, folds: Folds, teacher: WideTeacher) -> list[LinearEnsemble]:
        """A student of each of the sets of labels."""
        pairs = zip(folds.sets, teacher.targets, strict=True)
        return [self._student(part, targets, teacher.weight) for part, targets in pairs]

    def _student(
        self,
        labelled: LabelSet,
        targets: NDArray[np.float32] | None = None,
        weight: float = 0.0,
        *,
        seed: int = 0,
        held_out: HeldOut | None = None,
    ) -> LinearEnsemble:
        """Least squares on the labels, and on soft labels (R, C) if there are any."""
        from tuilabel.learner.linear import LinearEnsemble
        from tuilabel.learner.mlp import SoftLabels

        return LinearEnsemble(labelled.n_classes, seed=seed).fit(
            self.features[labelled.indices],
            labelled.labels,
            None if targets is None else SoftLabels(self.features, targets, weight, self.taught),
            moments=self._moments,
            held_out=held_out,
        )

    def _propagate_by_scores(
        self, labelled: LabelSet, model: LinearEnsemble, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Propagate labels along the graph of some rows (P,) that a model's scores have drawn again; (P, C)."""
        from tuilabel.learner.graph import NeighbourGraph

        scores = self.features[rows] @ model.weights
        space = with_scores(self.compact[rows], scores, SCORES)
        local = replace(labelled, indices=np.searchsorted(rows, labelled.indices))
        (propagated,) = NeighbourGraph.of(space).propagate(space, local, absorption=ABSORPTION)
        return propagated


def is_tempered(learner: Learner, model: Model) -> bool:
    """Whether `tempered` changes anything."""
    from tuilabel.learner.linear import LinearEnsemble

    return isinstance(learner, WideLatentLearner) and isinstance(model, LinearEnsemble)


def tempered(
    learner: Learner, model: Model, probabilities: NDArray[np.float32], items: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What to show of a model's probabilities, float32 (n, C), for items of the pool, int64 (n,); -1 is another item.

    A linear model repeats what it was taught of an item: it is surer of such items than of others.
    """
    from tuilabel.learner.linear import LinearEnsemble

    if not isinstance(learner, WideLatentLearner) or not isinstance(model, LinearEnsemble):
        return probabilities
    taught = np.isin(items, learner.taught)
    if not taught.any():
        return probabilities
    result = probabilities.copy()
    result[taught] = apply_temperature(probabilities[taught], model.taught_temperature)
    return result


def latent_learner(
    latents: NDArray[np.float32], compact: int | None = None, graph: Path | None = None
) -> LatentLearner | WideLatentLearner:
    """The default learner on latents (N, D), which depends on whether they are wide; parameters as of the learners."""
    if compact is not None or latents.shape[1] > WIDE:
        return WideLatentLearner(latents, compact, graph)
    return LatentLearner(latents, graph)

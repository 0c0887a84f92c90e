"""The learner on wide latents, such as the features of a pretrained network.

Like `LatentLearner` it learns from labels and from labels propagated along a neighbour graph. But its student is linear
and solved in closed form, and the graph uses the compact part of the latents only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.base import LabelSet, check_finite
from tuilabel.learner.latent import MAX_TRUST, LatentLearner, Teacher, best_share, calibrated, teacher_temperature

if TYPE_CHECKING:  # torch and scipy are imported when training starts: the first batch must not wait for them
    from tuilabel.learner.graph import NeighbourGraph
    from tuilabel.learner.linear import LinearEnsemble, SecondMoments

WIDE = 128  # latents with more columns are wide
FOLDS = 5
ALL_FOLDS = 200  # labels, up to which every fold is held out once; with more, one fold is enough
PRIOR_TRUST = 0.5  # prior in favour of the teacher, in held-out items
ABSORPTION = 5.0  # of labels in the graph; on latents of MNIST it would do harm
SHARPENED = 2.0  # power of the propagated probabilities: least squares learns more from clear-cut targets
MIN_AUDIT = 8  # with this many audit items, only they calibrate the student


class WideLatentLearner:
    """A linear classifier, trained on the labels and on labels propagated along the neighbour graph.

    Parameters
    ----------
    latents : float32 (N, D), may be memory-mapped.
    compact : the number of leading columns that the graph and the strategies use; None for all.
    graph : the file that caches the neighbour graph; None to keep it in memory only.
    """

    def __init__(self, latents: NDArray[np.float32], compact: int | None = None, graph: Path | None = None) -> None:
        self.features = check_finite(latents)
        self.compact = latents if compact is None else np.ascontiguousarray(latents[:, :compact])
        self._path = graph
        self._graph: NeighbourGraph | None = None
        self._moments: SecondMoments | None = None

    def prepare(self) -> None:
        """Build the neighbour graph, or read it from its file."""
        from tuilabel.learner.graph import NeighbourGraph
        from tuilabel.learner.linear import SecondMoments

        if self._graph is None:
            path = self._path
            self._graph = NeighbourGraph.of(self.compact) if path is None else NeighbourGraph.cached(self.compact, path)
            self._moments = SecondMoments.of(self.features, self._graph.anchors)

    def fit(self, labelled: LabelSet, seed: int) -> LinearEnsemble:
        """Propagate the labels, and solve for the weights that explain them and the labels."""
        from tuilabel.learner.linear import LinearEnsemble
        from tuilabel.learner.mlp import SoftLabels

        teacher = self.teach(labelled, seed)
        assert self._graph is not None
        weight = teacher.trust / (1 - teacher.trust)
        soft = SoftLabels(self.features, teacher.probabilities, weight, self._graph.anchors)
        enough = labelled.audit.sum() >= MIN_AUDIT
        return LinearEnsemble(labelled.n_classes, seed=seed).fit(
            self.features[labelled.indices],
            labelled.labels,
            soft,
            moments=self._moments,
            calibrate_on=labelled.audit if enough else None,
        )

    def teach(self, labelled: LabelSet, seed: int) -> Teacher:
        """Propagate the labels, and measure on held-out labels how well that explains them beside a linear model."""
        from tuilabel.learner.linear import LinearEnsemble

        self.prepare()
        assert self._graph is not None
        fold = _folds(labelled, seed)
        n_folds = FOLDS if len(fold) <= ALL_FOLDS else 1
        held_out = np.flatnonzero((fold >= 0) & (fold < n_folds))
        subsets = [labelled.subset(fold != f) for f in range(n_folds)]
        propagated, *without = self._graph.propagate(
            self.compact, labelled, *(subsets if len(held_out) else ()), absorption=ABSORPTION
        )
        if not len(held_out):
            return Teacher(_sharpened(calibrated(propagated, 1.0)), MAX_TRUST, 1.0)
        evaluation = labelled.subset(np.isin(np.arange(len(fold)), held_out))
        anchors = self._graph.anchor_rows(self.compact, evaluation.indices)
        probs = np.stack([without[fold[i]][row] for i, row in zip(held_out, anchors, strict=True)])
        temperature = teacher_temperature(probs, evaluation)
        plain = LinearEnsemble(labelled.n_classes).fit(self.features[labelled.indices], labelled.labels)
        rows = np.arange(len(held_out))
        trust = best_share(
            calibrated(probs, temperature)[rows, evaluation.labels],
            plain.left_out_probabilities[held_out, evaluation.labels],
            PRIOR_TRUST,
        )
        return Teacher(_sharpened(calibrated(propagated, temperature)), trust, temperature)


def latent_learner(
    latents: NDArray[np.float32], compact: int | None = None, graph: Path | None = None
) -> LatentLearner | WideLatentLearner:
    """The default learner on latents (N, D), which depends on whether they are wide; parameters as of the learners."""
    if compact is not None or latents.shape[1] > WIDE:
        return WideLatentLearner(latents, compact, graph)
    return LatentLearner(latents, graph)


def _folds(labelled: LabelSet, seed: int) -> NDArray[np.int64]:
    """The fold of each labelled item, (m,): each class is dealt evenly; -1 for the only label of a class."""
    rng = np.random.default_rng([seed, len(labelled.labels)])
    fold = np.full(len(labelled.labels), -1, dtype=np.int64)
    dealt = 0
    for label in rng.permutation(labelled.n_classes):
        items = rng.permutation(np.flatnonzero(labelled.labels == label))
        if len(items) > 1:
            fold[items] = (dealt + np.arange(len(items))) % FOLDS
            dealt += len(items)
    return fold


def _sharpened(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = probabilities**SHARPENED
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)

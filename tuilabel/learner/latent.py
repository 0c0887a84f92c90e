"""The learners on latents: the plain MLP, and the MLP that is also taught by label propagation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import fit_temperature
from tuilabel.learner.base import LabelSet, check_finite

if TYPE_CHECKING:  # torch and scipy are imported when training starts: the first batch must not wait for them
    from tuilabel.learner.graph import NeighbourGraph
    from tuilabel.learner.mlp import MLPEnsemble

HELD_OUT = 0.2  # share of the labelled items that evaluate the teacher
MIN_LABELS = 4  # labels that a class needs before any of them is held out
FAR, NEAR = 0.995, 0.98  # how far labels reach in the graph, where its classes come apart and where they overlap
OVERLAP = 0.02  # share of the graph's weights between classes; 0.01 at most on MNIST, 0.04 at least on Fashion-MNIST
STEPS = 150  # optimisation steps of the student
MIN_AUDIT = 4  # with this many held-out audit items, only they calibrate the teacher
SHARPNESS = 2.0  # propagated labels are too soft: their temperature is fitted relative to this
PRIOR_TRUST = 4.0  # prior in favour of the teacher, in held-out items
MAX_TRUST = 0.9


class MLPLearner:
    """The MLP ensemble, trained only on the labelled latents.

    Parameters
    ----------
    latents : float32 (N, D), may be memory-mapped.
    n_compact : the first columns, all that it learns from; None for all. With more columns than labels it learns noise.
    """

    def __init__(self, latents: NDArray[np.float32], n_compact: int | None = None) -> None:
        self.features = check_finite(latents)
        self.compact = self.features[:, :n_compact]

    def prepare(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def fit(self, labelled: LabelSet, seed: int) -> MLPEnsemble:
        """Train an ensemble on the labelled latents."""
        from tuilabel.learner.mlp import MLPEnsemble

        model = MLPEnsemble(labelled.n_classes, seed=seed).fit(self.compact[labelled.indices], labelled.labels)
        return model.widened(self.features.shape[1])


@dataclass(frozen=True)
class Teacher:
    """The result of label propagation, and how far it can be trusted."""

    probabilities: NDArray[np.float32]
    """Calibrated class probabilities of the graph's anchors, float32 (A, C)."""
    trust: float
    """0…1: the teacher's share in the mixture with a plain MLP that explains held-out labels best."""
    temperature: float


class LatentLearner:
    """The MLP ensemble, trained on the labels and on labels propagated along the neighbour graph of the latents.

    With few labels the graph adds information; with many it only repeats them, including mistakes. How far it is
    trusted is measured in every round, on a fifth of the labels that are held out from both the graph and a plain MLP.

    Parameters
    ----------
    latents : float32 (N, D), may be memory-mapped.
    graph : the file that caches the neighbour graph; None to keep it in memory only.
    """

    def __init__(self, latents: NDArray[np.float32], graph: Path | None = None) -> None:
        self.features = self.compact = check_finite(latents)
        self._path = graph
        self._graph: NeighbourGraph | None = None

    def prepare(self) -> None:
        """Build the neighbour graph, or read it from its file."""
        from tuilabel.learner.graph import NeighbourGraph

        if self._graph is None:
            latents, path = self.features, self._path
            self._graph = NeighbourGraph.of(latents) if path is None else NeighbourGraph.cached(latents, path)

    def fit(self, labelled: LabelSet, seed: int) -> MLPEnsemble:
        """Propagate the labels, and train an ensemble on the labels and on the propagated ones."""
        from tuilabel.learner.mlp import MLPEnsemble, SoftLabels

        teacher = self.teach(labelled, seed)
        assert self._graph is not None
        model = MLPEnsemble(labelled.n_classes, seed=seed, steps=STEPS)
        soft = SoftLabels(
            self.features, teacher.probabilities, teacher.trust / (1 - teacher.trust), self._graph.anchors
        )
        return model.fit(self.features[labelled.indices], labelled.labels, soft)

    def teach(self, labelled: LabelSet, seed: int) -> Teacher:
        """Propagate the labels along the graph, and measure on held-out labels how well that works."""
        from tuilabel.learner.mlp import MLPEnsemble

        self.prepare()
        assert self._graph is not None
        held_out = _held_out(labelled, seed)
        if not held_out.any():
            (propagated,) = self._propagate(labelled)
            return Teacher(calibrated(propagated, 1.0), MAX_TRUST, 1.0)
        rest, evaluation = labelled.subset(~held_out), labelled.subset(held_out)
        propagated, without_held_out = self._propagate(labelled, rest)
        probs = without_held_out[self._graph.anchor_rows(self.features, evaluation.indices)]
        temperature = teacher_temperature(probs, evaluation)
        plain_mlp = MLPEnsemble(rest.n_classes, seed=seed).fit(self.features[rest.indices], rest.labels)
        plain = plain_mlp.predict_proba(self.features[evaluation.indices])
        rows = np.arange(len(evaluation.labels))
        trust = best_share(
            calibrated(probs, temperature)[rows, evaluation.labels], plain[rows, evaluation.labels], PRIOR_TRUST
        )
        return Teacher(calibrated(propagated, temperature), trust, temperature)

    def _propagate(self, *labelled: LabelSet) -> list[NDArray[np.float32]]:
        """Class probabilities of every anchor, (A, C), for each set of labels; the first decides how far they reach.

        Where classes come apart, labels must reach across the sparse regions inside a class, or a label between two
        classes makes part of one change sides. Where they overlap, the nearest labels know best.
        """
        assert self._graph is not None
        propagated = self._graph.propagate(self.features, *labelled, alpha=FAR)
        if self._graph.share_between(propagated[0].argmax(axis=1)) <= OVERLAP:
            return propagated
        return self._graph.propagate(self.features, *labelled, alpha=NEAR)


def _held_out(labelled: LabelSet, seed: int) -> NDArray[np.bool_]:
    """The items to hold out, bool (m,): a random fifth of each class with `MIN_LABELS` or more, audit items first.

    The only label of a class is never held out: no model could predict it.
    """
    rng = np.random.default_rng([seed, len(labelled.labels)])
    held_out = np.zeros(len(labelled.labels), dtype=bool)
    for label in np.unique(labelled.labels):
        items = rng.permutation(np.flatnonzero(labelled.labels == label))
        items = items[np.argsort(~labelled.audit[items], kind="stable")]
        if len(items) >= MIN_LABELS:
            held_out[items[: max(1, int(HELD_OUT * len(items)))]] = True
    return held_out


def teacher_temperature(probs: NDArray[np.float32], evaluation: LabelSet) -> float:
    """The temperature of the propagated labels relative to `SHARPNESS`, fitted on audit items if there are enough.

    Items picked by a strategy are hard. Fitted on them, the graph would be as unsure as it should be there, and far too
    unsure elsewhere.
    """
    rows = evaluation.audit if evaluation.audit.sum() >= MIN_AUDIT else np.ones(len(evaluation.labels), dtype=bool)
    return fit_temperature(SHARPNESS * np.log(np.maximum(probs[rows], 1e-12)), evaluation.labels[rows])


def calibrated(probs: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Propagated labels (n, C) at a temperature relative to `SHARPNESS`, float32 (n, C)."""
    import torch

    columns = torch.from_numpy(np.maximum(probs, np.float32(1e-12))).T.contiguous()  # many times as fast as by row
    return np.asarray(columns.log_().mul_(SHARPNESS / temperature).softmax(0).T.contiguous().numpy())


def best_share(teacher: NDArray[np.float32], plain: NDArray[np.float32], prior: float) -> float:
    """The share w of the teacher with which w·teacher + (1-w)·plain explains the true classes best.

    Maximises Σ log(w t + (1-w) p) + prior · log w.

    Parameters
    ----------
    teacher, plain : probability of the true class of each held-out item, (h,).
    prior : prior in favour of the teacher, in held-out items.
    """
    shares = np.linspace(0.02, MAX_TRUST, 45)  # (W,)
    mixed = shares[:, None] * teacher + (1 - shares[:, None]) * plain
    score = np.log(np.maximum(mixed, 1e-6)).sum(axis=1) + prior * np.log(shares)
    return float(shares[score.argmax()])

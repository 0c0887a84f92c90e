"""The learners on latents: the plain MLP, and the one that label propagation teaches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.estimate import apply_temperature, fit_temperature
from tuilabel.learner.base import LabelSet, finite

if TYPE_CHECKING:  # torch and scipy are loaded by those who train: the first batch does not wait for them
    from tuilabel.learner.graph import NeighbourGraph
    from tuilabel.learner.mlp import MLPEnsemble

HELD_OUT = 0.2  # of the labelled items judge the teacher
ENOUGH = 4  # labels of a class of which one can be held out
STEPS = 150  # of the student
JUDGES = 4  # audit items that calibrate better than all held-out ones
SHARPNESS = 2.0  # propagated labels are too soft: what calibrates them is measured from here
PRIOR_TRUST = 4.0  # held-out items in favour of the teacher before there are any
MOST_TRUST = 0.9


class MLPLearner:
    """The MLP ensemble on latents and nothing else."""

    def __init__(self, latents: NDArray[np.float32]) -> None:
        self.features = finite(latents)

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def fit(self, known: LabelSet, seed: int) -> MLPEnsemble:
        """Train an ensemble on the labelled latents."""
        from tuilabel.learner.mlp import MLPEnsemble

        return MLPEnsemble(known.n_classes, seed=seed).fit(self.features[known.indices], known.labels)


@dataclass(frozen=True)
class Teacher:
    """What label propagation says of the pool, and how far it is to be believed."""

    probabilities: NDArray[np.float32]
    """Of the graph's anchors, float32 (A, C), calibrated."""
    trust: float
    """0…1: its share in the mixture with the plain MLP that explains held-out labels best."""
    temperature: float


class LatentLearner:
    """The MLP ensemble, taught by real labels and by labels spread along the neighbour graph of the latents.

    With few labels the graph knows more than they do; with many it can only repeat them, and repeats mistakes. How far
    it is trusted is measured in every round, on a fifth of the labels that neither it nor a plain MLP beside it was
    told.

    Parameters
    ----------
    latents : float32 (N, D), may be memory-mapped.
    graph : file that keeps the neighbour graph from one start to the next.
    """

    def __init__(self, latents: NDArray[np.float32], graph: Path | None = None) -> None:
        self.features = finite(latents)
        self._path = graph
        self._graph: NeighbourGraph | None = None

    def prepare(self) -> None:
        """Build the graph, or read it."""
        from tuilabel.learner.graph import NeighbourGraph

        if self._graph is None:
            latents, path = self.features, self._path
            self._graph = NeighbourGraph.of(latents) if path is None else NeighbourGraph.cached(latents, path)

    def fit(self, known: LabelSet, seed: int) -> MLPEnsemble:
        """Spread the labels, and train an ensemble on them and on what came of it."""
        from tuilabel.learner.mlp import MLPEnsemble, SoftLabels

        teacher = self.teach(known, seed)
        assert self._graph is not None
        model = MLPEnsemble(known.n_classes, seed=seed, steps=STEPS)
        soft = SoftLabels(
            self.features, teacher.probabilities, teacher.trust / (1 - teacher.trust), self._graph.anchors
        )
        return model.fit(self.features[known.indices], known.labels, soft)

    def teach(self, known: LabelSet, seed: int) -> Teacher:
        """Spread the labels along the graph, and measure on some how well that works."""
        from tuilabel.learner.mlp import MLPEnsemble

        self.prepare()
        assert self._graph is not None
        held_out = _held_out(known, seed)
        if not held_out.any():
            (spread,) = self._graph.propagate(self.features, known)
            return Teacher(_calibrated(spread, 1.0), MOST_TRUST, 1.0)
        rest, judges = known.subset(~held_out), known.subset(held_out)
        spread, without = self._graph.propagate(self.features, known, rest)
        said = without[self._graph.places(self.features, judges.indices)]
        temperature = _temperature(said, judges)
        alone = MLPEnsemble(rest.n_classes, seed=seed).fit(self.features[rest.indices], rest.labels)
        plain = alone.predict_proba(self.features[judges.indices])
        rows = np.arange(len(judges.labels))
        trust = _share(_calibrated(said, temperature)[rows, judges.labels], plain[rows, judges.labels])
        return Teacher(_calibrated(spread, temperature), trust, temperature)


def _held_out(known: LabelSet, seed: int) -> NDArray[np.bool_]:
    """Random items, bool (m,): a fifth of those of each class that has at least `ENOUGH`, audit items first.

    Of a class with one label nothing could be predicted without it.
    """
    rng = np.random.default_rng([seed, len(known.labels)])
    held_out = np.zeros(len(known.labels), dtype=bool)
    for label in np.unique(known.labels):
        items = rng.permutation(np.flatnonzero(known.labels == label))
        items = items[np.argsort(~known.audit[items], kind="stable")]
        if len(items) >= ENOUGH:
            held_out[items[: max(1, int(HELD_OUT * len(items)))]] = True
    return held_out


def _temperature(said: NDArray[np.float32], judges: LabelSet) -> float:
    """What calibrates the propagated labels, on top of `SHARPNESS`; told by audit items where there are enough.

    Items that were chosen are hard ones. On those the graph is as unsure as it should be, and far too unsure elsewhere.
    """
    which = judges.audit if judges.audit.sum() >= JUDGES else np.ones(len(judges.labels), dtype=bool)
    return fit_temperature(SHARPNESS * np.log(np.maximum(said[which], 1e-12)), judges.labels[which])


def _calibrated(spread: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    return apply_temperature(spread, temperature / SHARPNESS).astype(np.float32)


def _share(teacher: NDArray[np.float32], plain: NDArray[np.float32]) -> float:
    """The share w of the teacher for which w·teacher + (1-w)·plain explains the true classes best.

    Maximises Σ log(w t + (1-w) p) + PRIOR_TRUST · log w.

    Parameters
    ----------
    teacher, plain : probability that each gave to the true class of each held-out item, (h,).
    """
    shares = np.linspace(0.02, MOST_TRUST, 45)  # (W,)
    mixed = shares[:, None] * teacher + (1 - shares[:, None]) * plain
    gain = np.log(np.maximum(mixed, 1e-6)).sum(axis=1) + PRIOR_TRUST * np.log(shares)
    return float(shares[gain.argmax()])

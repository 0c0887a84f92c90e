"""The learners on latents: the plain MLP, and the one that label propagation teaches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.learner.base import LabelSet

if TYPE_CHECKING:  # torch and scipy are loaded by those who train: the first batch does not wait for them
    from tuilabel.learner.graph import NeighbourGraph
    from tuilabel.learner.mlp import MLPEnsemble


class MLPLearner:
    """The MLP ensemble on latents and nothing else."""

    def __init__(self, latents: NDArray[np.float32]) -> None:
        self.features = latents

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def fit(self, known: LabelSet, seed: int) -> MLPEnsemble:
        """Train an ensemble on the labelled latents."""
        from tuilabel.learner.mlp import MLPEnsemble

        return MLPEnsemble(known.n_classes, seed=seed).fit(self.features[known.indices], known.labels)


class LatentLearner:
    """The MLP ensemble, taught by real labels and by labels spread along the neighbour graph of the latents.

    Parameters
    ----------
    latents : float32 (N, D), may be memory-mapped.
    graph : file that keeps the neighbour graph from one start to the next.
    """

    def __init__(self, latents: NDArray[np.float32], graph: Path | None = None) -> None:
        self.features = latents
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

        self.prepare()
        assert self._graph is not None
        spread = self._graph.propagate(known.indices, known.labels, known.n_classes)
        teacher = SoftLabels(self.features, spread, 1.0)
        model = MLPEnsemble(known.n_classes, seed=seed, steps=200)
        return model.fit(self.features[known.indices], known.labels, teacher)

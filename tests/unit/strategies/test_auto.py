"""The default strategy, and the clusters of its first batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.query_contexts import FakeModel, random_context
from tuilabel.strategies import get_strategy
from tuilabel.strategies.auto import CONFIDENT
from tuilabel.strategies.base import QueryContext
from tuilabel.strategies.geometry import kmeans
from tuilabel.strategies.spectral import spectral_clusters


def with_confidence(confidence: float, n: int) -> np.ndarray:
    rest = (1 - confidence) / 2
    return np.tile(np.array([confidence, rest, rest], dtype=np.float32), (n, 1))


@pytest.mark.parametrize(
    ("confidence", "strategy"), [(CONFIDENT - 0.05, "coverage"), (CONFIDENT + 0.05, "weighted-kmeans")]
)
def test_the_choice_depends_on_the_models_confidence(confidence: float, strategy: str) -> None:
    context = random_context()
    context = replace(context, probabilities=with_confidence(confidence, len(context.candidates)))
    seeded = [replace(context, rng=np.random.default_rng(5)) for _ in range(2)]
    picked, expected = get_strategy("auto").pick(seeded[0], 6), get_strategy(strategy).pick(seeded[1], 6)
    assert picked.picked_by == strategy
    assert picked.positions.tolist() == expected.positions.tolist()


def test_where_a_model_learns_from_more_than_the_latents_what_it_says_is_covered() -> None:
    """Latents know of two backgrounds only; the model tells four groups apart, two of which have no label."""
    rng = np.random.default_rng(0)
    group, background = np.arange(400) % 4, np.arange(400) // 4 % 2
    latents = (background[:, None] + 0.1 * rng.normal(size=(400, 5))).astype(np.float32)
    unsure = np.float32(0.2) + np.float32(0.2) * np.eye(4, dtype=np.float32)[group]

    class Knowing(FakeModel):
        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            return X

    labelled = np.flatnonzero(group < 2)[:8]
    candidates = np.setdiff1d(np.arange(400), labelled)
    context = QueryContext(latents, candidates, labelled, unsure[candidates], rng, group[labelled], Knowing(4), unsure)
    picked = candidates[get_strategy("auto").pick(context, 4).positions]
    assert set(group[picked].tolist()) == {2, 3}


def test_without_a_model_it_uses_coverage() -> None:
    assert (
        get_strategy("auto").pick(replace(random_context(), probabilities=None, model=None), 4).picked_by == "coverage"
    )


def rings(n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Three concentric rings, which centres cannot separate."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 3
    angle, radius = rng.uniform(0, 2 * np.pi, n), 1.0 + 2.0 * truth + 0.1 * rng.normal(size=n)
    return (radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32), truth


def purity(cluster: np.ndarray, truth: np.ndarray) -> float:
    return sum(np.bincount(truth[cluster == c]).max() for c in np.unique(cluster)) / len(truth)


def test_clusters_are_split_at_gaps() -> None:
    points, truth = rings()
    assert purity(spectral_clusters(points, 3, np.random.default_rng(0)), truth) > 0.95
    assert purity(kmeans(points, 3, np.random.default_rng(0)), truth) < 0.7


@pytest.mark.parametrize("points", [np.zeros((500, 3)), np.repeat(np.eye(3), 200, axis=0), np.zeros((3, 2))])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_clusters_of_equal_points_are_possible(points: np.ndarray, k: int) -> None:
    cluster = spectral_clusters(points.astype(np.float32), k, np.random.default_rng(0))
    assert cluster.shape == (len(points),)
    assert set(cluster.tolist()) <= set(range(k))

"""Strategies compared with slow implementations of their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tuilabel.errors import UsageError
from tuilabel.strategies import COVERAGE, QueryContext, get_strategy
from tuilabel.strategies.geometry import kmeans, typicality
from tuilabel.strategies.uncertainty import highest

BRUTE = {
    "entropy": lambda p: -sum(x * math.log(x) for x in p if x > 0),
    "least-confidence": lambda p: 1 - max(p),
    "margin": lambda p: sorted(p)[-2] - sorted(p)[-1],
}


def context(probabilities: np.ndarray | None, n: int, seed: int = 0, labelled: tuple[int, ...] = ()) -> QueryContext:
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(n + len(labelled), 4)).astype(np.float32)
    candidates = np.setdiff1d(np.arange(n + len(labelled)), labelled)
    return QueryContext(latents, candidates, np.array(labelled, dtype=np.int64), probabilities, rng)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(2, 5)), elements=st.floats(0, 1, width=16)))
@pytest.mark.parametrize("name", BRUTE)
def test_uncertainty_picks_the_highest_scores_best_first(name: str, raw: np.ndarray) -> None:
    p = (raw + np.float32(0.001)) / (raw + np.float32(0.001)).sum(axis=1, keepdims=True)
    picked = get_strategy(name).pick(context(p, len(p)), 5).positions.tolist()
    scores = [BRUTE[name](row) for row in p.astype(np.float64)]
    assert len(picked) == len(set(picked)) == min(5, len(p))
    got = [scores[k] for k in picked]
    assert np.allclose(got, sorted(scores, reverse=True)[:5], atol=1e-5)


@pytest.mark.parametrize("name", [*BRUTE, "random"])
def test_ties_are_broken_by_the_generator(name: str) -> None:
    p = np.full((30, 4), 0.25, dtype=np.float32)
    picks = {tuple(get_strategy(name).pick(context(p, 30, seed), 3).positions.tolist()) for seed in range(20)}
    assert len(picks) > 15


def test_ties_at_the_cut_never_displace_a_better_item() -> None:
    scores = np.array([0, 1, 1, 1, 2, 1], dtype=np.float32)
    for seed in range(10):
        picked = highest(scores, 3, np.random.default_rng(seed)).tolist()
        assert picked[0] == 4
        assert set(picked[1:]) <= {1, 2, 3, 5}


def test_random_reports_the_probability_of_each_draw() -> None:
    selection = get_strategy("random").pick(context(None, 10), 3)
    assert selection.query_probability is not None
    assert selection.query_probability.tolist() == pytest.approx([1 / 10, 1 / 9, 1 / 8])


def test_kmeans_finds_separate_clusters() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 50)
    points = (10 * np.eye(4)[truth] + rng.normal(size=(200, 4))).astype(np.float32)
    cluster = kmeans(points, 4, rng)
    assert {tuple(set(cluster[truth == c].tolist())) for c in range(4)} == {(c,) for c in range(4)}


def test_kmeans_of_equal_points_and_of_as_many_clusters_as_points() -> None:
    assert kmeans(np.zeros((5, 3), dtype=np.float32), 3, np.random.default_rng(0)).shape == (5,)
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert len(set(kmeans(points, 4, np.random.default_rng(0)).tolist())) == 4


def test_typicality_is_minus_the_mean_distance_to_the_neighbours() -> None:
    points = np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32)
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    expected = -np.sort(distances, axis=1)[:, 1:6].mean(axis=1)
    assert np.allclose(typicality(points, 5), expected, atol=1e-3)
    assert typicality(points[:1]).tolist() == [0]


def test_coverage_takes_the_most_typical_item_of_each_cluster() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 40)
    latents = (20 * np.eye(5)[truth] + rng.normal(size=(200, 5))).astype(np.float32)
    none = np.array([], dtype=np.int64)
    picked = COVERAGE.pick(QueryContext(latents, np.arange(200), none, None, rng), 5).positions
    assert set(picked.tolist()) == {40 * c + int(typicality(latents[truth == c]).argmax()) for c in range(5)}


def test_coverage_picks_from_clusters_without_labels() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 50)
    latents = (20 * np.eye(4)[truth] + rng.normal(size=(200, 4))).astype(np.float32)
    labelled = np.array([0, 50])
    candidates = np.setdiff1d(np.arange(200), labelled)
    picked = COVERAGE.pick(QueryContext(latents, candidates, labelled, None, rng), 2).positions
    assert sorted(truth[candidates[picked]].tolist()) == [2, 3]


def test_unknown_names_suggest_the_closest_one() -> None:
    with pytest.raises(UsageError, match="did you mean least-confidence"):
        get_strategy("least_confidence")

"""The neighbour graph, label propagation, and the learner it teaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.toy import Toy, make_toy
from tuilabel.errors import TuilabelError
from tuilabel.learner import graph as graph_module
from tuilabel.learner.base import LabelSet
from tuilabel.learner.graph import ALPHA, MAX_WEIGHT, NeighbourGraph
from tuilabel.learner.latent import FAR, MAX_TRUST, NEAR, LatentLearner, MLPLearner


def label_set(indices: list[int], labels: list[int], n_classes: int = 3, audit: bool = False) -> LabelSet:
    return LabelSet(np.array(indices), np.array(labels), n_classes, np.full(len(indices), audit, dtype=bool))


def true_labels(toy: Toy, indices: list[int], audit: bool = False) -> LabelSet:
    return label_set(indices, [toy.truth(i) for i in indices], audit=audit)


def blobs(n: int, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    return (4 * np.eye(3, 5)[truth] + noise * rng.normal(size=(n, 5))).astype(np.float32), truth


def test_weights_match_their_definition() -> None:
    points, _ = blobs(40, 1.0)
    graph = NeighbourGraph.of(points, neighbours=8)
    distances = np.sqrt(((points[:, None].astype(float) - points[None]) ** 2).sum(-1))
    order = np.argsort(distances, axis=1)[:, 1:]
    sigma = np.sort(distances, axis=1)[:, 7]
    w = np.zeros((40, 40))
    for i in range(40):
        for j in order[i, :8]:
            w[i, j] = np.exp(-(distances[i, j] ** 2) / (sigma[i] * sigma[j]))
    w = np.maximum(w, w.T)
    degree = w.sum(axis=1)
    assert np.allclose(graph.weights.toarray(), w / np.sqrt(np.outer(degree, degree)), atol=1e-4)
    assert np.allclose(graph.scale, sigma, atol=1e-4)


@pytest.mark.parametrize("absorption", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("alpha", [NEAR, ALPHA, FAR])
def test_propagation_solves_the_linear_system(absorption: float, alpha: float) -> None:
    points, truth = blobs(60, 1.2)
    graph = NeighbourGraph.of(points)
    labels = label_set([0, 1, 2, 30], [0, 1, 2, 0])
    start = np.zeros((60, 3))
    for i, c in zip(labels.indices, labels.labels, strict=True):
        start[i, c] = min((np.median(graph.scale) / graph.scale[i]) ** 2, MAX_WEIGHT)
    absorbed = absorption * np.diag(start.sum(axis=1))
    propagated = np.linalg.solve(np.eye(60) + absorbed - alpha * graph.weights.toarray(), start)
    propagated /= propagated.sum(axis=0)
    expected = propagated / propagated.sum(axis=1, keepdims=True)
    (probs,) = graph.propagate(points, labels, absorption=absorption, alpha=alpha)
    assert np.allclose(probs, expected, atol=0.02)
    assert (probs.argmax(axis=1) == truth).mean() > 0.9


def test_the_share_of_weights_between_classes() -> None:
    points, truth = blobs(90)
    graph = NeighbourGraph.of(points)
    assert graph.share_between(truth) < 1e-6
    weights = graph.weights.toarray()
    odd = (np.arange(90) < 30).astype(np.int64)
    expected = weights[odd[:, None] != odd[None]].sum() / weights.sum()
    assert graph.share_between(odd) == pytest.approx(expected, abs=1e-4)


def test_labels_reach_further_where_classes_come_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = []
    propagate = NeighbourGraph.propagate

    def noted(graph: NeighbourGraph, *args: Any, alpha: float) -> list[np.ndarray]:
        reached.append(alpha)
        return propagate(graph, *args, alpha=alpha)

    monkeypatch.setattr(NeighbourGraph, "propagate", noted)
    for noise, expected in ((0.3, FAR), (3.0, NEAR)):
        points, truth = blobs(300, noise)
        LatentLearner(points).teach(label_set(list(range(30)), truth[:30].tolist()), 0)
        assert reached[-1] == expected


def test_a_label_in_a_dense_region_does_not_dominate_its_class() -> None:
    """Class 0 is dense far away and loose next to class 1: its label in the loose part must keep its neighbours."""
    rng = np.random.default_rng(0)
    dense = np.array([50.0, 0.0]) + 0.01 * rng.normal(size=(100, 2))
    loose = np.array([0.0, 0.0]) + rng.normal(size=(100, 2))
    other = np.array([5.0, 0.0]) + rng.normal(size=(100, 2))
    points = np.concatenate([dense, loose, other]).astype(np.float32)
    nearest = [int(np.argmin(np.linalg.norm(points - centre, axis=1))) for centre in ([50, 0], [0, 0], [5, 0])]
    (probs,) = NeighbourGraph.of(points).propagate(points, label_set(nearest, [0, 0, 1], n_classes=2))
    assert (probs[100:200].argmax(axis=1) == 0).mean() > 0.8
    assert (probs[200:].argmax(axis=1) == 1).mean() > 0.8


def test_labels_that_absorb_do_not_drown_the_few_of_another_class() -> None:
    """Two long classes that touch along their whole length, as classes of photographs do."""
    rng = np.random.default_rng(0)
    truth = np.arange(600) % 2
    points = np.stack([rng.uniform(0, 30, 600), 1.6 * truth + 0.3 * rng.normal(size=600)], axis=1).astype(np.float32)
    indices = np.concatenate([np.flatnonzero(truth == 0)[:40], np.flatnonzero(truth == 1)[:8]])
    labels = label_set(indices.tolist(), truth[indices].tolist(), n_classes=2)
    graph = NeighbourGraph.of(points)
    right = [
        float((graph.propagate(points, labels, absorption=absorption)[0].argmax(axis=1) == truth).mean())
        for absorption in (0.0, 5.0)
    ]
    assert right[1] > right[0] + 0.05


def test_labels_absorb_less_in_a_large_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    points, _ = blobs(60, 1.2)
    graph, labels = NeighbourGraph.of(points), label_set([0, 1, 2, 30], [0, 1, 2, 0])
    (expected,) = graph.propagate(points, labels, absorption=0.3)
    monkeypatch.setattr(graph_module, "SMALL", 6)  # a tenth of the pool
    (large,) = graph.propagate(points, labels, absorption=3.0)
    assert np.allclose(large, expected, atol=1e-4)


def test_sets_of_labels_propagated_together_give_the_same_as_each_alone() -> None:
    points, _ = blobs(90)
    graph = NeighbourGraph.of(points)
    one, two = label_set([0, 1, 2], [0, 1, 2]), label_set([3, 4], [0, 1])
    both = graph.propagate(points, one, two)
    assert np.allclose(both[0], graph.propagate(points, one)[0], atol=1e-5)
    assert np.allclose(both[1], graph.propagate(points, two)[0], atol=1e-5)


def test_an_item_that_no_label_reaches_has_equal_probabilities() -> None:
    points = np.concatenate([np.zeros((30, 2)), np.full((30, 2), 1e3)]).astype(np.float32)
    points += np.random.default_rng(0).normal(size=points.shape).astype(np.float32)
    (probs,) = NeighbourGraph.of(points).propagate(points, label_set([0, 1], [0, 1], n_classes=2))
    assert np.allclose(probs[30:], 0.5)
    assert not np.allclose(probs[:30], 0.5)


def test_the_graph_is_cached_and_a_damaged_file_rebuilt(tmp_path: Path) -> None:
    points, _ = blobs(50)
    path = tmp_path / "graph.npz"
    built = NeighbourGraph.cached(points, path)
    read = NeighbourGraph.cached(points, path)
    assert (built.weights != read.weights).nnz == 0
    path.write_bytes(path.read_bytes()[:100])
    assert (NeighbourGraph.cached(points, path).weights != built.weights).nnz == 0
    assert len(NeighbourGraph.cached(points[:20], path).anchors) == 20


def test_a_graph_that_cannot_be_kept_is_used_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    points, _ = blobs(50)
    (tmp_path / "cache").write_text("a file where the folder should be")
    graph = NeighbourGraph.cached(points, tmp_path / "cache" / "graph.npz")
    assert (graph.weights != NeighbourGraph.of(points).weights).nnz == 0
    assert "cannot write" in caplog.text


def test_a_large_pool_is_represented_by_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "ANCHORS", 60)
    points, truth = blobs(300)
    graph = NeighbourGraph.of(points)
    assert len(graph.anchors) == 60
    not_anchors = [int(np.flatnonzero((truth == c) & ~np.isin(np.arange(300), graph.anchors))[0]) for c in range(3)]
    (probs,) = graph.propagate(points, label_set(not_anchors, [0, 1, 2]))
    assert (probs.argmax(axis=1) == truth[graph.anchors]).mean() > 0.95
    model = LatentLearner(points).fit(label_set(not_anchors, [0, 1, 2]), 0)
    assert (model.predict_proba(points).argmax(axis=1) == truth).mean() > 0.95


def test_an_item_that_is_not_an_anchor_counts_at_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "ANCHORS", 60)
    monkeypatch.setattr(graph_module, "ROWS", 7)
    points, _ = blobs(300)
    graph = NeighbourGraph.of(points)
    squared = np.square(points[:, None].astype(np.float64) - points[graph.anchors]).sum(axis=2)  # (300, 60)
    for asked in (np.arange(10), np.arange(300)[::-1]):  # some are asked for twice
        assert graph.anchor_rows(points, asked).tolist() == squared[asked].argmin(axis=1).tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(0, 3), st.booleans())
def test_odd_pools_give_probabilities(n: int, copies: int, constant: bool) -> None:
    """Tiny, with duplicates, or all the same."""
    points = np.zeros((n, 4), dtype=np.float32) if constant else blobs(n)[0][:, :4]
    points = np.concatenate([points] + [points] * copies)
    model = LatentLearner(points).fit(label_set([0, 1], [0, 2]), 0)
    p = model.predict_proba(points)
    assert np.isfinite(p).all()
    assert np.allclose(p.sum(axis=1), 1, atol=1e-4)


def test_latents_that_are_not_finite_are_refused() -> None:
    points, _ = blobs(10)
    points[4, 1] = np.nan
    for learner in (LatentLearner, MLPLearner):
        with pytest.raises(TuilabelError, match="item 4"):
            learner(points)


def test_one_label_per_class_is_enough_if_classes_are_connected() -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 200)
    moons = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    truth = np.arange(200) % 2
    moons[truth == 1] = np.array([1.0, 0.4]) - moons[truth == 1]
    points = (4 * moons + 0.15 * rng.normal(size=moons.shape)).astype(np.float32)
    ends = [int(np.flatnonzero(truth == c)[np.argmin(points[truth == c, 0])]) for c in (0, 1)]
    labels = label_set(ends, [0, 1], n_classes=2)
    taught, plain = (learner(points).fit(labels, 0).predict_proba(points) for learner in (LatentLearner, MLPLearner))
    right = [(p.argmax(axis=1) == truth).mean() for p in (taught, plain)]
    assert right[0] > 0.9
    assert right[0] > right[1] + 0.1


def test_the_teacher_is_trusted_less_where_the_graph_misleads(toy: Toy) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2
    noise = rng.normal(size=(400, 12)) * 3  # only one direction is informative, neighbours are not
    noise[:, 0] = 1.2 * (2 * truth - 1) + 0.1 * rng.normal(size=400)
    indices = list(range(200))
    misled = LatentLearner(noise.astype(np.float32)).teach(label_set(indices, truth[:200].tolist(), 2), 0)
    led = LatentLearner(toy.latents).teach(true_labels(toy, list(range(60))), 0)
    assert misled.trust < 0.5 < led.trust


def test_with_few_labels_none_is_held_out(toy: Toy) -> None:
    teacher = LatentLearner(toy.latents).teach(true_labels(toy, [0, 1, 2, 3, 4, 5]), 0)
    assert teacher.trust == MAX_TRUST


def test_mean_confidence_equals_accuracy() -> None:
    toy = make_toy(900)
    toy.latents[:] += 0.9 * np.random.default_rng(1).normal(size=toy.latents.shape).astype(np.float32)
    p = LatentLearner(toy.latents).fit(true_labels(toy, list(range(150)), audit=True), 0).predict_proba(toy.latents)
    truth = np.array([toy.truth(i) for i in range(900)])
    right = (p.argmax(axis=1) == truth).mean()
    assert p.max(axis=1).mean() == pytest.approx(right, abs=0.06)


def test_the_same_labels_and_seed_give_the_same_model(toy: Toy) -> None:
    labels = true_labels(toy, list(range(30)))
    one, two = (LatentLearner(toy.latents).fit(labels, 3).predict_proba(toy.latents) for _ in range(2))
    assert np.array_equal(one, two)

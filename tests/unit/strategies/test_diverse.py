"""Strategies that use the positions of items, with or without the model."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.helpers.query_contexts import FakeModel, distances, make_context, random_context
from tuilabel.strategies import get_strategy
from tuilabel.strategies.badge import gradient_seeds
from tuilabel.strategies.clustered import flips
from tuilabel.strategies.geometry import central_members, kmeans
from tuilabel.strategies.herding import calibrating_temperature, greedy_coverage, neighbour_statistics, tempered
from tuilabel.strategies.probcover import greedy_cover, pure_radius


def points_of(context: object) -> tuple[np.ndarray, np.ndarray]:
    return context.latents[context.candidates], context.latents[context.labelled]  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(3))
def test_k_center_is_the_greedy_loop(seed: int) -> None:
    context = random_context(seed=seed)
    points, labelled_points = points_of(context)
    expected: list[int] = []
    for _ in range(8):
        centres = np.concatenate([labelled_points, points[expected]])
        expected.append(int(distances(points, centres).min(axis=1).argmax()))
    assert get_strategy("k-center").pick(context, 8).positions.tolist() == expected


def test_k_center_without_labels_starts_anywhere_and_spreads() -> None:
    truth = np.repeat(np.arange(4), 10)
    latents = 20 * np.eye(4)[truth] + np.random.default_rng(0).normal(size=(40, 4))
    firsts = set()
    for seed in range(20):
        picked = get_strategy("k-center").pick(make_context(latents, seed=seed), 4).positions
        assert sorted(truth[picked].tolist()) == [0, 1, 2, 3]
        firsts.add(int(picked[0]))
    assert len(firsts) > 5


class Recorded:
    """A generator with a given next draw, for comparison with explicit sampling."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


@pytest.mark.parametrize("value", [0.02, 0.31, 0.64, 0.97])
def test_badge_seeds_by_distances_between_whole_gradients(value: float) -> None:
    context = random_context(n=25)
    assert context.model is not None
    assert context.probabilities is not None
    residuals = context.probabilities - np.eye(3, dtype=np.float32)[context.probabilities.argmax(axis=1)]
    hidden = context.model.embed(context.latents[context.candidates])
    gradients = np.einsum("nc,ne->nce", residuals, hidden).reshape(25, -1)  # the matrix that is never formed
    expected = [int(np.square(gradients).sum(axis=1).argmax())]
    for _ in range(5):
        nearest = distances(gradients, gradients[expected]).min(axis=1) ** 2
        expected.append(int((np.cumsum(nearest) <= value * nearest.sum()).sum()))
    assert gradient_seeds(residuals, hidden, 6, Recorded(value)).tolist() == expected  # type: ignore[arg-type]


def test_badge_never_draws_an_item_of_which_the_model_is_certain_while_others_are_left() -> None:
    context = random_context(n=40)
    assert context.probabilities is not None
    context.probabilities[:30] = [1, 0, 0]
    picked = get_strategy("badge").pick(context, 12).positions
    assert set(range(30, 40)) <= set(picked.tolist())


def test_typiclust_evens_out_the_labels_of_the_clusters() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 50)
    latents = 20 * np.eye(4)[truth] + rng.normal(size=(200, 4))
    labelled = (0, 50)
    context = make_context(latents, labelled)
    picked = (
        get_strategy("typiclust").pick(context, 2).positions
    )  # as many clusters as there are: 2 labelled and 2 more
    assert sorted(truth[context.candidates[picked]].tolist()) == [2, 3]


def test_typiclust_leaves_out_the_smallest_clusters() -> None:
    rng = np.random.default_rng(0)
    latents = np.concatenate([rng.normal(size=(60, 2)), 50 + rng.normal(size=(3, 2))])  # three outliers
    assert (get_strategy("coverage").pick(make_context(latents), 2).positions >= 60).sum() == 1
    assert (get_strategy("typiclust").pick(make_context(latents), 2).positions < 60).all()


def test_the_radius_is_the_largest_that_keeps_balls_pure() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(80, 3)).astype(np.float32)
    cluster = kmeans(points, 4, rng)
    between = distances(points, points)

    def purity(radius: float) -> float:
        return np.mean([(cluster[between[i] < radius] == cluster[i]).all() for i in range(80)])

    radius = math.sqrt(pure_radius(points, cluster, 0.9))
    assert purity(radius * 0.999) >= 0.9
    assert purity(radius * 1.001) < 0.9


@pytest.mark.parametrize("n_covered", [0, 6])
def test_probcover_is_the_greedy_loop(n_covered: int) -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(70, 3)).astype(np.float32)
    inside = distances(points, points) < 0.9
    covered = np.zeros(70, dtype=bool)
    covered[:n_covered] = True
    chosen = greedy_cover(points, covered.copy(), 0.81, 6).tolist()
    for pick in chosen:
        gains = (inside & ~covered).sum(axis=1)
        assert gains[pick] == gains.max()
        covered |= inside[pick]


def test_probcover_stops_when_all_points_are_covered() -> None:
    points = np.repeat([[0.0, 0], [9, 9]], 10, axis=0).astype(np.float32)
    assert greedy_cover(points, np.zeros(20, dtype=bool), 1.0, 5).tolist() == [0, 10]


def test_probcover_picks_from_clusters_without_labels() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(10), 20)
    latents = 20 * np.eye(10)[truth] + 0.1 * rng.normal(size=(200, 10))
    context = make_context(latents, (0, 20, 40, 60, 80))
    picked = get_strategy("probcover").pick(context, 5).positions
    assert set(truth[context.candidates[picked]].tolist()) <= {5, 6, 7, 8, 9}


def covered_by_hand(
    points: np.ndarray, labelled_points: np.ndarray, weights: np.ndarray, square: float, k: int
) -> list[int]:
    kernel = np.exp(-(distances(points, points) ** 2) / square)
    covered = np.zeros(len(points))
    if len(labelled_points):
        covered = np.exp(-(distances(points, labelled_points) ** 2) / square).max(axis=1)
    chosen: list[int] = []
    for _ in range(k):
        gains = (np.maximum(kernel - covered, 0) * weights).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, kernel[chosen[-1]])
    return chosen


@pytest.mark.parametrize("seed", range(3))
def test_maxherding_is_the_greedy_loop(seed: int) -> None:
    context = random_context(n=90, seed=seed)
    points, labelled_points = points_of(context)
    mean_square = float((distances(points, points) ** 2).mean())  # over all pairs
    expected = covered_by_hand(points, labelled_points, np.ones(90), mean_square / 2, 10)
    assert get_strategy("maxherding").pick(context, 10).positions.tolist() == expected


def test_lazy_greedy_is_greedy_whatever_the_weights() -> None:
    rng = np.random.default_rng(5)
    points = rng.normal(size=(200, 3)).astype(np.float32)
    weights = rng.random(200).astype(np.float32)
    none = np.full(200, np.inf, dtype=np.float32)
    for square in (0.05, 1.0, 20.0):
        chosen = greedy_coverage(points, np.arange(200), weights, none, square, 25).tolist()
        assert chosen == covered_by_hand(points, points[:0], weights, square, 25)


def test_uherding_weighs_coverage_by_tempered_margins() -> None:
    context = random_context(n=80, labelled=12, seed=2)
    points, labelled_points = points_of(context)
    assert context.probabilities is not None
    between = distances(labelled_points, labelled_points) + np.where(np.eye(12), np.inf, 0)
    accuracy = np.mean(context.labels[between.argmin(axis=1)] == context.labels)
    temperatures = np.linspace(1, 20, 20_000)
    logs = np.log(context.probabilities.astype(np.float64))
    for temperature in temperatures:
        p = np.exp(logs / temperature)
        p /= p.sum(axis=1, keepdims=True)
        if p.max(axis=1).mean() <= accuracy:
            break
    weights = 1 - (np.sort(p)[:, -1] - np.sort(p)[:, -2])
    square = min(float((distances(points, points) ** 2).mean()) / 2, between.min() ** 2)
    expected = covered_by_hand(points, labelled_points, weights, square, 6)
    assert get_strategy("uherding").pick(context, 6).positions.tolist() == expected


def test_the_temperature_brings_confidence_down_to_accuracy_and_never_up() -> None:
    p = np.random.default_rng(0).dirichlet(np.full(4, 0.2), 300).astype(np.float32)
    assert tempered(p, calibrating_temperature(p, 0.5)).max(axis=1).mean() == pytest.approx(0.5, abs=1e-3)
    assert calibrating_temperature(p, 0.99) == 1
    assert calibrating_temperature(np.eye(4, dtype=np.float32), 0.0) == 20


def test_an_item_is_not_its_own_neighbour() -> None:
    labelled_points = np.array([[0, 0], [0, 1], [5, 5], [5, 7], [0, 0.5]], dtype=np.float32)
    smallest, accuracy = neighbour_statistics(labelled_points, np.array([0, 0, 1, 1, 1]))
    assert smallest == pytest.approx(0.25)
    assert accuracy == pytest.approx(2 / 5)  # items 2 and 3 are right; item 4 lies between items 0 and 1


def test_information_density_is_entropy_times_mean_similarity() -> None:
    context = random_context(n=50)
    points, _ = points_of(context)
    assert context.probabilities is not None
    scores = []
    for x, p in zip(points.astype(np.float64), context.probabilities.astype(np.float64), strict=True):
        cosines = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in points.astype(np.float64)]
        scores.append(-(p * np.log(p)).sum() * np.mean([(1 + c) / 2 for c in cosines]))
    picked = get_strategy("information-density").pick(context, 10).positions.tolist()
    assert picked == np.argsort(scores)[::-1][:10].tolist()


def test_weights_move_the_centres_of_kmeans() -> None:
    points = np.array([[0.0], [1], [10], [11]], dtype=np.float32)
    light = np.array([1, 9, 9, 1], dtype=np.float32)
    cluster = kmeans(points, 2, np.random.default_rng(0), weights=light)
    assert cluster[0] == cluster[1] != cluster[2] == cluster[3]
    assert sorted(central_members(points, cluster, light).tolist()) == [1, 2]
    assert sorted(central_members(points, cluster, light[[1, 0, 3, 2]]).tolist()) == [0, 3]


def test_weighted_kmeans_with_equal_weights_is_kmeans() -> None:
    points = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
    means = [
        np.array([points[cluster == c].mean(axis=0) for c in range(4)])
        for cluster in (
            kmeans(points, 4, np.random.default_rng(0), weights=np.full(60, 2, dtype=np.float32)) for _ in range(2)
        )
    ]
    assert np.array_equal(means[0], means[1])
    cluster = distances(points, means[0]).argmin(axis=1)
    assert np.allclose(means[0], [points[cluster == c].mean(axis=0) for c in range(4)], atol=1e-5)


def test_weighted_kmeans_takes_one_item_of_each_cluster_of_small_margins() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 50)
    latents = 20 * np.eye(4)[truth] + rng.normal(size=(200, 4))
    p = np.full((200, 2), 0.5, dtype=np.float32)
    p[:, 0] = np.where(np.arange(200) % 5 == 0, 0.5, 0.99)  # ten uncertain ones in each cluster
    p[:, 1] = 1 - p[:, 0]
    picked = get_strategy("weighted-kmeans").pick(make_context(latents, probabilities=p), 4).positions
    assert (picked % 5 == 0).all()
    assert sorted(truth[picked].tolist()) == [0, 1, 2, 3]


def test_dropquery_picks_items_whose_prediction_flips_first() -> None:
    context = random_context(n=200)
    points, _ = points_of(context)
    assert context.model is not None
    assert context.probabilities is not None
    changed = flips(context.model, points, context.probabilities.argmax(axis=1), np.random.default_rng(0))
    unsure = set(np.flatnonzero(changed >= 2).tolist())  # of three: more than half
    assert 10 < len(unsure) < 190
    picked = get_strategy("dropquery").pick(context, 8).positions.tolist()
    assert set(picked) <= unsure
    everything = get_strategy("dropquery").pick(random_context(n=200), len(unsure)).positions.tolist()
    assert set(everything) == unsure


def test_a_model_that_ignores_dropped_dimensions_never_flips() -> None:
    model = FakeModel(3, sharpness=0.0)
    points = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    assert not flips(model, points, np.zeros(20, dtype=np.int64), np.random.default_rng(0)).any()


@pytest.mark.parametrize(("labelled", "part"), [(8, "typiclust"), (9, "margin")])
def test_tcm_switches_from_typiclust_to_margin_at_three_labels_per_class(labelled: int, part: str) -> None:
    picks = [get_strategy(name).pick(random_context(labelled=labelled), 5).positions.tolist() for name in ("tcm", part)]
    assert picks[0] == picks[1]

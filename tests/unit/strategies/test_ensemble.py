"""Strategies that use the model: BALD, BatchBALD, variation ratio, and random draws by margin."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from tests.helpers.query_contexts import random_context
from tuilabel.strategies import get_strategy
from tuilabel.strategies.batchbald import joint_picks
from tuilabel.strategies.ensemble import mutual_information, variation_ratio
from tuilabel.strategies.stochastic import FLOOR, POWER, SHARPNESS, gumbel_top_k


def members(k: int = 3, n: int = 12, n_classes: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), (k, n)).astype(np.float32)


def h(p: np.ndarray) -> float:
    return -sum(float(x) * math.log(x) for x in np.ravel(p).astype(np.float64) if x > 0)


def information(p: np.ndarray, items: tuple[int, ...]) -> float:
    """Mutual information of the classes of `items` and the member, summed over all configurations of classes."""
    joint = []
    for classes in itertools.product(range(p.shape[2]), repeat=len(items)):
        each = [math.prod(float(member[i, c]) for i, c in zip(items, classes, strict=True)) for member in p]
        joint.append(sum(each) / len(p))
    return h(np.array(joint)) - sum(h(member[i]) for member in p for i in items) / len(p)


def test_bald_is_the_entropy_that_the_members_do_not_explain() -> None:
    p = members()
    expected = [h(p[:, i].mean(axis=0)) - sum(h(member[i]) for member in p) / 3 for i in range(12)]
    assert np.allclose(mutual_information(p), expected, atol=1e-5)
    context = random_context()
    assert context.model is not None
    scores = mutual_information(context.model.member_probabilities(context.latents[context.candidates]))
    picked = get_strategy("bald").pick(context, 7).positions
    assert np.allclose(scores[picked], np.sort(scores)[::-1][:7])


def test_members_that_agree_have_no_mutual_information() -> None:
    assert np.allclose(mutual_information(np.repeat(members(k=1), 4, axis=0)), 0, atol=1e-6)


def test_variation_ratio_counts_the_votes_of_the_minority() -> None:
    p = members(k=5, n=40)
    expected = [1 - Counter(member[i].argmax() for member in p).most_common(1)[0][1] / 5 for i in range(40)]
    assert np.allclose(variation_ratio(p), expected)
    context = random_context(members=5)
    assert context.model is not None
    scores = variation_ratio(context.model.member_probabilities(context.latents[context.candidates]))
    picked = get_strategy("variation-ratio").pick(context, 7).positions
    assert np.allclose(scores[picked], np.sort(scores)[::-1][:7])


@pytest.mark.parametrize("seed", range(5))
def test_batchbald_picks_greedily_by_the_joint_information(seed: int) -> None:
    p = members(seed=seed, n=8)
    expected: tuple[int, ...] = ()
    for _ in range(3):
        expected += (max(set(range(8)) - set(expected), key=lambda i: information(p, (*expected, i))),)
    assert tuple(joint_picks(p, 3, np.random.default_rng(0)).tolist()) == expected


def test_batchbald_with_sampled_configurations_is_close_to_the_exact_one() -> None:
    p = members(seed=3, n=8, k=4)
    exact = joint_picks(p, 4, np.random.default_rng(0))
    drawn = joint_picks(p, 4, np.random.default_rng(0), configurations=60)
    assert drawn[0] == exact[0]
    best = information(p, tuple(exact.tolist()))
    assert information(p, tuple(drawn.tolist())) > 0.95 * best


def test_batchbald_avoids_duplicates_that_bald_picks() -> None:
    p = np.empty((4, 12, 2), dtype=np.float32)
    p[:, :10, 0] = [[0.99], [0.99], [0.01], [0.01]]  # ten copies of an item, and two slightly less informative ones
    p[:, 10:, 0] = [[0.97], [0.03], [0.97], [0.03]]
    p[:, :, 1] = 1 - p[:, :, 0]
    assert (np.argsort(-mutual_information(p))[:3] < 10).all()
    picked = joint_picks(p, 2, np.random.default_rng(0))
    assert picked[0] < 10 <= picked[1]


@pytest.mark.parametrize("k", [1, 4, 9])
def test_each_draw_is_in_proportion_to_the_weights_of_those_left(k: int) -> None:
    weights = np.random.default_rng(1).random(9)
    selection = gumbel_top_k(np.log(weights), k, np.random.default_rng(2))
    assert selection.query_probability is not None
    left = weights.sum()
    for position, probability in zip(selection.positions, selection.query_probability, strict=True):
        assert probability == pytest.approx(weights[position] / left)
        left -= weights[position]


def test_draws_have_the_reported_frequency() -> None:
    weights = np.array([0.5, 0.3, 0.15, 0.05])
    rng = np.random.default_rng(0)
    pairs = Counter(tuple(gumbel_top_k(np.log(weights), 2, rng).positions.tolist()) for _ in range(4000))
    for (a, b), times in pairs.items():
        expected = weights[a] * weights[b] / (1 - weights[a])
        assert abs(times / 4000 - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)


@pytest.mark.parametrize(
    ("name", "weight"),
    [("power-margin", lambda s: s**POWER), ("stochastic-margin", lambda s: math.exp(SHARPNESS * s))],
)
def test_margins_are_drawn_with_the_reported_probability(name: str, weight: object) -> None:
    context = random_context(n=30)
    assert context.probabilities is not None
    weights = []
    for row in context.probabilities.tolist():
        second, first = sorted(row)[-2:]
        weights.append(weight(max(1 - (first - second), FLOOR)))  # type: ignore[operator]
    selection = get_strategy(name).pick(context, 30)
    assert selection.query_probability is not None
    left = set(range(30))
    for position, probability in zip(selection.positions.tolist(), selection.query_probability, strict=True):
        assert probability == pytest.approx(weights[position] / sum(weights[i] for i in left), rel=1e-4)
        left.remove(position)


def test_lure_weights_make_the_mean_of_a_biased_draw_right() -> None:
    """Farquhar, Gal & Rainforth 2021, equation 10: given the probabilities of the draws, the mean is unbiased."""
    rng, n, m = np.random.default_rng(0), 20, 6
    loss, weights = rng.random(n), rng.random(n) + 0.05
    estimates = []
    for _ in range(3000):
        selection = gumbel_top_k(np.log(weights), m, rng)
        assert selection.query_probability is not None
        q, i = selection.query_probability, np.arange(1, m + 1)
        v = 1 + (n - m) / (n - i) * (1 / ((n - i + 1) * q) - 1)
        estimates.append((v * loss[selection.positions]).mean())
    assert abs(np.mean(estimates) - loss.mean()) < 4 * np.std(estimates) / math.sqrt(3000)

"""Accuracy on the pool, estimated from picked items and from calibrated confidence."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuilabel.estimate import (
    apply_temperature,
    effective_sample_size,
    expected_calibration_error,
    fit_temperature,
    lure_accuracy,
    lure_weights,
    mean_confidence,
)

# -- levelled unbiased risk -----------------------------------------------------------------------------------------


def draw(scores: np.ndarray, n_drawn: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Items drawn one by one in proportion to their scores, and each draw's probability among those left."""
    drawn = np.argsort(-(np.log(scores) + rng.gumbel(size=len(scores))))[:n_drawn]
    taken = np.concatenate([[0], scores[drawn].cumsum()[:-1]])
    return drawn, scores[drawn] / (scores.sum() - taken)


def test_uniform_draws_have_weight_1() -> None:
    q = 1 / (10 - np.arange(4))
    np.testing.assert_allclose(lure_weights(q, 10), 1)
    np.testing.assert_allclose(lure_weights([0.9, 0.2, 1.0], 3), 1)  # all drawn: the plain mean


def test_weights_match_the_papers_formula() -> None:
    # N = 5, M = 2: v_1 = 1 + 3/4 (1/(5·0.4) - 1), v_2 = 1 + 3/3 (1/(4·0.1) - 1)
    np.testing.assert_allclose(lure_weights([0.4, 0.1], 5), [1 - 3 / 8, 2.5])


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=30), st.integers(0, 50))
def test_weights_are_never_negative(q: list[float], more: int) -> None:
    weights = lure_weights(q, len(q) + more)
    assert (weights >= 0).all()
    assert 1 <= effective_sample_size(weights) <= len(q) + 1e-9


def test_the_risk_is_unbiased_over_all_orders_of_drawing() -> None:
    losses = np.array([0.0, 1.0, 0.3, 2.0, 0.0])
    scores = np.array([1.0, 5.0, 2.0, 4.0, 0.5])
    expected = weight = 0.0
    for order in permutations(range(5), 3):
        drawn = list(order)
        taken = np.concatenate([[0], scores[drawn].cumsum()[:-1]])
        q = scores[drawn] / (scores.sum() - taken)
        expected += q.prod() * (lure_weights(q, 5) * losses[drawn]).mean()
        weight += q.prod() * lure_weights(q, 5).mean()
    assert expected == pytest.approx(losses.mean())
    assert weight == pytest.approx(1)


def test_picked_items_are_biased_and_weights_correct_that() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(400)
    right = rng.random(400) > 0.4 * hard**2
    plain, estimates, covered = [], [], 0
    for _ in range(400):
        drawn, q = draw((0.1 + hard) ** 2, 60, rng)
        estimate = lure_accuracy(right[drawn], q, 400)
        plain.append(right[drawn].mean())
        estimates.append(estimate.value)
        covered += estimate.low <= right.mean() <= estimate.high
    assert np.mean(plain) < right.mean() - 0.05
    assert np.mean(estimates) == pytest.approx(right.mean(), abs=0.01)
    assert covered / 400 >= 0.95


def test_no_error_among_a_few_items_is_not_certainty() -> None:
    estimate = lure_accuracy([True] * 10, 1 / (100 - np.arange(10)), 100)
    assert (estimate.value, estimate.high, estimate.n) == (1, 1, 10)
    assert estimate.low == pytest.approx(0.025 ** (1 / 10))  # Clopper and Pearson's for 10 of 10


def test_a_model_of_all_labels_may_be_better_than_models_of_four_fifths() -> None:
    right, q = [True, False, True, True, True] * 6, 1 / (100 - np.arange(30))
    held_out, whole = lure_accuracy(right, q, 100), lure_accuracy(right, q, 100, training_share=0.8)
    assert (whole.value, whole.low) == (held_out.value, held_out.low)
    assert whole.high == pytest.approx(1 - 0.8 * (1 - held_out.high))


def test_lure_refuses_what_it_cannot_weigh() -> None:
    for q in ([], [0.0], [1.1], [np.nan]):
        with pytest.raises(ValueError, match="query_probability"):
            lure_weights(q, 10)
    with pytest.raises(ValueError, match="pool of 1"):
        lure_weights([0.5, 0.5], 1)
    with pytest.raises(ValueError, match="lengths"):
        lure_accuracy([True], [0.5, 0.5], 10)
    with pytest.raises(ValueError, match="true and false"):
        lure_accuracy([0.5], [0.5], 10)


# -- confidence -----------------------------------------------------------------------------------------------------


def calibrated(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (n, 5) and classes drawn from them."""
    scores = rng.normal(0, 2, (n, 5))
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return log_p, (rng.random((n, 1)) > np.exp(log_p).cumsum(axis=1)).sum(axis=1).clip(max=4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_recovered(temperature: float) -> None:
    log_p, targets = calibrated(4000, np.random.default_rng(0))
    assert fit_temperature(temperature * log_p, targets) == pytest.approx(temperature, rel=0.05)


def test_few_items_move_the_temperature_little() -> None:
    log_p = np.log([[0.6, 0.4]])
    assert 0.7 < fit_temperature(log_p, [0]) < 1
    assert 1 < fit_temperature(log_p, [1]) < 1.5
    assert fit_temperature(log_p, [0], prior_sd=np.inf) < 0.1


def test_calibration_makes_confidence_an_estimate_of_accuracy() -> None:
    rng = np.random.default_rng(0)
    log_p, targets = calibrated(3000, rng)
    sharp = apply_temperature(np.exp(log_p), 0.4)
    true = (sharp.argmax(axis=1) == targets).mean()
    temperature = fit_temperature(np.log(sharp[:500]), targets[:500])
    assert mean_confidence(sharp) > true + 0.05
    assert mean_confidence(sharp, temperature) == pytest.approx(true, abs=0.03)
    cooled = apply_temperature(sharp, temperature)
    assert expected_calibration_error(cooled, targets) < expected_calibration_error(sharp, targets) / 2


@given(st.floats(0.05, 20))
def test_a_temperature_keeps_the_order_of_the_classes(temperature: float) -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.0, 0.4, 0.6]], dtype=np.float32)
    out = apply_temperature(p, temperature)
    np.testing.assert_allclose(out.sum(axis=1), 1)
    assert (np.diff(np.take_along_axis(out, p.argsort(axis=1), axis=1)) >= 0).all()
    np.testing.assert_allclose(apply_temperature(p, 1.0), p, atol=1e-7)


def test_a_certain_mistake_has_a_finite_cost() -> None:
    with np.errstate(divide="ignore"):
        log_p = np.log([[1.0, 0.0]] * 20)
    assert np.isfinite(fit_temperature(log_p, [0] * 19 + [1]))


def test_confidence_refuses_what_is_not_a_probability() -> None:
    for scores in (np.empty((0, 2)), [[np.nan, 0.0]], [[np.inf, 0.0]], [[-np.inf, -np.inf]], [0.0]):
        with pytest.raises(ValueError, match="log_probabilities"):
            fit_temperature(scores, [0])
    with pytest.raises(ValueError, match="lengths"):
        fit_temperature([[0.0, 0.0]], [0, 1])
    with pytest.raises(ValueError, match="prior"):
        fit_temperature([[0.0, 0.0]], [0], prior_sd=0)
    for temperature in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="temperature"):
            apply_temperature([[0.5, 0.5]], temperature)
    with pytest.raises(ValueError, match="probabilities"):
        mean_confidence(np.empty((0, 3)))

"""Learning curves, advice to stop, and paired comparisons."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuilabel.estimate import (
    LearningCurve,
    StabilisingPredictions,
    area_under_learning_curve,
    cohen_kappa,
    compare_paired,
    fit_learning_curve,
    labels_to_target,
    stopping_advice,
    wilcoxon_p,
)

LABELS = np.arange(20, 401, 20)

# -- the power law --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "c"), [(0.5, 0.6, 0.01), (0.9, 1.2, 0.0), (0.3, 0.3, 0.05)])
def test_a_power_law_is_recovered(a: float, b: float, c: float) -> None:
    curve = fit_learning_curve(LABELS, 1 - a * LABELS**-b - c)
    assert curve is not None
    assert (curve.a, curve.b, curve.c, curve.last) == pytest.approx((a, b, c, 400), rel=1e-3, abs=1e-4)
    assert curve.predict(1000) == pytest.approx(1 - a * 1000**-b - c, abs=1e-5)
    assert curve.gain(100) == pytest.approx(a * 400**-b - a * 500**-b, abs=1e-5)


def test_the_gains_interval_covers_the_gain_of_a_noisy_curve() -> None:
    rng = np.random.default_rng(0)
    truth = 1 - LABELS**-0.8 - 0.02
    gain = 400**-0.8 - 500**-0.8
    covered, gains = 0, []
    for seed in range(200):
        curve = fit_learning_curve(LABELS, truth + rng.normal(0, 0.003, len(LABELS)), seed=seed)
        assert curve is not None
        low, high = curve.gain_interval(100)
        covered += low <= gain <= high
        gains.append(curve.gain(100))
    assert 0.88 <= covered / 200 <= 1
    assert np.mean(gains) == pytest.approx(gain, rel=0.2)


@pytest.mark.parametrize(
    "accuracies", [np.full(20, 0.97), np.full(20, 1.0), np.zeros(20), np.linspace(0.98, 0.9, 20)], ids=str
)
def test_a_flat_or_falling_curve_predicts_no_gain(accuracies: np.ndarray) -> None:
    curve = fit_learning_curve(LABELS, accuracies)
    assert curve is not None
    assert curve.gain(100) == pytest.approx(0, abs=1e-9)
    low, high = curve.gain_interval(100)
    assert 0 <= low <= high < 0.01


def test_noise_on_a_plateau_is_no_gain() -> None:
    curve = fit_learning_curve(LABELS, 0.97 + np.random.default_rng(0).normal(0, 0.003, 20))
    assert curve is not None
    assert curve.gain(100) < 0.002


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 1)), min_size=4, max_size=12, unique_by=lambda p: p[0]),
    st.integers(0, 10_000),
)
def test_any_points_give_accuracies_and_gains_in_range(points: list[tuple[int, float]], extra: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        n_labels, accuracy = zip(*points, strict=True)
        curve = fit_learning_curve(n_labels, accuracy)
    assert curve is not None
    assert min(curve.a, curve.b, curve.c) >= 0
    assert 0 <= curve.predict(1) <= curve.predict(curve.last + extra) <= 1
    low, high = curve.gain_interval(extra)
    assert 0 <= low <= high <= 1
    assert curve.gain(extra) >= 0


def test_too_few_points_give_no_curve() -> None:
    assert fit_learning_curve([], []) is None
    assert fit_learning_curve([20, 40, 60], [0.9, 0.91, 0.92]) is None
    assert fit_learning_curve([20, 20, 40, 60], [0.9, 0.92, 0.93, 0.94]) is None


def test_weights_say_which_points_matter() -> None:
    accuracies = np.concatenate([np.full(10, 0.8), np.full(10, 0.9)])
    late = fit_learning_curve(LABELS, accuracies, weights=np.where(LABELS > 200, 1e6, 1))
    assert late is not None
    assert late.predict(300) == pytest.approx(0.9, abs=1e-3)


def test_a_curve_refuses_bad_points() -> None:
    n, y = [20, 40, 60, 80], [0.9, 0.91, 0.92, 0.93]
    for bad in ((n, [*y[:3], np.nan]), (n, [*y[:3], 1.2]), ([0, 1, 2, 3], y), (n, y[:3]), (n, y, [1, 1, 0, 1])):
        with pytest.raises(ValueError, match=r"accuracy|n_labels|lengths|weights"):
            fit_learning_curve(*bad)
    curve = fit_learning_curve(n, y)
    assert curve is not None
    with pytest.raises(ValueError, match="at least 1, got 0"):
        curve.predict(0)


# -- summaries of a curve -------------------------------------------------------------------------------------------


def test_labels_to_target_are_interpolated() -> None:
    n, y = [20, 40, 60, 80, 100], [0.90, 0.94, 0.92, 0.96, 0.98]
    assert labels_to_target(n, y, 0.93) == pytest.approx(35)
    assert labels_to_target(n, y, 0.93, stays=True) == pytest.approx(65)
    assert labels_to_target(n, y, 0.98, stays=True) == pytest.approx(100)
    assert labels_to_target(n, y, 0.5) == 20
    assert labels_to_target(n, y, 0.99) is None
    assert labels_to_target([20, 40], [0.9, 0.8], 0.85, stays=True) is None


def test_the_area_is_the_mean_accuracy_over_the_range() -> None:
    assert area_under_learning_curve([20, 40, 100], [0.8, 0.9, 0.9]) == pytest.approx((20 * 0.85 + 60 * 0.9) / 80)
    for bad in (([20], [0.9]), ([], []), ([40, 20], [0.8, 0.9]), ([20, 40], [0.8, np.nan])):
        with pytest.raises(ValueError, match=r"points|values|increasing"):
            area_under_learning_curve(*bad)


# -- stopping -------------------------------------------------------------------------------------------------------


def test_kappa_by_hand() -> None:
    # 6 of 10 agree; by chance (5·7 + 5·3) / 100 = ½ of them would.
    assert cohen_kappa([0] * 5 + [1] * 5, [0] * 4 + [1] + [0] * 3 + [1] * 2) == pytest.approx((0.6 - 0.5) / (1 - 0.5))
    assert cohen_kappa([0, 1, 2], [0, 1, 2]) == 1
    assert cohen_kappa([1, 1], [1, 1]) == 1
    assert cohen_kappa([0, 1], [1, 0]) == -1
    assert cohen_kappa([0, 0], [1, 1]) == 0
    with pytest.raises(ValueError, match="at least one"):
        cohen_kappa([], [])


def test_predictions_have_settled_after_three_agreeing_pairs() -> None:
    rng = np.random.default_rng(0)
    stop_set = rng.integers(0, 10, 2000)
    watch = StabilisingPredictions()
    assert watch.add(rng.integers(0, 10, 2000)) is None
    assert watch.add(stop_set) == pytest.approx(0, abs=0.05)
    for _ in range(2):
        watch.add(stop_set)
        assert not watch.settled
    watch.add(stop_set)
    assert watch.settled
    assert watch.agreement == 1
    changed = stop_set.copy()
    changed[:100] = (changed[:100] + 1) % 10  # one pair at about 0.945 brings the mean of three below 0.99
    watch.add(changed)
    assert watch.agreement == pytest.approx(0.981, abs=0.002)
    assert not watch.settled
    with pytest.raises(ValueError, match="lengths"):
        watch.add(stop_set[:5])
    with pytest.raises(ValueError, match="models must be at least 1"):
        StabilisingPredictions(models=0)


def curve_with_gain(points: float) -> LearningCurve:
    """A curve that the next 100 labels would raise by `points` percentage points."""
    a, n = points / 100 / (100**-1.0 - 200**-1.0), np.arange(20.0, 101.0, 20.0)
    return LearningCurve(a, 1.0, 0.0, 100, np.stack([n, a / n, n / n.sum()]))


def watch_after(n_models: int, *, same: bool) -> StabilisingPredictions:
    watch = StabilisingPredictions()
    for k in range(n_models):
        watch.add(np.arange(100) % 5 if same else (np.arange(100) + (np.arange(100) < 20) * k) % 5)
    return watch


def test_the_advice_gives_its_reason() -> None:
    settled, early, moving = watch_after(4, same=True), watch_after(2, same=True), watch_after(4, same=False)
    stop = stopping_advice(settled, curve_with_gain(0.2))
    assert stop.stop
    assert stop.reason == (
        "predictions have settled; the next 100 labels should bring next to nothing, at most +0.2 points"
    )
    assert stop.gain == pytest.approx(0.002)
    on = stopping_advice(settled, curve_with_gain(1.2))
    assert not on.stop
    assert on.reason == "predictions have settled, but the next 100 labels should bring +1 points (+1 to +1)"
    assert stopping_advice(settled, None).stop
    assert stopping_advice(settled, None).reason == "predictions have settled"
    change = stopping_advice(moving, curve_with_gain(0.1))
    assert not change.stop
    assert change.reason.startswith("predictions still change (agreement 0.7")
    first = stopping_advice(early, None)
    assert not first.stop
    assert first.reason == "too early to say: 1 of 3 comparisons of successive models"
    assert first.agreement is None


# -- pairs ----------------------------------------------------------------------------------------------------------


def test_a_comparison_matches_scipys() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0.9, 0.02, 12)
    second = first + rng.normal(0.01, 0.01, 12)
    result = compare_paired(first, second)
    expected = stats.ttest_rel(second, first)
    interval = expected.confidence_interval(0.95)
    assert (result.n, result.mean) == (12, pytest.approx((second - first).mean()))
    assert result.standard_error == pytest.approx((second - first).std(ddof=1) / np.sqrt(12))
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.p_t == pytest.approx(expected.pvalue)
    assert result.p_wilcoxon == pytest.approx(stats.wilcoxon(second, first).pvalue)


def test_degenerate_comparisons_give_a_result() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = compare_paired([0.9], [0.92])
        none = compare_paired([0.9, 0.8, 0.7], [0.9, 0.8, 0.7])
        constant = compare_paired([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.91, 0.81, 0.71, 0.61, 0.51, 0.41])
    assert one.mean == pytest.approx(0.02)
    assert (one.standard_error, one.low, one.high, one.p_t, one.p_wilcoxon) == (None, None, None, 1, 1)
    assert (none.mean, none.standard_error, none.p_t, none.p_wilcoxon) == (0, 0, 1, 1)
    assert (constant.mean, constant.standard_error, constant.p_t) == (pytest.approx(0.01), 0, 0)
    assert constant.p_wilcoxon == pytest.approx(2 / 2**6)
    for bad in (([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0])):
        with pytest.raises(ValueError, match=r"first|lengths"):
            compare_paired(*bad)


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=9))
def test_the_signed_rank_test_counts_every_sign(differences: list[int]) -> None:
    d = np.array([x for x in differences if x])
    if not len(d):
        assert wilcoxon_p(differences) == 1
        return
    ranks = stats.rankdata(np.abs(d))
    signs = (np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1
    sums = signs @ ranks
    least = min(ranks[d > 0].sum(), ranks[d < 0].sum())
    assert wilcoxon_p(differences) == pytest.approx(min(1, 2 * (sums <= least).mean()))


def test_many_pairs_use_the_normal_approximation() -> None:
    d = np.random.default_rng(0).normal(0.1, 1, 101)
    assert wilcoxon_p(d) == pytest.approx(stats.wilcoxon(d).pvalue)
    assert wilcoxon_p(d[:100]) == pytest.approx(stats.wilcoxon(d[:100], method="exact").pvalue)

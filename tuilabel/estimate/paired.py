"""Two methods compared on the same seeds: paired differences with interval and tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.estimate.checks import finite_vector, same_length

EXACT_UP_TO = 100  # pairs; for more, the normal approximation is as good
DECIMALS = 12  # 0.93 - 0.92 and 0.92 - 0.91 must tie in rank although their binary fractions differ


@dataclass(frozen=True)
class PairedComparison:
    """The differences second - first of `n` pairs."""

    n: int
    mean: float
    standard_error: float | None
    """None for a single pair, like `low` and `high`."""
    low: float | None
    """Lower end of Student's 95 % interval of the mean."""
    high: float | None
    p_t: float
    """Two-sided, of the paired t-test; 1 for a single pair, and if all differences are 0."""
    p_wilcoxon: float
    """Two-sided, of the signed-rank test, zeros left out; 1 if none is left."""


def compare_paired(first: ArrayLike, second: ArrayLike) -> PairedComparison:
    """Compare `second` with `first`, pair by pair.

    Parameters
    ----------
    first, second : float (n,), results under the same conditions, such as accuracies by seed.

    Raises
    ------
    ValueError : if they are empty, not finite or of different lengths.
    """
    from scipy import stats

    a, b = finite_vector(first, "first"), finite_vector(second, "second")
    same_length(first=a, second=b)
    differences = np.round(b - a, DECIMALS)
    n, mean = len(differences), float(differences.mean())
    p_wilcoxon = wilcoxon_p(differences)
    if n == 1:
        return PairedComparison(n, mean, None, None, None, 1.0, p_wilcoxon)
    if np.ptp(differences) == 0:  # rounding in the mean would leave a standard error of 1e-18
        return PairedComparison(n, mean, 0.0, mean, mean, 1.0 if mean == 0 else 0.0, p_wilcoxon)
    error = float(differences.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf(0.975, n - 1)) * error
    p_t = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return PairedComparison(n, mean, error, mean - half, mean + half, p_t, p_wilcoxon)


def wilcoxon_p(differences: ArrayLike) -> float:
    """The two-sided p of Wilcoxon's signed-rank test (Wilcoxon 1945), zeros left out and ties given mean ranks.

    Exact up to 100 differences even with ties, for which scipy uses the normal approximation; scipy's for more.

    Raises
    ------
    ValueError : if they are empty or not finite.
    """
    from scipy import stats

    d = finite_vector(differences, "differences")
    d = d[d != 0]
    if not len(d):
        return 1.0
    if len(d) > EXACT_UP_TO:
        return float(stats.wilcoxon(d).pvalue)
    doubled = np.rint(2 * stats.rankdata(np.abs(d))).astype(np.int64)  # mean ranks are halves at worst
    statistic = int(min(doubled[d > 0].sum(), doubled[d < 0].sum()))
    return min(1.0, 2 * float(_rank_sum_distribution(doubled)[: statistic + 1].sum()))


def _rank_sum_distribution(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability of each sum 0…Σ of the ranks if each is included with probability 1/2."""
    probability = np.zeros(int(ranks.sum()) + 1)
    probability[0] = 1.0
    for rank in ranks:
        with_it = np.zeros_like(probability)
        with_it[rank:] = probability[:-rank]
        probability = (probability + with_it) / 2
    return probability

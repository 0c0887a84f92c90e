"""95 % intervals of a proportion, weighted or not.

Without scipy: the screen shows them, and loading scipy would add half a second to its start.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from tuilabel.estimate.checks import finite_vector

Z95 = 1.959964
TINY = 1e-9  # a weighted count below this is treated as 0


def wilson_interval(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval (low, high) of a proportion, both in 0…1 (Wilson 1927; Brown, Cai & DasGupta 2001).

    Raises
    ------
    ValueError : if n is below 1, or successes is not within 0 and n.
    """
    _check_proportion(successes, n)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@lru_cache(maxsize=256)  # the screen needs it after every key; the result changes only with an audit item
def korn_graubard_interval(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval for counts that need not be whole (Korn & Graubard 1998).

    With `n` an effective sample size and `successes` the weighted share times `n`, it is the interval that survey
    statisticians use for a weighted proportion. It suits shares near 0 or 1, where Wilson's covers too seldom.

    Returns
    -------
    (low, high), both in 0…1.

    Raises
    ------
    ValueError : if n is below 1, or successes is not within 0 and n.
    """
    _check_proportion(successes, n)
    failures = n - successes
    tail = (1 - level) / 2
    low = _beta_quantile(successes, failures + 1, tail) if successes > TINY else 0.0
    high = 1 - _beta_quantile(failures, successes + 1, tail) if failures > TINY else 1.0
    return low, high


def effective_sample_size(weights: ArrayLike) -> float:
    """(Σw)² / Σw²: how many items of equal weight carry as much information (Kish 1965).

    Raises
    ------
    ValueError : if the weights are empty, negative, not finite or all 0.
    """
    w = finite_vector(weights, "weights")
    if w.min() < 0 or w.max() == 0:
        raise ValueError("weights must not be negative, nor all 0")
    w = w / w.max()
    return max(1.0, float(np.sum(w) ** 2 / np.sum(w**2)))  # rounding must not make it less than one item


def _check_proportion(successes: float, n: float) -> None:
    if not (n >= 1 and 0 <= successes <= n):  # written so that NaN is refused too
        raise ValueError(f"{successes} of {n} is not a proportion: n must be at least 1, and successes 0 to n")


def _beta_quantile(a: float, b: float, share: float) -> float:
    """The x with I_x(a, b) = share, by bisection, which converges for every a and b > 0."""
    low, high = 0.0, 1.0
    while high - low > 1e-10 * high and high > 1e-15:
        middle = (low + high) / 2
        if _incomplete_beta(a, b, middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), the distribution function of Beta(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast only on the other side
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    fraction = 1.0
    for m in range(12 + int(2 * math.sqrt(max(a, b))), 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * (m - 1)) * (a + 2 * m - 1))
        fraction = 1 + odd / (1 + even / fraction)
    return math.exp(log_front) / (a * fraction)

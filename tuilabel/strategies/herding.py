"""Herding: greedily pick the items that cover the pool under a kernel, with or without weights for uncertainty.

MaxHerding (Bae, Noh & Sutherland 2024, https://arxiv.org/abs/2407.12212) maximises the mean over the pool of the
largest kernel value to a labelled item. UHerding (Bae, Oliveira & Sutherland 2025, https://arxiv.org/abs/2412.20644)
weighs each item by the model's uncertainty about it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import blocks, nearest_distances, squared_distances
from tuilabel.strategies.support import bounded, labelled_latents, latents_at, probabilities_of, sample
from tuilabel.strategies.uncertainty import margin

CANDIDATES = 10_000  # sampled candidates that may be picked
TARGETS = 4_000  # of these, the ones on which coverage is measured
LAZY = 64  # candidates whose gain is recomputed at once
LABELLED = 5_000  # labelled items that radius and temperature are computed from
MAX_TEMPERATURE = 20.0


def greedy_coverage(
    points: NDArray[np.float32],
    targets: NDArray[np.int64],
    weights: NDArray[np.float32],
    nearest: NDArray[np.float32],
    squared_radius: float,
    k: int,
) -> NDArray[np.int64]:
    """Pick k times the point that adds most to Σ_t weight_t · max over chosen s of exp(-|t - s|²/σ²), (k,).

    Gains only shrink as more points are chosen (submodularity), so only those are recomputed that may still be the
    largest: lazy greedy (Minoux 1978), with the same result as the full greedy algorithm.

    Parameters
    ----------
    points : float32 (n, D), n ≥ k.
    targets : int64 (t,), the points on which coverage is measured.
    weights : float32 (t,).
    nearest : float32 (t,), squared distance of each to the nearest labelled item; infinite without labels.
    squared_radius : σ², above 0.
    """
    target_points, squares = points[targets], np.einsum("nd,nd->n", points, points)
    covered = np.exp(-nearest / np.float32(squared_radius))

    def kernel(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        distances = squared_distances(points[rows], target_points, squares[rows])
        np.maximum(distances, 0, out=distances)
        distances *= np.float32(-1 / squared_radius)
        return np.asarray(np.exp(distances, out=distances))

    def gains(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        more = kernel(rows)
        more -= covered
        np.maximum(more, 0, out=more)
        return np.asarray(more @ weights)

    everything = np.arange(len(points))
    bounds = np.concatenate([gains(everything[rows]) for rows in blocks(len(points), 256)])
    chosen = np.empty(k, dtype=np.int64)
    fresh = np.ones(len(points), dtype=bool)
    for i in range(k):
        while not fresh[best := int(bounds.argmax())]:
            stale = np.where(fresh, -np.inf, bounds)
            rows = np.argpartition(stale, -min(LAZY, len(stale)))[-min(LAZY, len(stale)) :]
            rows = rows[~fresh[rows]]
            bounds[rows] = np.where(np.isneginf(bounds[rows]), -np.inf, gains(rows))
            fresh[rows] = True
        chosen[i] = best
        np.maximum(covered, kernel(chosen[i : i + 1])[0], out=covered)
        bounds[best] = -np.inf
        fresh[:] = False
    return chosen


def calibrating_temperature(probabilities: NDArray[np.float32], accuracy: float) -> float:
    """The temperature in 1…MAX_TEMPERATURE at which the mean confidence of (n, C) is at most `accuracy`."""
    low, high = 1.0, MAX_TEMPERATURE
    if tempered(probabilities, low).max(axis=1).mean() <= accuracy:
        return low
    for _ in range(20):
        middle = (low + high) / 2
        above = tempered(probabilities, middle).max(axis=1).mean() > accuracy
        low, high = (middle, high) if above else (low, middle)
    return high


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities (n, C) with their logarithms divided by `temperature`, renormalised."""
    if temperature == 1:
        return probabilities
    powers = np.maximum(probabilities, np.finfo(np.float32).tiny) ** np.float32(1 / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def neighbour_statistics(labelled: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Smallest squared distance above 0 between two of (m, D), and the share whose nearest other has the same label.

    The latter is the leave-one-out accuracy of the 1-nearest-neighbour classifier.
    """
    smallest, right = np.inf, 0
    for rows in blocks(len(labelled), 1024):
        distances = np.maximum(squared_distances(labelled[rows], labelled), 0)
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        right += int((labels[distances.argmin(axis=1)] == labels[rows]).sum())
        smallest = min(smallest, float(distances.min(where=distances > 0, initial=np.inf)))
    return smallest, right / len(labelled)


def _select(context: QueryContext, k: int, *, by_uncertainty: bool) -> Selection:
    """Pick for MaxHerding or, `by_uncertainty`, for UHerding.

    The papers scale features to length 1 and use radius 1, which is half of the mean squared distance between two
    items. Latents are not scaled, so the same quantity is computed here: the sum of the variances of the dimensions.
    """
    rng = context.rng
    sampled = sample(context, k, CANDIDATES)
    targets = np.arange(len(sampled))
    if len(sampled) > TARGETS:
        targets = np.sort(rng.choice(len(sampled), TARGETS, replace=False))
    points, labelled = latents_at(context, sampled), labelled_latents(context)
    centre = points.mean(axis=0)  # squared distances lose least to rounding near the origin
    points, labelled = points - centre, labelled - centre
    squared_radius = float(points.var(axis=0).sum()) or 1.0
    weights = np.ones(len(targets), dtype=np.float32)
    nearest = nearest_distances(points[targets], labelled)
    if by_uncertainty:
        squared_radius, weights = _adapt(context, sampled[targets], labelled, squared_radius)
    return Selection(sampled[greedy_coverage(points, targets, weights, nearest, squared_radius, k)])


def _adapt(
    context: QueryContext, positions: NDArray[np.int64], labelled: NDArray[np.float32], squared_radius: float
) -> tuple[float, NDArray[np.float32]]:
    """UHerding's radius and weights: they move from coverage with few labels to uncertainty with many.

    The radius falls to the smallest distance between two labelled items. The temperature makes a weak model unsure
    about everything. The paper fits it on held-out labels with a second training; here it matches the leave-one-out
    accuracy of nearest neighbours among the labels, so the model is trained only once.
    """
    probabilities = probabilities_of(context)[positions]
    n = len(context.labels)
    if n >= 2 and n == len(labelled):
        some = context.rng.choice(n, LABELLED, replace=False) if n > LABELLED else np.arange(n)
        smallest, accuracy = neighbour_statistics(labelled[some], context.labels[some])
        floor = 1e-4 * squared_radius  # smaller distances are rounding errors
        squared_radius = max(floor, min(squared_radius, smallest))
        probabilities = tempered(probabilities, calibrating_temperature(probabilities, accuracy))
    weights = np.asarray(1 + margin(probabilities), dtype=np.float32)
    return squared_radius, weights if weights.any() else np.ones_like(weights)


@bounded
def _maxherding(context: QueryContext, k: int) -> Selection:
    return _select(context, k, by_uncertainty=False)


@bounded
def _uherding(context: QueryContext, k: int) -> Selection:
    return _select(context, k, by_uncertainty=True)


MAXHERDING = register(
    Strategy(
        name="maxherding",
        summary="items that bring the whole pool close to a label",
        when="few labels, small batches",
        paper="Bae et al. 2024",
        cost="O(labels·D)",
        needs_model=False,
        pick=_maxherding,
        sees=f"{CANDIDATES:,} at random",
    )
)
UHERDING = register(
    Strategy(
        name="uherding",
        summary="coverage weighted by uncertainty, adapting to the labels",
        when="from the first label to the last",
        paper="Bae et al. 2025",
        cost="O(labels·D)",
        needs_model=True,
        pick=_uherding,
        sees=f"{CANDIDATES:,} at random",
    )
)

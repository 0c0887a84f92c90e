"""The nearest neighbours of an item."""

from __future__ import annotations

import numpy as np
import pytest

from tuilabel.learner.neighbours import distances_to_nearest, nearest_items, nearest_to_any


def test_the_nearest_items_match_exact_distances() -> None:
    latents = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    latents[7] = latents[3]  # a duplicate counts as a neighbour, the item itself does not
    distances = np.linalg.norm(latents.astype(np.float64) - latents[3], axis=1)
    expected = [i for i in np.argsort(distances, kind="stable").tolist() if i != 3][:8]
    nearest, distance = nearest_items(latents, 3, 8)
    assert nearest.tolist() == expected
    assert distance == pytest.approx(distances[expected], abs=1e-6)
    assert len(nearest_items(latents[:4], 0, 8)[0]) == 3
    assert len(nearest_items(latents[:1], 0, 8)[0]) == 0


def test_items_nearest_to_any_of_several_points_leave_excluded_ones_out() -> None:
    latents = np.random.default_rng(1).normal(size=(400, 5)).astype(np.float32)
    excluded = np.array([2, 9, 9, 30])
    distances = np.linalg.norm(latents[:, None] - latents[None, [2, 9]], axis=2).min(axis=1)
    distances[excluded] = np.inf
    nearest, distance = nearest_to_any(latents, latents[[2, 9]], 20, excluded)
    assert nearest.tolist() == np.argsort(distances, kind="stable")[:20].tolist()
    assert distance == pytest.approx(distances[nearest], abs=1e-5)
    assert len(nearest_to_any(latents, latents[[2]], 999, excluded)[0]) == 397
    assert len(nearest_to_any(latents, latents[[2]], 5, np.arange(400))[0]) == 0


def test_the_nearest_items_of_a_sample_are_found_in_one_pass() -> None:
    latents = np.random.default_rng(2).normal(size=(20_000, 4)).astype(np.float32)
    latents[19_000] = latents[5]
    sample = np.array([17_000, 5, 123])
    expected = [nearest_items(latents, item, 1)[1][0] for item in sample.tolist()]
    assert distances_to_nearest(latents, sample) == pytest.approx(expected, abs=1e-5)
    assert expected[1] == 0

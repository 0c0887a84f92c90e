"""The nearest neighbours of an item."""

from __future__ import annotations

import numpy as np
import pytest

from tuilabel.learner.neighbours import nearest_items


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

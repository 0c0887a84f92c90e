"""Several annotators in processes of their own, killed at random: nothing is lost, and no image is asked of two."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.team import Work, run
from tests.helpers.stores import StorePlace


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of forks beside threads
def test_killed_annotators_lose_nothing_and_are_asked_different_images(place: StorePlace, tmp_path: Path) -> None:
    outcome = run(place.open, Work(annotators=3, labels=12, pace=0.05, kills=3), tmp_path)
    assert (outcome.lost, outcome.answered_twice) == (0, 0)
    assert outcome.acknowledged >= 3 * 12 - 3, "a killed process may not have noted its last ticks"

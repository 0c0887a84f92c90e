"""A training ends when the neighbours of held-out images no longer improve, with the rest of its schedule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.integration.test_vae import SETTINGS, train, weights_differ
from tuilabel.encoders.vae import plateau
from tuilabel.encoders.vae.checkpoint import load_tensors, save_tensors
from tuilabel.encoders.vae.header import partial_path, read_header
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.plateau import LAST, PATIENCE, HeldOut, common_neighbours
from tuilabel.encoders.vae.run import TrainingStopped

EARLY = replace(SETTINGS, epochs=12, stop_early=True)
ENDS = PATIENCE + 1 + LAST  # of a training that never improves


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """160 images suffice to hold some out, and neighbours never improve by enough."""
    monkeypatch.setattr(plateau, "MIN_HELD_OUT", 4)
    monkeypatch.setattr(plateau, "GAIN", 1e9)


@pytest.mark.usefixtures("few_are_enough")
def test_a_training_that_no_longer_improves_ends_early_and_says_so(tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    train(tmp_path / "vae", EARLY, on_progress=seen.append)
    header = read_header(tmp_path / "vae")
    assert header.epochs_done == ENDS < header.settings["epochs"] == 12
    assert 0 < header.metrics["common_neighbours"] <= 1
    assert (seen[0].epochs, seen[-1].epochs) == (12, ENDS)
    assert seen[-1].epoch == ENDS
    assert seen[-1].images_total == 128, "of 160 images 8 are held out, and the last batch is not full"


@pytest.mark.usefixtures("few_are_enough")
@pytest.mark.parametrize("stop_after", [4 * 2 + 1, 4 * (PATIENCE + 2) + 1])
def test_a_training_that_ends_early_is_resumed_to_the_same_end(tmp_path: Path, stop_after: int) -> None:
    asked = iter(range(stop_after))
    with pytest.raises(TrainingStopped):
        train(tmp_path / "stopped", EARLY, should_stop=lambda: next(asked, None) is None)
    resumed = train(tmp_path / "stopped", EARLY, resume=True)
    assert read_header(tmp_path / "stopped").epochs_done == ENDS
    assert weights_differ(resumed, train(tmp_path / "whole", EARLY)) < 1e-6


def test_a_training_that_improves_takes_all_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plateau, "MIN_HELD_OUT", 4)
    monkeypatch.setattr(plateau, "GAIN", -1.0)
    train(tmp_path / "vae", replace(EARLY, epochs=6))
    assert read_header(tmp_path / "vae").epochs_done == 6


def test_an_unfinished_training_of_an_earlier_version_is_resumed_as_it_was_begun(tmp_path: Path) -> None:
    steps = iter(range(7))
    with pytest.raises(TrainingStopped):
        train(tmp_path / "old", should_stop=lambda: next(steps, None) is None)
    tensors, header = load_tensors(partial_path(tmp_path / "old"))
    settings = {name: value for name, value in header.settings.items() if name != "stop_early"}
    for name in ("shares", "optimizer.schedule"):
        del tensors[name]
    save_tensors(partial_path(tmp_path / "old"), tensors, replace(header, settings=settings))
    resumed = train(tmp_path / "old", resume=True)
    assert weights_differ(resumed, train(tmp_path / "whole")) < 1e-6


def test_the_same_images_are_held_out_each_time_and_none_of_few() -> None:
    one, again = HeldOut(6_000, EARLY), HeldOut(6_000, EARLY)
    assert np.array_equal(one.rows, again.rows)
    assert len(one.rows) == 300
    assert np.array_equal(np.sort(np.concatenate([one.rows, one.others])), np.arange(6_000))
    assert len(HeldOut(1_000_000, EARLY).rows) == 2_000
    for count, settings in ((4_000, EARLY), (6_000, SETTINGS), (6_000, replace(EARLY, mi_weight=0.0))):
        assert not HeldOut(count, settings)
        assert np.array_equal(HeldOut(count, settings).others, np.arange(count))


def test_neighbours_settle_when_they_have_not_improved_for_some_epochs() -> None:
    held_out = HeldOut(6_000, EARLY)
    rising = [0.1, 0.2, 0.24, 0.26, 0.28, 0.30, 0.31]
    for share in [*rising, 0.30, 0.311]:
        assert not held_out.settled
        held_out.shares.append(share)
    held_out.shares.append(0.312)
    assert held_out.settled


def test_common_neighbours_are_all_of_equal_views_and_few_of_unrelated_ones() -> None:
    draw = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 400, 8, generator=draw)
    assert common_neighbours(one, 3 * one) == 1
    assert common_neighbours(one, other) == pytest.approx(15 / 399, abs=0.02)
    assert 0.1 < common_neighbours(one, one + 0.5 * other) < 0.9


def test_the_rest_of_the_schedule_is_passed_in_fewer_steps() -> None:
    weight = torch.nn.Linear(16, 16)
    whole, hurried = (OneCycle(weight, 0.1, 100) for _ in range(2))

    def rates(cycle: OneCycle, steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            cycle.step(weight(torch.ones(1, 16)).sum())
            found.append(float(cycle._schedules[1].get_last_lr()[0]))
        return found

    expected = rates(whole, 100)
    assert rates(hurried, 40) == expected[:40]
    hurried.hurry(20)
    assert rates(hurried, 20) == pytest.approx(expected[42::3])

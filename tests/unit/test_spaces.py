"""Labels decide between spaces: by the cross-validated log-likelihood, with hysteresis, at doubling numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.toy import Toy
from tuilabel.learner.base import LabelSet, Learner
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.spaces import Choice, SpaceChooser, best_explained, enough


class Spaces:
    """Spaces of the toy pool: "good" latents, others as "noise", and one that "fails"; counts what was compared."""

    def __init__(self, toy: Toy) -> None:
        self.toy = toy
        rng = np.random.default_rng(3)
        self.latents = {
            "good": toy.latents,
            "again": toy.latents + 0.05 * rng.normal(size=toy.latents.shape).astype(np.float32),
            "noise": rng.normal(size=toy.latents.shape).astype(np.float32),
        }
        self.opened: list[str] = []

    def learner(self, name: str) -> Learner:
        self.opened.append(name)
        return MLPLearner(self.latents[name])

    def labels(self, n: int, n_classes: int = 3) -> LabelSet:
        indices = np.arange(n, dtype=np.int64)
        labels = np.array([self.toy.truth(int(i)) % n_classes for i in indices], dtype=np.int64)
        return LabelSet(indices, labels, 3, indices % 5 == 0)


@pytest.fixture
def spaces(toy: Toy) -> Spaces:
    return Spaces(toy)


def decide(chooser: SpaceChooser, labelled: LabelSet | None, ready: list[str]) -> Choice | None:
    choice = chooser.choose(labelled, ready)
    while choice is None and chooser.is_comparing:
        choice = chooser.step()
    return choice


def test_the_ranking_holds_until_there_are_labels(spaces: Spaces) -> None:
    chooser = SpaceChooser(["noise", "good"], "good", ["good"], spaces.learner)
    assert decide(chooser, None, ["good"]) == Choice("good")
    assert decide(chooser, spaces.labels(19), ["noise", "good"]) == Choice("noise")
    assert not spaces.opened


def test_labels_overrule_the_ranking(spaces: Spaces) -> None:
    chooser = SpaceChooser(["noise", "good"], "good", ["good"], spaces.learner)
    assert decide(chooser, spaces.labels(40), ["noise", "good"]) == Choice("good", by_labels=True)
    assert set(spaces.opened) == {"noise", "good"}


def test_a_space_that_was_in_use_is_left_when_labels_speak_against_it(spaces: Spaces) -> None:
    chooser = SpaceChooser(["noise", "good"], "noise", ["noise", "good"], spaces.learner)
    assert decide(chooser, spaces.labels(40), ["noise", "good"]) == Choice("good", by_labels=True)


def test_an_equal_space_does_not_replace_the_one_in_use(spaces: Spaces) -> None:
    chooser = SpaceChooser(["again", "good"], "good", ["again", "good"], spaces.learner)
    for n in (20, 40, 80):
        assert decide(chooser, spaces.labels(n), ["again", "good"]) == Choice("good")


def test_spaces_are_compared_again_when_the_labels_have_doubled(spaces: Spaces) -> None:
    chooser = SpaceChooser(["good", "noise"], "good", ["good", "noise"], spaces.learner)
    compared = []
    for n in range(15, 100):
        before = len(spaces.opened)
        decide(chooser, spaces.labels(n), ["good", "noise"])
        if len(spaces.opened) > before:
            compared.append(n)
    assert compared == [20, 40, 80]


def test_a_new_space_is_compared_at_once(spaces: Spaces) -> None:
    chooser = SpaceChooser(["good", "again", "noise"], "noise", ["noise"], spaces.learner)
    assert decide(chooser, spaces.labels(30), ["noise"]) == Choice("noise")
    assert decide(chooser, spaces.labels(31), ["good", "noise"]) == Choice("good"), "the ranking favours it as well"
    assert decide(chooser, spaces.labels(32), ["good", "again", "noise"]) == Choice("good")
    assert chooser.choose(spaces.labels(33), ["good", "again", "noise"]) is None
    assert not chooser.is_comparing


def test_rounds_can_run_between_the_steps(spaces: Spaces) -> None:
    chooser = SpaceChooser(["good", "noise"], "noise", ["noise"], spaces.learner)
    steps = 0
    for n in range(30, 60):
        choice = chooser.choose(spaces.labels(n), ["good", "noise"])
        if choice is None and chooser.is_comparing:
            steps += 1
            choice = chooser.step()
        if choice is not None:
            break
    assert choice == Choice("good")
    assert steps == 11, "each of two spaces is opened, then trains a model for each of four folds"


def test_a_space_that_fails_is_left_out(spaces: Spaces) -> None:
    chooser = SpaceChooser(["gone", "good", "noise"], "noise", ["noise"], spaces.learner)
    assert decide(chooser, spaces.labels(40), ["gone", "noise"]) == Choice("noise", by_labels=True)
    assert decide(chooser, spaces.labels(41), ["gone", "good", "noise"]) == Choice("good")


def test_audit_items_count_most() -> None:
    picked_by_strategy, audit = np.zeros(30, dtype=bool), np.ones(30, dtype=bool)
    drawn = np.concatenate([picked_by_strategy, audit])
    scores = {"a": np.full(60, -1.0), "b": np.concatenate([np.full(30, -1.4), np.full(30, -0.8)])}
    assert best_explained(scores, "a", drawn) == "b"
    assert best_explained(scores, "a", np.zeros(60, dtype=bool)) == "a"


def test_few_classes_are_not_enough(spaces: Spaces) -> None:
    assert enough(spaces.labels(20))
    assert not enough(spaces.labels(19))
    assert not enough(spaces.labels(60, n_classes=1))

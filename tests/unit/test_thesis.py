"""The six claims: the runs they need and the verdicts on made-up runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tuilabel.errors import TuilabelError, UsageError
from tuilabel.simulation.claims import findings
from tuilabel.simulation.findings import Finding, above, consensus, weakest
from tuilabel.simulation.run import Point, Run
from tuilabel.simulation.thesis import (
    BATCHES,
    CLAIMS,
    ThesisSettings,
    batch_block,
    blocks,
    from_document,
    setting_lines,
    to_document,
)

SEEDS = range(6)
LABELS = (20, 100, 200)


def made_up(
    strategy: str,
    seed: int,
    accuracy: Sequence[float],
    learner: str = "mlp",
    seconds: float = 0.1,
    n: Sequence[int] = LABELS,
) -> Run:
    points = (
        Point(k, a, a, 0.1, seconds / 2, seconds / 2, None, None, None, None) for k, a in zip(n, accuracy, strict=True)
    )
    return Run(strategy, learner, seed, tuple(points))


def curves(strategy: str, gain: float, wobble: float = 0.002, at: Sequence[float] = (0.6, 0.8, 0.9)) -> list[Run]:
    """Six runs that lie `gain` above the made-up random ones from the second point on, and differ by `wobble`."""
    rng = np.random.default_rng(sum(map(ord, strategy)))
    return [
        made_up(
            strategy, seed, [at[0] + 0.01 * seed, *(y + gain + 0.01 * seed + rng.normal() * wobble for y in at[1:])]
        )
        for seed in SEEDS
    ]


def finding_for(claim: int, runs: dict[str, list[Run]], test_size: int = 10_000) -> Finding:
    (finding,) = findings([claim], runs, test_size)
    assert finding.claim == claim
    assert finding.rule
    return finding


def test_a_verdict_follows_from_an_interval() -> None:
    assert [above(*interval, 0) for interval in ((1, 2), (-2, -1), (-1, 1))] == ["holds", "does not hold", "not clear"]
    assert above(None, None, 0) == "not clear"
    assert consensus(["holds", "holds"]) == "holds"
    assert consensus(["holds", "does not hold"]) == "not clear"
    assert consensus([]) == "not clear"
    assert weakest(["holds", "not clear"]) == "not clear"
    assert weakest(["holds", "does not hold"]) == "does not hold"


@pytest.mark.parametrize(
    ("accuracy", "test_size", "verdict"),
    [(0.95, 10_000, "holds"), (0.85, 10_000, "does not hold"), (0.905, 100, "not clear")],
)
def test_claim_1_is_accuracy_with_all_labels(accuracy: float, test_size: int, verdict: str) -> None:
    runs = [made_up("random", seed, [0.5, 0.7, accuracy]) for seed in SEEDS]
    finding = finding_for(1, {"supervised": runs}, test_size)
    assert finding.verdict == verdict
    assert finding.figures[-1].value == pytest.approx(accuracy)
    assert "(all)" in finding.figures[-1].what


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.03, 0.03, 0.03), "holds"),
        ((-0.03, -0.03, -0.03), "does not hold"),
        ((-0.03, 0.03, 0.03), "not clear"),
        ((0.0, 0.0, 0.0), "not clear"),
    ],
)
def test_claim_2_needs_every_measure(gains: tuple[float, ...], verdict: str) -> None:
    runs = curves("random", 0)
    for name, gain in zip(("entropy", "margin", "least-confidence"), gains, strict=True):
        runs += curves(name, gain)
    finding = finding_for(2, {"strategies": runs})
    assert finding.verdict == verdict
    if verdict == "holds":
        needed = next(f for f in finding.figures if f.what.startswith("margin: labels"))
        assert needed.value is not None
        assert 100 < needed.value < 200
        assert needed.note == "median; 6 of 6 runs reached it"


@pytest.mark.parametrize(("pixels", "verdict"), [(0.1, "holds"), (0.001, "does not hold"), (0.01, "not clear")])
def test_claim_3_is_a_ratio_of_standard_deviations(pixels: float, verdict: str) -> None:
    spread = np.linspace(-1, 1, 6)
    runs = [made_up("random", seed, [0.8 + 0.01 * spread[seed]] * 3) for seed in SEEDS]
    runs += [made_up("random", seed, [0.8 + pixels * spread[seed]] * 3, "cnn") for seed in SEEDS]
    finding = finding_for(3, {"learners": runs})
    assert finding.verdict == verdict
    last = finding.figures[-1]
    assert last.value == pytest.approx(pixels / 0.01)
    assert last.low is not None
    assert last.high is not None
    assert last.low < pixels / 0.01 < last.high
    # F(0.975; 5, 5) = 7.146: three points of one run are one run
    assert last.low == pytest.approx(pixels / 0.01 / np.sqrt(7.146), rel=1e-3)


@pytest.mark.parametrize(("seconds", "verdict"), [(9.0, "holds"), (0.3, "does not hold"), (1.0, "not clear")])
def test_claim_4_is_a_ratio_of_seconds(seconds: float, verdict: str) -> None:
    runs = []
    for seed in range(3):
        factor = 1 + 0.1 * seed
        runs.append(made_up("random", seed, [0.8] * 3, seconds=0.1))
        runs.append(made_up("random", seed, [0.8] * 3, "cnn", seconds * factor))
    runs.append(made_up("random", 3, [0.8] * 3, seconds=99))  # without a partner
    finding = finding_for(4, {"learners": runs})
    assert finding.verdict == verdict
    assert finding.figures[-1].value == pytest.approx(10 * seconds * (1.1 * 1.2) ** (1 / 3))
    assert "3 seeds" in finding.figures[-1].note


@pytest.mark.parametrize(("gain", "verdict"), [(0.0, "holds"), (-0.05, "holds"), (0.03, "does not hold")])
def test_claim_5_is_no_improvement(gain: float, verdict: str) -> None:
    runs = curves("entropy", 0) + curves("information-density", gain)
    assert finding_for(5, {"strategies": runs}).verdict == verdict


def test_claim_5_is_not_clear_where_runs_differ_much() -> None:
    runs = curves("entropy", 0, wobble=0.1) + curves("information-density", 0, wobble=0.1)
    assert finding_for(5, {"strategies": runs}).verdict == "not clear"


@pytest.mark.parametrize(
    ("loss", "gain", "verdict"),
    [(0.0, 0.02, "holds"), (0.0, 0.0, "does not hold"), (0.05, 0.02, "does not hold"), (0.01, 0.02, "not clear")],
)
def test_claim_6_needs_cheap_batches_and_diversity_that_helps(loss: float, gain: float, verdict: str) -> None:
    runs = {batch_block(1): curves("margin", 0)}
    for batch in BATCHES[1:]:
        runs[batch_block(batch)] = [
            *curves("margin", -loss),
            *curves("weighted-kmeans", -loss + (gain if batch == 100 else 0)),
            *curves("badge", -loss),
        ]
    finding = finding_for(6, runs)
    assert finding.verdict == verdict
    assert sum(figure.verdict == "holds" for figure in finding.figures if "weighted" in figure.what) == (gain > 0)


def test_one_seed_and_no_runs_are_never_clear() -> None:
    one = {"strategies": curves("random", 0)[:1] + curves("entropy", 1)[:1], "learners": curves("random", 0)[:1]}
    for claim in (2, 3, 4, 5, 6):
        assert finding_for(claim, one).verdict == "not clear"
    assert [finding.verdict for finding in findings(list(CLAIMS), {}, 100)] == ["not clear"] * 6


def settings(*claims: int, **more: int) -> ThesisSettings:
    return ThesisSettings("mnist", None, Path("vae.safetensors"), claims, **more)


def test_claims_share_their_runs() -> None:
    two, both = blocks(settings(2)), blocks(settings(2, 5))
    assert [len(block.run_keys()) for block in two] == [20]
    assert [len(block.run_keys()) for block in both] == [25]
    assert blocks(settings(1)) == []
    assert [len(block.run_keys()) for block in blocks(settings(3))] == [8]
    assert blocks(settings(3)) == blocks(settings(3, 4)) == blocks(settings(4))
    names = [block.name for block in blocks(settings(*CLAIMS))]
    assert names == ["strategies", "batch-1", "batch-10", "batch-50", "batch-100", "learners"]


def test_expensive_rounds_are_few_and_reported() -> None:
    for block in blocks(settings(3, 6)):
        for experiment in block.experiments:
            assert experiment.budget <= 300
            assert experiment.audit_share == 0
    text = "\n".join(setting_lines(settings(1, 3)))
    assert "100 random labels, then batches of 100 up to 300 labels; 5 runs of the mlp, 3 runs of the cnn" in text
    assert "supervised" in text


def test_an_unknown_claim_is_reported() -> None:
    with pytest.raises(UsageError, match="claims must be numbers from 1 to 6, got 9"):
        settings(2, 9)


def test_results_survive_a_round_trip_through_a_file() -> None:
    description = {"tuilabel": "0.1", "dataset": "mnist", "budget": 500}
    runs = {"strategies": tuple(curves("random", 0))}
    document = json.loads(json.dumps(to_document(description, runs)))
    assert from_document(document, {**description, "tuilabel": "0.2"}, Path("a.json")) == runs
    with pytest.raises(TuilabelError, match="was made with budget 500, not 100"):
        from_document(document, {**description, "budget": 100}, Path("a.json"))
    with pytest.raises(TuilabelError, match="does not contain results"):
        from_document([], description, Path("a.json"))

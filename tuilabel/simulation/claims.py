"""Evaluate each claim on the runs: measurements with intervals, and a verdict by a rule fixed in advance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuilabel.estimate import labels_to_target, wilson_interval
from tuilabel.simulation.findings import (
    ALPHA,
    Evaluation,
    Figure,
    Finding,
    Verdict,
    above,
    consensus,
    difference,
    last_accuracy,
    mean_with_interval,
    paired_difference,
    runs_of,
    weakest,
)
from tuilabel.simulation.pixels import FAR, seconds_a_round, spread_between_seeds
from tuilabel.simulation.run import Run
from tuilabel.simulation.summary import area, curve
from tuilabel.simulation.thesis import BATCHES, CLAIMS, DENSITY, DIVERSE, UNCERTAIN, UNCERTAINTY, Runs, batch_block

ACCURATE = 0.9
SMALL = 0.005  # a smaller gain does not count
LOSS = 0.01  # of accuracy that batches may lose
RULES = {
    1: f"the 95 % Wilson interval of test accuracy with all labels lies above {ACCURATE:.0%}",
    2: "entropy, margin and least-confidence each: 95 % intervals of the paired differences to random, in area and at "
    "the budget, both above 0; does not hold: for each of them none above 0 and one below",
    3: "the 95 % F interval of the ratio of standard deviations, CNN over MLP, random labels, lies above 1",
    4: f"the 95 % interval of the ratio of seconds per round, CNN over MLP, same seeds and labels, is above {FAR:.0f}",
    5: f"the 95 % interval of the paired difference in area ends below {100 * SMALL:g} points; does not hold: above 0",
    6: f"batches: each size loses at most {100 * LOSS:g} point to single labels (95 % interval); diversity: one of the "
    f"differences to margin is above 0 (p < {ALPHA:g}, Bonferroni), does not hold: all end below "
    f"{100 * SMALL:g} points",
}


def findings(claims: Sequence[int], runs: Runs, test_size: int) -> list[Finding]:
    """A finding for each claim, in order."""
    evaluations = {
        1: lambda: _mlp_accuracy(runs.get("supervised", ()), test_size),
        2: lambda: _fewer_labels(runs.get("strategies", ())),
        3: lambda: spread_between_seeds(runs.get("learners", ())),
        4: lambda: seconds_a_round(runs.get("learners", ())),
        5: lambda: _density(runs.get("strategies", ())),
        6: lambda: _batches({batch: runs.get(batch_block(batch), ()) for batch in BATCHES}),
    }
    results = []
    for claim in sorted(set(claims)):
        figures, verdict = evaluations[claim]()
        results.append(Finding(claim, CLAIMS[claim], RULES[claim], tuple(figures), verdict))
    return results


def _mlp_accuracy(runs: Sequence[Run], test_size: int) -> Evaluation:
    if not runs:
        return [], "not clear"
    figures: list[Figure] = []
    for k, point in enumerate(runs[0].points):
        mean, low, high = mean_with_interval([run.points[k].accuracy for run in runs])
        figures.append(Figure(f"accuracy with {point.n_labels:,} labels", mean, "share", *_clipped(low, high)))
    everything = figures.pop()
    assert everything.value is not None
    low, high = wilson_interval(everything.value * test_size, test_size)
    verdict = above(low, high, ACCURATE)
    figures.append(Figure(f"{everything.what} (all)", everything.value, "share", low, high, verdict))
    return figures, verdict


def _clipped(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    return None if low is None else max(0.0, low), None if high is None else min(1.0, high)


def _fewer_labels(runs: Sequence[Run]) -> Evaluation:
    base = runs_of(runs, "random")
    if not base:
        return [], "not clear"
    budget = next(iter(base.values())).points[-1].n_labels
    target = float(np.mean([last_accuracy(run) for run in base.values()]))
    figures, verdicts = [Figure(f"random: accuracy at {budget:,} labels", target, "share")], []
    for name in UNCERTAIN:
        members = runs_of(runs, name)
        over, end = paired_difference(base, members, area), paired_difference(base, members, last_accuracy)
        parts = [above(c.low, c.high, 0) if c else "not clear" for c in (over, end)]
        verdict: Verdict = "not clear"
        if parts == ["holds", "holds"]:
            verdict = "holds"
        elif "does not hold" in parts and "holds" not in parts:
            verdict = "does not hold"
        verdicts.append(verdict)
        figures += [
            _labels_needed(name, members, target),
            difference(f"{name}: area, less random's", over),
            difference(f"{name}: at {budget:,} labels, less random's", end, verdict),
        ]
    return figures, consensus(verdicts)


def _labels_needed(name: str, members: dict[int, Run], target: float) -> Figure:
    needed = [labels_to_target(*curve(run), target) for run in members.values()]
    middle = float(np.median([np.inf if n is None else n for n in needed])) if needed else np.inf
    n_reached = sum(n is not None for n in needed)
    note = f"median; {n_reached} of {len(needed)} runs reached it"
    value = middle if np.isfinite(middle) else None
    return Figure(f"{name}: labels to random's last accuracy", value, "labels", note=note)


def _density(runs: Sequence[Run]) -> Evaluation:
    base, dense = runs_of(runs, UNCERTAINTY), runs_of(runs, DENSITY)
    over, end = paired_difference(base, dense, area), paired_difference(base, dense, last_accuracy)
    verdict: Verdict = "not clear"
    if over is not None and over.low is not None and over.high is not None:
        verdict = "does not hold" if over.low > 0 else "holds" if over.high < SMALL else "not clear"
    name = f"{DENSITY} less {UNCERTAINTY}"
    return [difference(f"{name}: area", over, verdict), difference(f"{name}: at the budget", end)], verdict


def _batches(runs: dict[int, Sequence[Run]]) -> Evaluation:
    single = runs_of(runs[1], "margin")
    if not single:
        return [], "not clear"
    rounds = {batch: len(members[0].points) for batch, members in runs.items() if members}
    labels = next(iter(single.values())).points[-1].n_labels
    figures, cheap = [Figure(f"batches of 1: rounds to {labels:,} labels", rounds[1], "rounds")], []
    for batch in BATCHES[1:]:
        found = paired_difference(single, runs_of(runs[batch], "margin"), last_accuracy)
        cheap.append(above(found.low, found.high, -LOSS) if found else "not clear")
        saved = f"{rounds.get(batch, 0):,} rounds"
        figures.append(difference(f"batches of {batch}: accuracy, less single labels'", found, cheap[-1], saved))
    pairs = {
        (batch, name): paired_difference(runs_of(runs[batch], "margin"), runs_of(runs[batch], name), last_accuracy)
        for batch in BATCHES[1:]
        for name in DIVERSE
    }
    helps: list[Verdict] = []
    for (batch, name), found in pairs.items():
        verdict: Verdict = "not clear"
        if found is not None and found.high is not None:
            better = found.mean > 0 and found.p_t * len(pairs) < ALPHA
            verdict = "holds" if better else "does not hold" if found.high < SMALL else "not clear"
        helps.append(verdict)
        figures.append(difference(f"batches of {batch}: {name}, less margin's", found, verdict))
    diverse: Verdict = "holds" if "holds" in helps else consensus(helps)
    return figures, weakest([consensus(cheap), diverse])

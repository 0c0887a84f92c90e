"""Latents compared with pixels: claims 3 and 4, evaluated on the runs of the MLP and the CNN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuilabel.simulation.findings import ALPHA, Evaluation, Figure, above, mean_with_interval, runs_of
from tuilabel.simulation.run import Run

FAR = 10.0  # times as fast


def spread_between_seeds(runs: Sequence[Run]) -> Evaluation:
    """Evaluate claim 3 on runs with random sampling."""
    from scipy import stats

    counts, both = _shared_points(runs)
    mlp, cnn = (np.array([_at(run, counts, "accuracy") for run in both[name].values()]) for name in ("mlp", "cnn"))
    if len(mlp) < 2 or len(cnn) < 2 or not counts:
        return [], "not clear"
    spreads = {"MLP": mlp.var(axis=0, ddof=1), "CNN": cnn.var(axis=0, ddof=1)}  # (counts,)
    figures = [
        Figure(f"{name}: standard deviation at {n:,} labels", float(np.sqrt(variance[k])), "deviation")
        for k, n in enumerate(counts)
        for name, variance in spreads.items()
    ]
    pooled = {name: float(variance.mean()) for name, variance in spreads.items()}
    if not pooled["MLP"] or not pooled["CNN"]:
        return figures, "not clear"
    # counts of the same run are correlated: all of them together have the degrees of freedom of one
    ratio, free = pooled["CNN"] / pooled["MLP"], (len(cnn) - 1, len(mlp) - 1)
    low, high = (float(np.sqrt(ratio / stats.f.ppf(q, *free))) for q in (1 - ALPHA / 2, ALPHA / 2))
    verdict = above(low, high, 1)
    note = f"{len(cnn)} and {len(mlp)} seeds"
    figures.append(
        Figure("CNN over MLP, these counts pooled", float(np.sqrt(ratio)), "ratio", low, high, verdict, note)
    )
    return figures, verdict


def seconds_a_round(runs: Sequence[Run]) -> Evaluation:
    """Evaluate claim 4 on the same runs, without first rounds, in which a process also loads modules and data."""
    counts, both = _shared_points(runs)
    counts = counts[1:] or counts
    shared = sorted(both["mlp"].keys() & both["cnn"].keys())
    if not shared or not counts:
        return [], "not clear"
    seconds = {
        name: np.array([_at(both[name][s], counts, "fit_seconds", "query_seconds") for s in shared]) for name in both
    }  # (seeds, counts)
    ratios = np.log(np.maximum(seconds["cnn"], 1e-9) / np.maximum(seconds["mlp"], 1e-9)).mean(axis=1)
    mean, low, high = (
        None if x is None else float(np.exp(np.clip(x, -50, 50))) for x in mean_with_interval(ratios.tolist())
    )
    verdict = above(low, high, FAR)
    figures = [
        Figure(f"{name.upper()}: seconds per round", float(np.median(seconds[name])), "seconds") for name in seconds
    ]
    note = f"training and querying, {counts[0]:,} to {counts[-1]:,} labels, {len(shared)} seeds"
    return [*figures, Figure("CNN over MLP", mean, "ratio", low, high, verdict, note)], verdict


def _shared_points(runs: Sequence[Run]) -> tuple[list[int], dict[str, dict[int, Run]]]:
    """Numbers of labels at which every run has a point, and the runs by learner and seed."""
    both = {learner: runs_of(runs, "random", learner) for learner in ("mlp", "cnn")}
    counts = [{point.n_labels for point in run.points} for members in both.values() for run in members.values()]
    return sorted(set.intersection(*counts)) if counts else [], both


def _at(run: Run, counts: Sequence[int], *figures: str) -> list[float]:
    points = {point.n_labels: point for point in run.points}
    return [sum(getattr(points[n], figure) for figure in figures) for n in counts]

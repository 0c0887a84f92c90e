"""BatchBALD (Kirsch, van Amersfoort & Gal 2019, https://arxiv.org/abs/1906.08158).

Greedily picks the batch whose classes together are most informative about which member of the ensemble is right, so
that the items of a batch are not redundant. With K members that information is at most log K nats: in a much longer
batch the last items are chosen by tiny differences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.ensemble import bald_scores
from tuilabel.strategies.support import bounded, features_at, model_of
from tuilabel.strategies.uncertainty import entropy, highest

PREFILTER = 300  # candidates with the highest BALD score that enter the joint selection; at least 2·k
CONFIGURATIONS = 1000  # joint classes of the picked items that are summed over: all of them, or a sample
MAX_JOINT = 100  # items picked jointly; the rest of a larger batch is picked by BALD


@bounded
def _pick(context: QueryContext, k: int) -> Selection:
    scores = bald_scores(context)
    best = highest(scores, max(PREFILTER, 2 * min(k, MAX_JOINT), k), context.rng)
    members = model_of(context).member_probabilities(features_at(context, best))
    chosen = joint_picks(members, min(k, MAX_JOINT), context.rng)
    rest = np.setdiff1d(np.arange(len(best)), chosen)  # best first, as in `best`
    return Selection(best[np.concatenate([chosen, rest])[:k]])


def joint_picks(
    members: NDArray[np.float32], k: int, rng: np.random.Generator, configurations: int = CONFIGURATIONS
) -> NDArray[np.int64]:
    """Greedily pick the batch with the highest mutual information with the member, int64 (min(k, n),).

    Exact while the picked items have at most `configurations` joint classes; from then on estimated on as many
    configurations, drawn from the members in equal parts.

    Parameters
    ----------
    members : float32 (K, n, C), each member's probabilities.
    """
    n_members, n, n_classes = members.shape
    mean_entropy = np.mean([entropy(member) for member in members], axis=0, dtype=np.float64)  # (n,)
    joint = np.ones((n_members, 1))  # (K, M): probability of each configuration of classes, given the member
    origin: NDArray[np.int64] | None = None
    """(M,): the member that each configuration was drawn from; None while all are enumerated."""
    chosen: list[int] = []
    while len(chosen) < min(k, n):
        gain = _conditional_entropy(members, joint, exact=origin is None) - mean_entropy
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        picked = members[:, chosen[-1]].astype(np.float64)  # (K, C)
        if origin is None and joint.shape[1] * n_classes <= configurations:
            joint = (joint[:, :, None] * picked[:, None, :]).reshape(n_members, -1)
            continue
        if origin is None:
            origin = np.arange(-(-configurations // n_members) * n_members) % n_members
            joint = np.ones((n_members, len(origin)))
            for item in chosen[:-1]:
                joint = _extended(joint, members[:, item].astype(np.float64), origin, rng)
        joint = _extended(joint, picked, origin, rng)
    return np.array(chosen, dtype=np.int64)


def _conditional_entropy(
    members: NDArray[np.float32], joint: NDArray[np.float64], *, exact: bool
) -> NDArray[np.float64]:
    """Entropy of each item's class given the classes of the picked items, float64 (n,), from (K, n, C) and (K, M)."""
    mass = joint.sum(axis=0)  # (M,)
    possible = mass > 0
    belief = (joint[:, possible] / mass[possible]).astype(np.float32)  # (K, M): of the member, given a configuration
    weights = (mass[possible] / mass.sum()) if exact else np.full(belief.shape[1], 1 / belief.shape[1])
    _, n, n_classes = members.shape
    result = np.zeros(n)
    rows = max(1, 2**20 // (belief.shape[1] * n_classes))
    for start in range(0, n, rows):
        block = members[:, start : start + rows].reshape(len(members), -1)
        p = belief.T @ block  # (M, b·C)
        np.multiply(p, np.log(np.maximum(p, np.finfo(np.float32).tiny)), out=p)
        result[start : start + rows] = -(weights.astype(np.float32) @ p).reshape(-1, n_classes).sum(axis=1)
    return result


def _extended(
    joint: NDArray[np.float64], picked: NDArray[np.float64], origin: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Extend `joint`, (K, M), by one more item, (K, C): its class is drawn from each configuration's own member."""
    cumulated = np.cumsum(picked, axis=1)[origin]  # (M, C)
    drawn = (rng.random(len(origin))[:, None] * cumulated[:, -1:] >= cumulated).sum(axis=1)
    joint = joint * picked[:, np.minimum(drawn, picked.shape[1] - 1)]
    scale: NDArray[np.float64] = np.maximum(joint.max(axis=0), np.finfo(np.float64).tiny)  # long products underflow
    return joint / scale


BATCHBALD = register(
    Strategy(
        name="batchbald",
        summary="the batch on which the ensemble disagrees most",
        when="small batches, a large ensemble",
        paper="Kirsch et al. 2019",
        cost="O(N·C + k·C)",
        needs_model=True,
        pick=_pick,
    )
)

"""The default: cover the pool until the model knows its way about, then ask what it is unsure of, spread out."""

from __future__ import annotations

from dataclasses import replace

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.clustered import WEIGHTED_KMEANS
from tuilabel.strategies.coverage import COVERAGE

SURE = 0.7


def _pick(context: QueryContext, k: int) -> Selection:
    """By coverage without a model, and while its mean confidence over the candidates is below `SURE`.

    Confidence is calibrated, so this is how often the model expects to be right: a statement about model and pool, not
    about a number of labels.
    """
    p = context.probabilities
    knows = p is not None and len(p) > 0 and float(p.max(axis=1).mean()) >= SURE
    chosen = WEIGHTED_KMEANS if knows else COVERAGE
    return replace(chosen.pick(context, k), picked_by=chosen.name)


AUTO = register(
    Strategy(
        name="auto",
        summary="coverage until the model is sure, then weighted-kmeans",
        when="nearly always: the default",
        paper="Zhdanov 2019",
        cost="O(N·C + k²·D)",
        needs_model=False,
        pick=_pick,
    )
)

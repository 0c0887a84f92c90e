"""The default: cover the pool until the model is fairly confident, then query diverse items it is unsure of."""

from __future__ import annotations

from dataclasses import replace

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.clustered import WEIGHTED_KMEANS
from tuilabel.strategies.coverage import COVERAGE

CONFIDENT = 0.7  # uncertain items are queried once the mean confidence reaches this


def _pick(context: QueryContext, k: int) -> Selection:
    """Coverage without a model, or while the model's mean confidence over the candidates is below `CONFIDENT`.

    Confidence is calibrated, so its mean is how often the model expects to be right. So the
    moment of the switch depends on model and pool, not on a fixed number of labels.
    """
    p = context.probabilities
    confident = p is not None and len(p) > 0 and float(p.max(axis=1).mean()) >= CONFIDENT
    chosen = WEIGHTED_KMEANS if confident else COVERAGE
    return replace(chosen.pick(context, k), picked_by=chosen.name)


AUTO = register(
    Strategy(
        name="auto",
        summary="coverage until the model is confident, then weighted-kmeans",
        when="nearly always; the default",
        paper="Zhdanov 2019",
        cost="O(N·C + k²·D)",
        needs_model=False,
        pick=_pick,
    )
)

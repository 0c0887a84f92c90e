"""TCM (Doucet et al. 2024, https://arxiv.org/abs/2403.03728): TypiClust while labels are few, then margin."""

from __future__ import annotations

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.coverage import typiclust
from tuilabel.strategies.uncertainty import MARGIN

LABELS_PER_CLASS = 3  # from which on margin picks; the paper switches early where features are learnt beforehand


def _pick(context: QueryContext, k: int) -> Selection:
    """TypiClust below LABELS_PER_CLASS labels for each class that the model has, whichever classes they are of."""
    p = context.probabilities
    if p is None or len(context.labelled) < LABELS_PER_CLASS * p.shape[1]:
        return typiclust(context, k)
    return MARGIN.pick(context, k)


TCM = register(
    Strategy(
        name="tcm",
        summary=f"typiclust up to {LABELS_PER_CLASS} labels a class, then margin",
        when="one strategy from the first label on",
        paper="Doucet et al. 2024",
        cost="as its two parts",
        needs_model=False,
        pick=_pick,
    )
)

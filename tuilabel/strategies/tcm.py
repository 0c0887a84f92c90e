"""TCM (Doucet et al. 2024, https://arxiv.org/abs/2403.03728): TypiClust while labels are few, then margin.

The two parts and their order are the paper's, and so is that the switch comes early and once where features were learnt
without labels. The paper gives it as a number of TypiClust steps that goes with the budget and the step size. Here
nobody knows the budget beforehand, and a step is whatever batch the person chose: the switch is at `LABELS_PER_CLASS`
labels a class, a figure of this project. Nor does it look whether every class has been seen.
"""

from __future__ import annotations

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.coverage import typiclust
from tuilabel.strategies.uncertainty import MARGIN

LABELS_PER_CLASS = 3  # from which on margin picks


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

"""TCM (Doucet et al. 2024, https://arxiv.org/abs/2403.03728): TypiClust while labels are few, then margin.

Both parts and their order follow the paper, and so does a single, early switch when features were learned without
labels. The paper gives it as a number of TypiClust steps that depends on budget and step size. Here the budget is not
known in advance, and the user chooses the batch size: the switch comes at `LABELS_PER_CLASS` labels per class, a value
chosen for this project. It does not matter whether every class has a label.
"""

from __future__ import annotations

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.coverage import typiclust
from tuilabel.strategies.support import SAMPLE, predictions
from tuilabel.strategies.uncertainty import MARGIN

LABELS_PER_CLASS = 3  # with this many, margin takes over


def _pick(context: QueryContext, k: int) -> Selection:
    """TypiClust below LABELS_PER_CLASS labels for each class of the model, whichever classes have them."""
    p = predictions(context)
    if p is None or len(context.labelled) < LABELS_PER_CLASS * p.shape[1]:
        return typiclust(context, k)
    return MARGIN.pick(context, k)


TCM = register(
    Strategy(
        name="tcm",
        summary=f"typiclust up to {LABELS_PER_CLASS} labels per class, then margin",
        when="a single strategy from the first label on",
        paper="Doucet et al. 2024",
        cost="that of its two parts",
        needs_model=False,
        pick=_pick,
        sees=f"{SAMPLE:,} or all items",
    )
)

"""BADGE (Ash et al. 2020, https://arxiv.org/abs/1906.03671): k-means++ on gradient embeddings.

The gradient of the last layer, computed as if the predicted class were the true one, is long where the model is unsure,
and its direction depends on the item's position. Gradients drawn far from each other give uncertain and diverse items.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import draw
from tuilabel.strategies.support import LARGE, bounded, features_at, model_of, probabilities_of, sample


def gradient_seeds(
    residuals: NDArray[np.float32], hidden: NDArray[np.float32], k: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """k-means++ seeds among gradients g = residual ⊗ hidden, starting with the longest; no item is drawn twice.

    The (n, C·E) matrix of gradients is never formed: ⟨a⊗h, b⊗g⟩ = ⟨a, b⟩⟨h, g⟩.

    Parameters
    ----------
    residuals : float32 (n, C), probabilities minus the one-hot prediction.
    hidden : float32 (n, E), the input of the last layer.
    """
    norms = np.einsum("nc,nc->n", residuals, residuals) * np.einsum("ne,ne->n", hidden, hidden)  # (n,)
    nearest = np.full(len(norms), np.inf, dtype=np.float32)
    chosen = np.empty(k, dtype=np.int64)
    free = np.ones(len(norms), dtype=bool)
    for i in range(k):
        if i == 0:
            pick = int(norms.argmax())
        elif nearest.max() > 0:
            pick = draw(nearest, rng)
        else:
            pick = int(rng.choice(np.flatnonzero(free)))
        chosen[i] = pick
        free[pick] = False
        products = (residuals @ residuals[pick]) * (hidden @ hidden[pick])
        distances = norms + norms[pick] - 2 * products
        distances[distances < 1e-6 * (norms + norms[pick])] = 0  # smaller differences are rounding errors
        np.minimum(nearest, distances, out=nearest)
        nearest[pick] = 0
    return chosen


@bounded
def _pick(context: QueryContext, k: int) -> Selection:
    sampled = sample(context, k, LARGE)
    residuals = probabilities_of(context)[sampled].copy()
    residuals[np.arange(len(sampled)), residuals.argmax(axis=1)] -= 1
    hidden = model_of(context).embed(features_at(context, sampled))
    return Selection(sampled[gradient_seeds(residuals, hidden, k, context.rng)])


BADGE = register(
    Strategy(
        name="badge",
        summary="items with long and diverse gradients",
        when="large batches, once every class has labels",
        paper="Ash et al. 2020",
        cost="O(k·N·(C + H))",
        needs_model=True,
        pick=_pick,
        sees=f"{LARGE:,} at random",
    )
)

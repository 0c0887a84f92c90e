"""Information density (Settles & Craven 2008): uncertain items in dense regions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.geometry import blocks
from tuilabel.strategies.support import bounded, probabilities_of
from tuilabel.strategies.uncertainty import entropy, highest

BETA = 1.0  # exponent of the density, as in the paper
ROWS = 65_536  # candidates whose latents are in memory at once


def mean_similarity(context: QueryContext) -> NDArray[np.float32]:
    """Mean similarity (1 + cosine) / 2 of each candidate to all candidates, float32 (n,), in 0…1.

    The mean cosine equals the product with the mean of the normalised latents, so the cost is O(N·D). Latents point in
    all directions, so cosines cancel; shifted to 0…1 they can weight entropies without changing their sign.
    """
    n, total = len(context.candidates), np.zeros(context.latents.shape[1])
    for rows in blocks(n, ROWS):
        total += _normalised(context, rows).sum(axis=0, dtype=np.float64)
    mean = (total / n).astype(np.float32)
    return np.concatenate([(1 + _normalised(context, rows) @ mean) / 2 for rows in blocks(n, ROWS)])


def _normalised(context: QueryContext, rows: slice) -> NDArray[np.float32]:
    latents = np.asarray(context.latents[context.candidates[rows]], dtype=np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", latents, latents))
    return np.asarray(latents / np.where(norms > 0, norms, np.float32(1))[:, None], dtype=np.float32)


@bounded
def _pick(context: QueryContext, k: int) -> Selection:
    density = np.maximum(mean_similarity(context), 0) ** np.float32(BETA)
    return Selection(highest(entropy(probabilities_of(context)) * density, k, context.rng))


INFORMATION_DENSITY = register(
    Strategy(
        name="information-density",
        summary="highest entropy times mean similarity to the pool",
        when="pools with outliers, which entropy would pick",
        paper="Settles & Craven 2008",
        cost="O(N·(C + D))",
        needs_model=True,
        pick=_pick,
    )
)

"""The default: cover the pool until the model is fairly confident, then query diverse items it is unsure of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.clustered import WEIGHTED_KMEANS
from tuilabel.strategies.coverage import COVERAGE
from tuilabel.strategies.geometry import with_scores

CONFIDENT = 0.7  # uncertain items are queried once the mean confidence reaches this
SCORES = 3.0  # weight of the model's scores in distances, relative to the latents
LEAST_PROBABILITY = 1e-3  # in these scores


def _pick(context: QueryContext, k: int) -> Selection:
    """Coverage without a model, or while the model's mean confidence over the candidates is below `CONFIDENT`.

    Confidence is calibrated, so its mean is how often the model expects to be right. So the
    moment of the switch depends on model and pool, not on a fixed number of labels.
    """
    p = context.probabilities
    confident = p is not None and len(p) > 0 and float(p.max(axis=1).mean()) >= CONFIDENT
    chosen = WEIGHTED_KMEANS if confident else COVERAGE
    if p is not None and not confident and context.features is not None:
        context = replace(context, latents=_with_scores(context, p))
    return replace(chosen.pick(context, k), picked_by=chosen.name)


def _with_scores(context: QueryContext, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Latents and the model's scores, (N, D + C), of candidates and labelled items; the other rows are zero.

    A model that learns from more than the latents knows what in them has to do with the classes: clusters of latents
    alone may be of backgrounds.
    """
    assert context.model is not None
    assert context.features is not None
    rows = np.concatenate([context.candidates, context.labelled])
    known = context.model.predict_proba(np.asarray(context.features[context.labelled]))
    scores = np.log(np.maximum(np.concatenate([probabilities, known]), LEAST_PROBABILITY))
    known_points = with_scores(np.asarray(context.latents[rows]), scores, SCORES)
    points = np.zeros((len(context.latents), known_points.shape[1]), dtype=np.float32)
    points[rows] = known_points
    return points


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

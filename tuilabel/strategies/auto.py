"""The default: cover the pool until the model is fairly confident, then query diverse items it is unsure of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tuilabel.strategies.base import QueryContext, Selection, Strategy, register
from tuilabel.strategies.clustered import WEIGHTED_KMEANS
from tuilabel.strategies.coverage import COVERAGE
from tuilabel.strategies.geometry import with_scores
from tuilabel.strategies.support import LARGE, SAMPLE, predictions, sample
from tuilabel.strategies.uncertainty import Probabilities, confidence

CONFIDENT = 0.7  # uncertain items are queried once the mean confidence reaches this
SCORES = 3.0  # weight of the model's scores in distances, relative to the latents
LEAST_PROBABILITY = 1e-3  # in these scores


def _pick(context: QueryContext, k: int) -> Selection:
    """Coverage without a model, or while the model's mean confidence over the candidates is below `CONFIDENT`.

    Confidence is calibrated, so its mean is how often the model expects to be right. So the
    moment of the switch depends on model and pool, not on a fixed number of labels.
    """
    p = predictions(context)
    confident = p is not None and len(p) > 0 and float(confidence(p).mean()) >= CONFIDENT
    chosen = WEIGHTED_KMEANS if confident else COVERAGE
    if p is not None and not confident and context.features is not None:
        return _cover_with_scores(context, p, k)
    return replace(chosen.pick(context, k), picked_by=chosen.name)


def _cover_with_scores(context: QueryContext, probabilities: Probabilities, k: int) -> Selection:
    """Coverage of latents and the model's scores, over at most `LARGE` candidates.

    A model that learns from more than the latents knows what in them has to do with the classes: clusters of latents
    alone may be of backgrounds.
    """
    assert context.model is not None
    assert context.features is not None
    sampled = sample(context, k, LARGE)
    rows = np.concatenate([context.candidates[sampled], context.labelled])
    known = context.model.predict_proba(np.asarray(context.features[context.labelled]))
    scores = np.log(np.maximum(np.concatenate([probabilities[sampled], known]), LEAST_PROBABILITY))
    points = with_scores(np.asarray(context.latents[rows]), scores, SCORES)
    of_rows = replace(
        context, latents=points, candidates=np.arange(len(sampled)), labelled=np.arange(len(sampled), len(rows))
    )
    picked = COVERAGE.pick(of_rows, k)
    return Selection(sampled[picked.positions], picked_by=COVERAGE.name)


AUTO = register(
    Strategy(
        name="auto",
        summary="coverage until the model is confident, then weighted-kmeans",
        when="nearly always; the default",
        paper="Zhdanov 2019",
        cost="O(N·C + k²·D)",
        needs_model=False,
        pick=_pick,
        sees=f"{SAMPLE:,} or all items",
    )
)

"""The time of a round compared with scikit-activeml, with an MLP of scikit-learn, and with a CNN on pixels.

modAL, the other well-known library, no longer runs with current versions of scikit-learn and is left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from tests.benchmarks.learning import NONE, mnist
from tuilabel.learner.cnn import CNNLearner
from tuilabel.learner.latent import LatentLearner, MLPLearner
from tuilabel.learner.mlp import MLPEnsemble
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.learner.trainer.round import RoundRunner
from tuilabel.learner.trainer.settings import spare_processors

LABELS, BATCH = 500, 20
Rows = Iterator[tuple[str, str, str]]


def median_seconds(work: Callable[[], object], repeats: int, warm: int = 1) -> float:
    seconds = []
    for _ in range(warm + repeats):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[warm:])


def rounds_of_others(folder: Path) -> Rows:
    """Retrain on 500 labels, score 60,000, pick 20 by margin: medians, measured one after another in one run."""
    torch.set_num_threads(spare_processors())  # as the trainer does
    pool, latents, _ = mnist()
    assert pool.targets is not None
    targets = np.array(pool.targets)
    indices = np.sort(np.random.default_rng(0).choice(len(targets), LABELS, replace=False))
    audit = np.random.default_rng(1).random(LABELS) < 0.1
    request = TrainRequest(1, indices, targets[indices], 10, audit, NONE, NONE, "margin", BATCH, 2, 0, n_batches=1)

    plain = RoundRunner(MLPLearner(latents.pool))
    ours = median_seconds(lambda: plain.run(request), 15, warm=3)
    yield "a round of the plain MLP, 500 labels, 60,000 latents", f"{1000 * ours:.0f} ms", "80 ms"
    assert latents.path is not None
    learner = LatentLearner(latents.pool, latents.path.with_suffix(".graph.npz"))
    learner.prepare()
    taught = RoundRunner(learner)
    default = median_seconds(lambda: taught.run(request), 9, warm=2)
    yield "… of the default learner with its teacher", f"{1000 * default:.0f} ms", "500 ms"
    ensemble = MLPEnsemble(10)
    for units, same in ((ensemble.hidden, "one member"), (ensemble.members * ensemble.hidden, "all members")):
        others = median_seconds(scikit_activeml(np.array(latents.pool), targets, indices, units), 5)
        yield f"… of scikit-activeml, scikit-learn's MLP of {units} units, as {same}", f"{1000 * others:.0f} ms", ""
        yield "… over the plain MLP", f"{others / ours:.1f} ×", "5 ×"
    cnn = RoundRunner(CNNLearner(pool.images))
    pixels = median_seconds(lambda: cnn.run(request), 1, warm=0)
    yield "… of a small CNN on pixels, 50 epochs (once)", f"{pixels:.1f} s", ""
    yield "… the CNN over the plain MLP", f"{pixels / ours:,.0f} ×", "300 ×"


def scikit_activeml(X: np.ndarray, targets: np.ndarray, indices: np.ndarray, units: int) -> Callable[[], object]:
    """Margin sampling with an MLP of `units` hidden units; otherwise with the library's defaults."""
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import UncertaintySampling
    from skactiveml.utils import MISSING_LABEL
    from sklearn.neural_network import MLPClassifier

    y = np.full(len(X), MISSING_LABEL)
    y[indices] = targets[indices]
    strategy = UncertaintySampling(method="margin_sampling", random_state=0)

    def work() -> object:
        network = MLPClassifier((units,), max_iter=200, random_state=0)
        classifier = SklearnClassifier(network, classes=np.arange(10), random_state=0)
        classifier.fit(X[indices], y[indices])
        return strategy.query(X=X, y=y, clf=classifier, fit_clf=False, batch_size=BATCH)

    return work

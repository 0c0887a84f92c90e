"""Rounds of active learning: retrain on 500 labels of MNIST, score 60,000 latents, pick 20 by margin."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.learning import NONE, mnist
from tests.benchmarks.rivals.limits import products
from tests.benchmarks.rivals.task import Contender, Limit, Task, Work, seconds_of, take_turns
from tuilabel.learner.cnn import CNNLearner
from tuilabel.learner.evaluation import TestSet
from tuilabel.learner.latent import LatentLearner, MLPLearner
from tuilabel.learner.mlp import MLPEnsemble
from tuilabel.learner.trainer.messages import TrainRequest
from tuilabel.learner.trainer.round import RoundRunner

LABELS, BATCH, TURNS = 500, 20, 7
GOALS = {"member": 8.0, "whole": 12.0}


def rounds(_: Path) -> Iterator[Task]:
    """The plain MLP beside three libraries with scikit-learn's MLP, as large as one member and as all of them."""
    pool, latents, _runner = mnist()
    assert pool.targets is not None
    assert pool.test is not None
    assert latents.test is not None
    targets, request = np.array(pool.targets), request_of(np.array(pool.targets))
    test = TestSet(latents.test, np.array(pool.test.targets))
    plain, learner = RoundRunner(MLPLearner(latents.pool)), default_learner()
    default = RoundRunner(learner)
    works: dict[str, Work] = {
        "tuilabel, plain MLP (3 members of 64 units)": lambda: plain.run(request),
        "tuilabel, default learner": lambda: default.run(request),
    }
    goal, others = {}, {}
    ensemble = MLPEnsemble(10)
    for what, units in (("member", ensemble.hidden), ("whole", ensemble.members * ensemble.hidden)):
        for library in (ScikitActiveML, ModAL, SmallText):
            name = f"{library.name}, {units} units, as large as {'one member' if what == 'member' else 'all'}"
            others[name] = library(np.array(latents.pool), targets, request.indices, units)
            goal[name] = GOALS[what]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's MLP stops after 200 epochs without having converged
        seconds = take_turns({**works, **others}, TURNS)
    quality = {
        name: test.evaluate(runner.learner.fit(request.labelled, seed=0)).accuracy
        for name, runner in zip(works, (plain, default), strict=True)
    }
    for name, other in others.items():
        quality[name] = float((other.predict(np.array(test.features)) == test.targets).mean())
    yield Task(
        "A round on latents: retrain on 500 labels, score 60,000, pick 20",
        [Contender(name, each, f"{100 * quality[name]:.1f} %") for name, each in seconds.items()],
        limit_of(ensemble, latents.pool.shape),
        goal,
    )


def pixels(_: Path) -> Iterator[Task]:
    """The plain MLP on latents beside a small CNN on pixels, which is trained once."""
    pool, latents, _runner = mnist()
    assert pool.test is not None
    assert latents.test is not None
    request = request_of(np.array(pool.targets))
    truth = np.array(pool.test.targets)
    plain, cnn = RoundRunner(MLPLearner(latents.pool)), RoundRunner(CNNLearner(pool.images))
    ours = take_turns({"ours": lambda: plain.run(request)}, TURNS)["ours"]
    theirs = [seconds_of(lambda: cnn.run(request))]
    mlp = plain.learner.fit(request.labelled, seed=0).predict_proba(np.array(latents.test))
    network = cnn.learner.fit(request.labelled, seed=0).predict_proba(
        np.asarray(pool.test.images, dtype=np.float32).reshape(len(truth), -1) / np.float32(255)
    )
    yield Task(
        "The same round on pixels",
        [
            Contender("tuilabel, plain MLP on latents", ours, f"{100 * (mlp.argmax(1) == truth).mean():.1f} %"),
            Contender("a small CNN on pixels, 50 epochs", theirs, f"{100 * (network.argmax(1) == truth).mean():.1f} %"),
        ],
        goal={"a small CNN on pixels, 50 epochs": 300},
    )


def request_of(targets: NDArray[np.int64]) -> TrainRequest:
    """500 random labels, a tenth of them audited."""
    indices = np.sort(np.random.default_rng(0).choice(len(targets), LABELS, replace=False))
    audit = np.random.default_rng(1).random(LABELS) < 0.1
    return TrainRequest(1, indices, targets[indices], 10, audit, NONE, NONE, "margin", BATCH, 2, 0, n_batches=1)


def default_learner() -> LatentLearner:
    """With its neighbour graph in hand, as in every round but the first."""
    _, latents, _runner = mnist()
    assert latents.path is not None
    learner = LatentLearner(latents.pool, latents.path.with_suffix(".graph.npz"))
    learner.prepare()
    return learner


def limit_of(ensemble: MLPEnsemble, shape: tuple[int, ...]) -> Limit:
    """The products of a round at the speed of large ones: forwards for every item, three times that for the fit."""
    n, d = shape
    weights = ensemble.members * (d * ensemble.hidden + ensemble.hidden * 10)
    steps = max(50, LABELS // 10)
    operations = 2 * weights * (n + 3 * steps * min(LABELS, ensemble.batch_size))
    peak = products()
    return Limit(
        operations / peak,
        f"{operations / 1e9:.2f} billion operations at {peak / 1e9:.0f} billion a second in float32 matrix products",
    )


class Rival:
    """A library with an MLP of scikit-learn; otherwise both are at their defaults."""

    name: str

    def __init__(self, X: NDArray[np.float32], targets: NDArray[np.int64], indices: NDArray[np.int64], units: int):
        from sklearn.neural_network import MLPClassifier

        self.X, self.targets, self.indices = X, targets, indices
        self.network = lambda: MLPClassifier((units,), max_iter=200, random_state=0)
        self.set_up()

    def set_up(self) -> None:
        """Anything that is done once, and not timed."""

    def __call__(self) -> object:
        """A round."""
        raise NotImplementedError

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Classes by the model of the last round."""
        raise NotImplementedError


class ScikitActiveML(Rival):
    """https://scikit-activeml.github.io: margin sampling."""

    name = "scikit-activeml"

    def __call__(self) -> object:
        from skactiveml.classifier import SklearnClassifier
        from skactiveml.pool import UncertaintySampling
        from skactiveml.utils import MISSING_LABEL

        y = np.full(len(self.X), MISSING_LABEL)
        y[self.indices] = self.targets[self.indices]
        self.model = SklearnClassifier(self.network(), classes=np.arange(10), random_state=0)
        self.model.fit(self.X[self.indices], y[self.indices])
        strategy = UncertaintySampling(method="margin_sampling", random_state=0)
        return strategy.query(X=self.X, y=y, clf=self.model, fit_clf=False, batch_size=BATCH)

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.asarray(self.model.predict(X)).astype(np.int64)


class ModAL(Rival):
    """https://modal-python.readthedocs.io: margin sampling."""

    name = "modAL"

    def set_up(self) -> None:
        self.left = np.delete(self.X, self.indices, axis=0)

    def __call__(self) -> object:
        from modAL.models import ActiveLearner
        from modAL.uncertainty import margin_sampling

        self.model = ActiveLearner(
            self.network(), margin_sampling, X_training=self.X[self.indices], y_training=self.targets[self.indices]
        )
        return self.model.query(self.left, n_instances=BATCH)

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.asarray(self.model.predict(X))


class SmallText(Rival):
    """https://small-text.readthedocs.io: breaking ties, which is its name of margin sampling."""

    name = "small-text"

    def set_up(self) -> None:
        from small_text import SklearnDataset

        self.data = SklearnDataset(self.X, np.array(self.targets), target_labels=np.arange(10))

    def __call__(self) -> object:
        from small_text import BreakingTies, PoolBasedActiveLearner, SklearnClassifierFactory

        learner = PoolBasedActiveLearner(SklearnClassifierFactory(self.network(), 10), BreakingTies(), self.data)
        learner.initialize_data(self.indices, self.targets[self.indices])
        self.model = learner.classifier
        return learner.query(num_samples=BATCH)

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        from small_text import SklearnDataset

        return np.asarray(self.model.predict(SklearnDataset(X, np.zeros(len(X), dtype=np.int64), np.arange(10))))

"""LatentClassifier as a scikit-learn estimator."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.helpers.toy import Toy
from tuilabel.learner.classifier import LatentClassifier

EXPECTED_FAILURES = {
    "check_classifiers_classes": "uses -1 as a class, which stands for 'no label' here as in sklearn.semi_supervised",
    "check_methods_sample_order_invariance": "compares to 1e-7; the last float32 digit depends on the row's position",
    "check_supervised_y_2d": "expects a warning for y of shape (N, 1), which is an error here",
}


@parametrize_with_checks(
    [LatentClassifier()],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
def test_scikit_learn_checks_the_estimator(
    estimator: LatentClassifier, check: Callable[[LatentClassifier], None]
) -> None:
    check(estimator)


@pytest.fixture
def some_labels(toy: Toy) -> np.ndarray:
    """Labels of every second item, -1 for the others."""
    assert toy.pool.targets is not None
    return np.where(np.arange(len(toy.latents)) % 2 == 0, toy.pool.targets, -1)


def test_a_clone_has_the_same_parameters_and_is_not_fitted(toy: Toy, some_labels: np.ndarray) -> None:
    fitted = LatentClassifier(seed=3).fit(toy.latents, some_labels)
    cloned = clone(fitted)
    assert cloned.get_params() == {"seed": 3, "compact": None}
    assert repr(cloned) == "LatentClassifier(seed=3)"
    assert is_classifier(cloned)
    with pytest.raises(NotFittedError):
        cloned.predict(toy.latents)
    again = cloned.fit(toy.latents, some_labels)
    assert np.array_equal(again.predict_proba(toy.latents), fitted.predict_proba(toy.latents))


def test_it_works_as_a_step_of_a_pipeline(toy: Toy, some_labels: np.ndarray) -> None:
    pipeline = make_pipeline(StandardScaler(), LatentClassifier()).fit(toy.latents, some_labels)
    assert pipeline.classes_.tolist() == [0, 1, 2]
    assert pipeline.score(toy.test.features, toy.test.targets) > 0.9


def test_cross_validation_scores_the_labelled_items_only(toy: Toy, some_labels: np.ndarray) -> None:
    scores = cross_val_score(LatentClassifier(), toy.latents, some_labels, cv=3)
    assert scores.min() > 0.8


def test_a_grid_search_runs_over_its_parameters(toy: Toy, some_labels: np.ndarray) -> None:
    search = GridSearchCV(LatentClassifier(), {"seed": [1, 2]}, cv=2).fit(toy.latents, some_labels)
    assert search.best_params_["seed"] in (1, 2)
    assert (search.predict(toy.test.features) == toy.test.targets).mean() > 0.9


def test_classes_may_be_strings(toy: Toy) -> None:
    assert toy.pool.targets is not None
    names = np.array(["car", "dog", "elk"], dtype=object)[toy.pool.targets]
    names[20:] = -1
    classifier = LatentClassifier().fit(toy.latents, names)
    assert classifier.classes_.tolist() == ["car", "dog", "elk"]
    assert (classifier.predict(toy.latents)[:20] == names[:20]).mean() > 0.9


def test_a_fitted_classifier_can_be_pickled(toy: Toy, some_labels: np.ndarray) -> None:
    classifier = LatentClassifier().fit(toy.latents, some_labels)
    loaded = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(loaded.predict(toy.latents), classifier.predict(toy.latents))


def test_errors_name_the_argument_and_the_value(toy: Toy, some_labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least one label, not counting -1"):
        LatentClassifier().fit(toy.latents, some_labels).score(toy.latents, np.full(len(some_labels), -1))
    with pytest.raises(ValueError, match="unknown parameter 'depth' of LatentClassifier: must be one of seed"):
        LatentClassifier().set_params(depth=3)
    with pytest.raises(ValueError, match=r"y must have shape \(120,\), got \(7,\)"):
        LatentClassifier().fit(toy.latents, some_labels[:7])


def test_importing_it_loads_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, tuilabel.learner.classifier; print(*{'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == []


def test_wide_latents_get_a_linear_model_and_compact_names_their_first_columns() -> None:
    rng = np.random.default_rng(0)
    classes = np.arange(300) % 3
    latents = (rng.normal(size=(300, 200)) + 0.4 * rng.normal(size=(3, 200))[classes]).astype(np.float32)
    y = np.where(np.arange(300) < 60, classes, -1)
    for classifier in (LatentClassifier(), LatentClassifier(compact=8)):
        fitted = classifier.fit(latents, y)
        assert type(fitted.model_).__name__ == "LinearEnsemble"
        assert fitted.score(latents[60:], classes[60:]) > 0.8
    with pytest.raises(ValueError, match=r"compact must be 1 to 200, got 0"):
        LatentClassifier(compact=0).fit(latents, y)

"""What the documentation tells people who work from Python."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.toy import Toy
from tuilabel.encoders import encode
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.classifier import LatentClassifier
from tuilabel.strategies import query

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_of_the_documentation_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL):
        exec(compile(block, str(DOCUMENT), "exec"), names)
    said = capsys.readouterr().out
    accuracy = float(said.split("%")[0])
    assert accuracy > 90
    assert "60 labels" in said
    assert query(f"{__name__}:first", np.zeros((9, 2), dtype=np.float32), 3).tolist() == [0, 1, 2]


def first(context: object, k: int) -> np.ndarray:
    return np.arange(k)


first.needs_model = False  # type: ignore[attr-defined]


def answers_of(toy: Toy, n: int) -> np.ndarray:
    assert toy.pool.targets is not None
    answers = np.full(len(toy.latents), -1)
    answers[:n] = toy.pool.targets[:n]
    return answers


def test_the_classifier_learns_from_few_labels_and_keeps_the_names_of_classes(toy: Toy) -> None:
    answers = answers_of(toy, 12)
    answers[answers >= 0] = answers[answers >= 0] * 10 + 5
    classifier = LatentClassifier(seed=3).fit(toy.latents, answers)
    assert classifier.classes_.tolist() == [5, 15, 25]
    assert classifier.score(toy.test.features, toy.test.targets * 10 + 5) > 0.95
    p = classifier.predict_proba(toy.test.features.tolist())
    assert p.shape == (60, 3)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)


def test_misuse_of_the_classifier_is_an_error(toy: Toy) -> None:
    with pytest.raises(ValueError, match="call fit"):
        LatentClassifier().predict(toy.latents)
    with pytest.raises(ValueError, match="0 classes"):
        LatentClassifier().fit(toy.latents, answers_of(toy, 0))
    with pytest.raises(ValueError, match=r"y must have shape \(120,\), got \(3,\)"):
        LatentClassifier().fit(toy.latents, np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="Unknown label type"):
        LatentClassifier().fit(toy.latents, np.linspace(0, 1, len(toy.latents)))
    with pytest.raises(ValueError, match="X must be finite"):
        LatentClassifier().fit(np.full((9, 2), np.nan), np.arange(9) % 2)


def test_queries_take_what_is_not_labelled_and_follow_the_seed(toy: Toy) -> None:
    labelled = np.arange(30)
    labels = np.array([toy.truth(i) for i in range(30)])
    model = LatentClassifier().fit(toy.latents, answers_of(toy, 30)).model_
    for name in ("margin", "auto", "random", "coverage"):
        picks = [query(name, toy.latents, 200, labelled=labelled, labels=labels, model=model, seed=s) for s in (0, 0)]
        assert sorted(picks[0].tolist()) == list(range(30, 120))
        assert picks[0].tolist() == picks[1].tolist()
    assert len(query("entropy", toy.latents, 5)) == 5  # without a model: coverage
    with pytest.raises(ValueError, match=r"same shape \(m,\), got \(2,\) and \(1,\)"):
        query("margin", toy.latents, 5, labelled=[1, 2], labels=[0])
    with pytest.raises(UsageError, match="did you mean margin"):
        query("margn", toy.latents, 5)


def test_images_of_another_shape_are_refused_with_what_is_wanted() -> None:
    with pytest.raises(TuilabelError, match=r"28×28×1 .*32×32×3"):
        encode(np.zeros((2, 32, 32, 3), dtype=np.uint8), checkpoint=find_checkpoint("mnist"))

"""The Python API as the documentation shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tuilabel
from tests.helpers.folders import colour_folder
from tests.helpers.toy import Toy
from tuilabel.encoders import encode
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.classifier import LatentClassifier
from tuilabel.strategies import query

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"
API_PAGE = DOCUMENT.with_name("api.md")
NUMBER = re.compile(r"\d+\.?\d*")


def ask(image: np.ndarray) -> int:
    """The user of the documentation's first example: the images of `colour_folder` are blue, green or red."""
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    return int(np.argmax([blue, green, red]))


def test_the_examples_of_the_documentation_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    colour_folder(tmp_path / "photos")
    names: dict[str, object] = {"ask": ask}
    for language, block in re.findall(r"```(python|text)\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL):
        if language == "python":
            exec(compile(block, str(DOCUMENT), "exec"), names)
        else:
            printed = capsys.readouterr().out
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", block)
            found, expected = (list(map(float, NUMBER.findall(text))) for text in (printed, block))
            assert found == pytest.approx(expected, abs=2), printed


def test_the_import_loads_neither_torch_nor_textual() -> None:
    code = "import sys, tuilabel; print({'torch', 'textual', 'numpy', 'rich', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_is_there_and_documented() -> None:
    for name in tuilabel.__all__:
        value = getattr(tuilabel, name)
        assert name == "__version__" or (value.__doc__ and name in API_PAGE.read_text()), name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tuilabel.nonsense  # noqa: B018
    assert set(tuilabel.__all__) <= set(dir(tuilabel))


def test_a_custom_strategy_is_found_by_its_import_path() -> None:
    assert query(f"{__name__}:first", np.zeros((9, 2), dtype=np.float32), 3).tolist() == [0, 1, 2]


def test_a_simulation_needs_true_classes(toy: Toy) -> None:
    with pytest.raises(TuilabelError, match="no true labels"):
        tuilabel.simulate(tuilabel.ImagePool.from_arrays(toy.pool.images, toy.pool.classes))
    with pytest.raises(UsageError, match="did you mean margin"):
        tuilabel.simulate(toy.pool, strategies=("margn",))


def test_labels_of_the_whole_pool_are_as_good_as_labelled_items(toy: Toy) -> None:
    y = answers_of(toy, 30)
    classifier = LatentClassifier().fit(toy.latents, y)
    apart = query("margin", toy.latents, 5, labelled=np.arange(30), labels=y[:30], model=classifier.model_)
    assert query("margin", toy.latents, 5, y=y, model=classifier).tolist() == apart.tolist()
    with pytest.raises(ValueError, match="y must have shape"):
        query("margin", toy.latents, 5, y=y[:9])


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
    with pytest.raises(ValueError, match="at least 2 classes, not counting -1, got none"):
        LatentClassifier().fit(toy.latents, answers_of(toy, 0))
    with pytest.raises(ValueError, match=r"y must have shape \(120,\), got \(3,\)"):
        LatentClassifier().fit(toy.latents, np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="Unknown label type"):
        LatentClassifier().fit(toy.latents, np.linspace(0, 1, len(toy.latents)))
    with pytest.raises(ValueError, match="X must be finite"):
        LatentClassifier().fit(np.full((9, 2), np.nan), np.arange(9) % 2)


def test_queries_pick_unlabelled_items_and_follow_the_seed(toy: Toy) -> None:
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


def test_images_of_another_shape_are_refused_with_the_expected_shape() -> None:
    with pytest.raises(TuilabelError, match=r"28×28×1 .*32×32×3"):
        encode(np.zeros((2, 32, 32, 3), dtype=np.uint8), checkpoint=find_checkpoint("mnist"))

"""Models on the features of a network: exported as one file, and used on other folders."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.helpers.folders import COLOURS, colour_folder
from tests.helpers.projects import colour_project
from tuilabel.deploy.integers import as_integers
from tuilabel.encoders.networks.export import ProjectionModule
from tuilabel.encoders.networks.projection import Block, Projection
from tuilabel.errors import TuilabelError
from tuilabel.project.export_model import ExportedModel, export_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.predict import PredictOptions, predict, predict_pool

DOCUMENT = Path(__file__).parents[2] / "docs" / "predict.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ModelOptions:
    """A project of 24 small pictures, 9 of them labelled, with the bundled network."""
    return colour_project(tmp_path_factory.mktemp("network"), "efficientnet_lite2")


@pytest.fixture(scope="module")
def onnx(project: ModelOptions, tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return export_model(project, "onnx", tmp_path_factory.mktemp("onnx") / "mnist.onnx")


def test_features_are_projected_as_tuilabel_projects_them() -> None:
    features = np.random.default_rng(0).gamma(1, size=(90, 30)).astype(np.float32)
    projection = Projection.fit(features, (Block(8, 1.5), Block(12), Block(10, 2)))
    projected = ProjectionModule(projection)(torch.from_numpy(features)).numpy()
    assert np.allclose(projected, projection(features), atol=1e-4)


def test_the_file_agrees_with_tuilabel_and_says_how_images_become_its_input(onnx: ExportedModel) -> None:
    assert onnx.images == onnx.same_class == onnx.same_as_predict == 24
    assert onnx.difference < 1e-5
    assert onnx.differs_from_predict < 0.01, "features in half precision, files decoded by Pillow alone"
    assert onnx.model.stat().st_size < 12e6, "weights as integers of 16 bits"
    card = json.loads(onnx.card.read_text())
    assert (card["encoder"], card["checkpoint"], card["labels"]) == ("efficientnet_lite2", None, 9)
    assert card["classes"] == list(COLOURS)
    assert card["input"]["shape"] == ["N", 96, 96, 3]
    assert (card["input"]["longest"], card["input"]["shrink"], card["input"]["enlarge"]) == (144, "LANCZOS", "BICUBIC")
    metadata = onnxruntime.InferenceSession(onnx.model).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["input"]) == card["input"]


def test_the_example_of_the_documentation_predicts_what_predict_does(
    onnx: ExportedModel,
    project: ModelOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    others = colour_folder(tmp_path / "others", each=2, first=100, size=lambda k: (90 + k % 7, 60))
    predict(project, PredictOptions(on=str(others), out=tmp_path / "p.csv"))
    monkeypatch.chdir(tmp_path)
    shutil.copy(onnx.model, "mnist.onnx")
    shutil.copy(onnx.card, "mnist.onnx.json")
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    code = compile(block, str(DOCUMENT), "exec")
    for row in csv.DictReader((tmp_path / "p.csv").read_text().splitlines()):
        shutil.copy(others / row["path"], "image.png")
        exec(code, {})
        said = re.fullmatch(r"(\w+) \(([\d.]+)%\)\n", capsys.readouterr().out)
        assert said is not None
        assert said[1] == row["label"]
        assert float(said[2]) / 100 == pytest.approx(float(row["confidence"]), abs=0.02)


@pytest.mark.parametrize("encoder", ["efficientnet_lite2", "pca"])
def test_the_same_files_in_another_folder_get_the_same_predictions(
    project: ModelOptions, encoder: str, tmp_path: Path
) -> None:
    shutil.copytree(str(project.dataset), tmp_path / "copies")
    options = replace(project, encoder=encoder)
    own, copies = predict_pool(options), predict_pool(options, on=str(tmp_path / "copies"))
    order = own.pool.indices_of([item.decode() for item in copies.pool.ids])
    assert (order >= 0).all()
    assert np.abs(own.probabilities[order] - copies.probabilities).max() < 0.01


def test_only_weights_that_are_integers_times_a_scale_are_stored_as_such() -> None:
    rng = np.random.default_rng(0)
    integers = rng.integers(-20_000, 20_000, (16, 300), dtype=np.int16)
    integers[:, 7], integers[3] = -32_767, 0
    weights = integers * rng.uniform(1e-6, 1e-3, (16, 1)).astype(np.float32)
    found = as_integers(weights)
    assert found is not None
    assert np.allclose(found[0] * found[1], weights, rtol=1e-6)
    assert np.array_equal(found[0], integers)
    assert as_integers(weights[:2]) is None, "too few to be worth it"
    assert as_integers(weights.astype(np.float64)) is None
    assert as_integers(rng.normal(size=(16, 300)).astype(np.float32)) is None
    weights[5, 5] = np.nan
    assert as_integers(weights) is None


def test_a_function_cannot_be_exported(project: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_net.py").write_text("def mean(images):\n    return images.mean((1, 2)) / 255\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(TuilabelError, match=r"the function my_net:mean cannot be exported.*another `encoder`"):
        export_model(replace(project, encoder="my_net:mean"), "onnx", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_what_torch_cannot_export_is_one_line_and_writes_nothing(
    project: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stubborn(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, :32, 0, 0].repeat(1, 32)[:, :32].float() * float(images.sum())

    monkeypatch.setattr("tuilabel.encoders.pca.PCAEncoder.export_module", lambda *_: Stubborn())
    with pytest.raises(TuilabelError, match=r"uses pca cannot be written as torch: choose another") as error:
        export_model(replace(project, encoder="pca"), "torch", tmp_path / "m.pt2")
    assert "\n" not in str(error.value)
    assert not [*tmp_path.iterdir()]

"""A model file that runs without tuilabel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from tests.helpers.tiny import Tiny
from tuilabel.datasets import open_pool
from tuilabel.deploy import ModelCard, write_model
from tuilabel.deploy.program import Program
from tuilabel.encoders.image_input import ImageInput
from tuilabel.encoders.vae.export import LatentModule
from tuilabel.encoders.vae.inputs import to_input
from tuilabel.encoders.vae.model import VAE, VAEConfig
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.mlp import MLPEnsemble
from tuilabel.project.export_model import export_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.predict import PredictOptions, predict

DOCUMENT = Path(__file__).parents[2] / "docs" / "predict.md"


@pytest.fixture(scope="module")
def onnx(tiny_project: ModelOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx") / "mnist.onnx"
    result = export_model(tiny_project, "onnx", out)
    assert result.difference < 1e-4
    assert result.images == result.same_class == 256
    assert json.loads(json.dumps(result.to_json()))["model"] == str(out)
    return out


def test_onnx_predicts_what_predict_does(onnx: Path, tiny_project: ModelOptions, tmp_path: Path) -> None:
    predict(tiny_project, PredictOptions(out=tmp_path / "p.jsonl"))
    predictions = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[1:]) == ("images", "tensor(uint8)", [28, 28, 1])
    pool = open_pool("fashion-mnist", tiny_project.data_dir)
    for n in (1, 300):  # any number of images
        probabilities, latents = session.run(["probabilities", "latents"], {"images": np.asarray(pool.images[:n])})
        assert probabilities.shape == (n, 10)
        assert latents.shape == (n, 8)
    labels = [pool.classes[k] for k in probabilities.argmax(axis=1)]
    same = np.mean([label == row["label"] for label, row in zip(labels, predictions, strict=True)])
    assert same > 0.99  # `predict` may encode in half precision
    assert np.abs(probabilities.max(axis=1) - [row["confidence"] for row in predictions]).mean() < 0.01


def test_a_model_describes_its_inputs_and_outputs(onnx: Path, tiny_project: ModelOptions) -> None:
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    companion = json.loads(onnx.with_name("mnist.onnx.json").read_text())
    assert (
        json.loads(metadata["classes"])
        == companion["classes"]
        == list(open_pool("fashion-mnist", tiny_project.data_dir).classes)
    )
    assert json.loads(metadata["input"]) == companion["input"]
    assert companion["input"]["shape"] == ["N", 28, 28, 1]
    assert "greyscale" in metadata["preprocessing"]
    assert len(metadata["checkpoint"]) == 32
    assert (companion["dataset"], companion["labels"]) == ("fashion-mnist", 100)
    assert metadata["tuilabel"]


def test_a_torch_program_needs_only_torch(onnx: Path, tiny_project: ModelOptions, tmp_path: Path) -> None:
    result = export_model(tiny_project, "torch", tmp_path / "m.pt2")
    assert result.difference < 1e-4
    extra = {"tuilabel.json": ""}
    module = torch.export.load(tmp_path / "m.pt2", extra_files=extra).module()
    assert json.loads(extra["tuilabel.json"]) == json.loads((tmp_path / "m.pt2.json").read_text())
    images = np.array(open_pool("fashion-mnist", tiny_project.data_dir).images[:5])
    probabilities, _ = module(torch.from_numpy(images))
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    assert np.allclose(probabilities, session.run(["probabilities"], {"images": images})[0], atol=1e-5)


def small(height: int, width: int, channels: int) -> tuple[Program, np.ndarray, np.ndarray, np.ndarray]:
    """A program that resizes images of that size, images, and tuilabel's own probabilities and latents for them."""
    torch.manual_seed(0)
    vae = VAE(VAEConfig(height=24, width=24, channels=channels, latent_dim=4, hidden=16)).eval()
    rng = np.random.default_rng(0)
    ensemble = MLPEnsemble(3).fit(rng.normal(size=(30, 4)).astype(np.float32), np.arange(30) % 3)
    images = rng.integers(0, 255, (6, height, width, channels), dtype=np.uint8)
    with torch.inference_mode():
        means = vae.latents(to_input(images, vae.config, torch.device("cpu"))).numpy()
    predictions = ensemble.predict_proba(means) ** (1 / 1.5)
    predictions /= predictions.sum(axis=1, keepdims=True)
    return Program(LatentModule(vae), ensemble, 1.5), images, predictions, means


def card(height: int, width: int, channels: int) -> ModelCard:
    given = ImageInput(height, width, channels, longest=2 * width)
    return ModelCard(("a", "b", "ü"), given, "vae", "toy", 30, 1.5, "0" * 32, "1")


@pytest.mark.parametrize("shape", [(40, 61, 3), (18, 20, 1)], ids=["smaller", "larger"])
@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_images_are_resized_in_the_graph(shape: tuple[int, int, int], kind: str, tmp_path: Path) -> None:
    program, images, expected, latents = small(*shape)
    agreement = write_model(program, card(*shape), images, expected, latents, tmp_path / "m", kind)
    assert agreement.difference < 1e-5
    assert agreement.images == agreement.same_class == 6


def test_a_model_with_other_predictions_is_not_kept(tmp_path: Path) -> None:
    program, images, expected, latents = small(24, 24, 1)
    (tmp_path / "m.pt2").write_text("old")
    with pytest.raises(TuilabelError, match="nothing was written"):
        write_model(program, card(24, 24, 1), images, expected[:, ::-1].copy(), latents, tmp_path / "m.pt2", "torch")
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]
    assert (tmp_path / "m.pt2").read_text() == "old"


def test_impossible_exports_are_errors(
    tiny_project: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="learner must be latent or mlp to export a model, got cnn"):
        export_model(ModelOptions("mnist", learner="cnn"), "onnx")
    with pytest.raises(UsageError, match="did you mean onnx"):
        export_model(ModelOptions("mnist"), "onx")
    (tmp_path / "m.onnx.json").write_text("mine")
    with pytest.raises(TuilabelError, match=r"m\.onnx\.json already exists"):
        export_model(tiny_project, "onnx", tmp_path / "m.onnx")
    monkeypatch.setattr("tuilabel.extras.find_spec", lambda name: None)
    with pytest.raises(TuilabelError, match=r"onnxruntime: pip install 'tuilabel\[onnx\]'"):
        export_model(tiny_project, "onnx", tmp_path / "n.onnx")


def test_the_example_of_the_documentation_runs(
    onnx: Path, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = open_pool("fashion-mnist", tiny.data_dir)
    assert pool.targets is not None
    Image.fromarray(np.asarray(pool.images[5, ..., 0])).save(tmp_path / "image.png")
    for name in ("mnist.onnx", "mnist.onnx.json"):
        (tmp_path / name).write_bytes(onnx.with_name(name).read_bytes())
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    exec(compile(block, str(DOCUMENT), "exec"), {})
    assert capsys.readouterr().out.startswith(pool.classes[int(pool.targets[5])])

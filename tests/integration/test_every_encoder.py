"""Every kind of encoder, with small weights made here: its model as one file, and on images it has not seen."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torchvision import models

from tests.helpers.folders import colour_folder
from tests.helpers.projects import colour_project
from tuilabel.encoders.image_input import ImageInput
from tuilabel.encoders.networks.names import BUNDLED
from tuilabel.project.export_model import export_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.predict import predict_pool
from tuilabel.project.train_vae import plan_training, train_planned


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ModelOptions:
    """A project of 24 small pictures, 9 of them labelled."""
    return colour_project(tmp_path_factory.mktemp("kinds"), "pca")


def pca(project: ModelOptions, _folder: Path) -> ModelOptions:
    return replace(project, encoder="pca")


def vae(project: ModelOptions, folder: Path) -> ModelOptions:
    plan = plan_training(str(project.dataset), folder / "vae.safetensors", epochs=2, latent_dim=4, batch_size=8)
    return replace(project, encoder="vae", checkpoint=train_planned(plan, device="cpu").checkpoint)


def vae_on_features(project: ModelOptions, folder: Path) -> ModelOptions:
    plan = plan_training(
        str(project.dataset), folder / "on.safetensors", on=BUNDLED, epochs=2, latent_dim=4, batch_size=8, copies=2
    )
    return replace(project, encoder=f"vae-on:{BUNDLED}", checkpoint=train_planned(plan, device="cpu").checkpoint)


def torchvision_transformer(project: ModelOptions, folder: Path) -> ModelOptions:
    torch.save(small_transformer().state_dict(), folder / "vit.pth")
    return replace(project, encoder=f"torchvision:vit_b_16@{folder / 'vit.pth'}")


def timm_transformer(project: ModelOptions, folder: Path) -> ModelOptions:
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("test_vit").state_dict(), folder / "test_vit.pth")
    return replace(project, encoder=f"timm:test_vit@{folder / 'test_vit.pth'}")


def transformers_transformer(project: ModelOptions, folder: Path) -> ModelOptions:
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    model = transformers.Dinov2Model(transformers.Dinov2Config(**small, image_size=32, patch_size=8))
    model.save_pretrained(folder / "dino")
    return replace(project, encoder=f"hf:{folder / 'dino'}")


def small_transformer() -> nn.Module:
    """A vision transformer like vit_b_16, for the same images, with less of everything."""
    return models.VisionTransformer(
        image_size=224, patch_size=56, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=16, num_classes=3
    )


KINDS = (pca, vae, vae_on_features, torchvision_transformer, timm_transformer, transformers_transformer)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_predicts_new_images_as_predict_does(
    kind: Callable[[ModelOptions, Path], ModelOptions],
    project: ModelOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torchvision.models.get_model", lambda _name: small_transformer())
    torch.manual_seed(0)
    check(kind(project, tmp_path), tmp_path, size=lambda k: (24 + k % 3, 20))


def test_a_vae_beside_features_is_exported_for_images_of_one_size(tmp_path: Path) -> None:
    project = vae(colour_project(tmp_path, "pca", size=lambda _: (24, 20)), tmp_path)
    check(replace(project, encoder=f"vae+{BUNDLED}"), tmp_path, size=lambda _: (24, 20))


def check(options: ModelOptions, tmp_path: Path, size: Callable[[int], tuple[int, int]]) -> None:
    exported = export_model(options, "onnx", tmp_path / "m.onnx")
    assert exported.images == exported.same_class == 24
    assert exported.difference < 1e-5

    others = colour_folder(tmp_path / "others", each=4, first=50, size=size)
    predicted = predict_pool(options, on=str(others))
    assert predicted.probabilities.shape == (12, 3)
    shape = dict(zip(("height", "width", "channels"), exported.input["shape"][1:], strict=True))
    given = ImageInput(**shape, **{name: exported.input[name] for name in ("longest", "shrink", "enlarge")})
    files = predicted.pool.files
    images = np.stack([given.read(io.BytesIO(files.read(index))) for index in range(12)])
    session = onnxruntime.InferenceSession(exported.model, providers=["CPUExecutionProvider"])
    probabilities, latents = session.run(["probabilities", "latents"], {"images": images})
    assert np.isfinite(latents).all()
    assert np.abs(probabilities - predicted.probabilities).max() < 0.02, "features in half precision, other decoding"

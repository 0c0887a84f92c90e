"""Features of pretrained networks in place of a VAE."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import models

from tests.helpers.folders import colour_folder
from tuilabel.datasets import open_pool
from tuilabel.encoders import choose_encoder
from tuilabel.errors import TuilabelError, UsageError


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights of a resnet18 where torchvision looks for them."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    torch.manual_seed(0)
    url = models.get_model_weights("resnet18").DEFAULT.url
    file = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(models.resnet18().state_dict(), file)
    return file


def test_features_are_the_latents_of_every_image_and_are_cached(tmp_path: Path, weights: Path) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=3)))
    encoder = choose_encoder("resnet18", pool)
    assert encoder is not None
    latents = encoder.encode(pool, "cpu").pool
    assert latents.shape == (9, 512)
    assert np.allclose(np.square(latents).mean(axis=1), 1, atol=1e-4)
    weights.unlink()
    assert np.array_equal(encoder.encode(pool, "cpu").pool, latents), "from the cache"


def test_damaged_and_missing_weights_are_one_clear_line(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=1)))
    encoder = choose_encoder("resnet18", pool)
    assert encoder is not None
    torch.save({"conv1.weight": torch.zeros(1)}, weights)
    with pytest.raises(TuilabelError, match="damaged"):
        encoder.encode(pool, "cpu")

    def unreachable(*_: object, **__: object) -> object:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    with pytest.raises(TuilabelError, match=r"cannot find or download the weights of resnet18.*no network"):
        encoder.encode(pool, "cpu")


def test_unknown_networks_and_missing_packages_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=1)))
    with pytest.raises(UsageError, match="unknown encoder 'resnet'"):
        choose_encoder("resnet", pool)
    monkeypatch.setitem(sys.modules, "timm", None)
    encoder = choose_encoder("dinov2", pool)
    assert encoder is not None
    with pytest.raises(TuilabelError, match=r"tuilabel\[encoders\]"):
        encoder.encode(pool, "cpu")

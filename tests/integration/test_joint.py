"""A VAE of the images beside the features of a network: its latents, what of them is cached, other images, messages."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers import network
from tests.helpers.folders import colour_folder
from tests.helpers.network import NETWORK
from tuilabel.datasets import DatasetRef, HeldOut, ImagePool, ImageSplit, open_labelled, open_pool
from tuilabel.encoders import check_encoder, choose_encoder
from tuilabel.encoders.held_out import encode_pool
from tuilabel.encoders.joint import JointEncoder
from tuilabel.encoders.joint_module import JointModule, bicubic
from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.networks.pictures import squeezed
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.training import train_vae
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.open import open_learner
from tuilabel.learner.wide import WideLatentLearner

ENCODER = f"vae+{NETWORK}"
SETTINGS = TrainSettings(latent_dim=4, epochs=1, batch_size=16)


def images(n: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, size=(n, side, side, 1)).astype(np.uint8)


@pytest.fixture
def pool() -> ImagePool:
    split = ImageSplit(images(6), np.zeros(6, dtype=np.int64))
    return ImagePool.from_arrays(images(40), ("a", "b"), test=split, name="grey")


@pytest.fixture
def encoder(pool: ImagePool, tmp_path: Path) -> JointEncoder:
    file = tmp_path / "vae.safetensors"
    train_vae(pool.images, SETTINGS, file, dataset=pool.name, fingerprint=pool.fingerprint)
    chosen = choose_encoder(ENCODER, pool, checkpoint=file)
    assert isinstance(chosen, JointEncoder)
    return chosen


def test_means_come_first_and_then_the_components_of_all_features(pool: ImagePool, encoder: JointEncoder) -> None:
    assert encoder.name == ENCODER
    assert encoder.available(pool) is None
    latents = encoder.encode(pool)
    means, components = encoder.vae.encode(pool), encoder.network.encode(pool)
    assert latents.compact == 4
    assert np.array_equal(latents.pool[:, :4], means.pool)
    assert np.array_equal(latents.pool[:, 4:], components.pool[:, components.compact :])
    assert latents.test is not None
    assert latents.test.shape == (6, latents.pool.shape[1])
    again = encoder.available(pool)
    assert again is not None
    assert again.compact == 4
    assert np.array_equal(again.pool, latents.pool)


def test_the_learner_is_that_of_features_on_the_graph_of_the_vae(pool: ImagePool, encoder: JointEncoder) -> None:
    learner, _ = open_learner("latent", pool, encoder)
    assert isinstance(learner, WideLatentLearner)
    assert np.array_equal(learner.compact, encoder.vae.encode(pool).pool)


def test_the_same_images_have_the_same_latents_in_another_pool(pool: ImagePool, encoder: JointEncoder) -> None:
    others = ImagePool.from_arrays(pool.images[5:9].copy(), (), name="others")
    expected = encoder.encode(pool).pool[5:9]
    assert np.allclose(encoder.encode_others(others, pool), expected, atol=2e-3), "features in half precision"


def test_a_latent_is_decoded_by_the_vae(pool: ImagePool, encoder: JointEncoder) -> None:
    latents = encoder.encode(pool).pool[:2]
    assert np.array_equal(encoder.decoder()(latents), encoder.vae.decoder()(latents[:, :4]))


def test_a_held_out_split_keeps_what_compares_images(tmp_path: Path) -> None:
    folder = colour_folder(tmp_path / "shots", each=20, size=lambda _: (16, 16))
    pool = open_labelled(DatasetRef(str(folder), labels_from_folders=True))
    assert isinstance(pool, HeldOut)
    whole = NetworkEncoder(NETWORK).encode(pool.whole)
    for _ in range(2):
        assert encode_pool(NetworkEncoder(NETWORK), pool).compact == whole.compact is not None


def test_other_weights_of_either_part_give_other_latents(
    pool: ImagePool, encoder: JointEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = encoder.encode(pool)
    other = tmp_path / "other.safetensors"
    train_vae(pool.images, replace(SETTINGS, seed=1), other, dataset=pool.name, fingerprint=pool.fingerprint)
    changed = replace(encoder, vae=VAEEncoder(other))
    assert changed.available(pool) is None
    assert changed.encode(pool).path != before.path
    monkeypatch.setattr(network.blocks, "version", 2, raising=False)
    assert encoder.available(pool) is None


def test_a_folder_trains_its_vae_first(tmp_path: Path) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=8)))
    chosen = choose_encoder(ENCODER, pool, project=tmp_path)
    assert chosen.needs_training(pool)
    assert chosen.available(pool) is None


@pytest.mark.parametrize(("size", "side"), [((28, 28), 96), ((20, 32), 96), ((5, 31), 32)])
def test_an_exported_image_is_enlarged_as_pillow_does_it(size: tuple[int, int], side: int) -> None:
    given = np.random.default_rng(0).integers(0, 256, size=(3, *size, 1)).astype(np.uint8)
    module = JointModule(Flat(), Flat(), torch.nn.Identity(), 0, size, side)
    enlarged = module(torch.from_numpy(given))[:, size[0] * size[1] :].reshape(3, side, side, 3).numpy()
    expected = np.stack([squeezed(image, side) for image in given]).astype(np.float32)
    assert np.abs(enlarged - expected).max() <= 1, "another rounding"
    assert (enlarged == expected).mean() > 0.99
    assert np.allclose(bicubic(size[0], side).sum(axis=1), 1, atol=1e-6)


class Flat(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float().flatten(1)


def test_files_that_are_larger_than_their_copies_cannot_be_exported(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    for index, image in enumerate(images(6, side=120)):
        Image.fromarray(image[..., 0]).save(folder / f"{index}.png")
    pool = open_pool(str(folder))
    encoder = choose_encoder("vae+efficientnet_lite2", pool, project=tmp_path)
    with pytest.raises(TuilabelError, match=r"cannot be exported .*`encoder='efficientnet_lite2'`"):
        encoder.export_module(pool)


@pytest.mark.parametrize("name", ["vae+", "vae+efficientnet_lite", "vae+pca", "vae+vae"])
def test_unknown_networks_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="unknown encoder"):
        check_encoder(name)


def test_choosing_it_does_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys; import numpy as np; from tuilabel.datasets import ImagePool; "
        "from tuilabel.encoders import choose_encoder; "
        "pool = ImagePool.from_arrays(np.zeros((3, 16, 16, 1), np.uint8), ()); "
        "encoder = choose_encoder('vae+efficientnet_lite2', pool); "
        "assert encoder.needs_training(pool); assert encoder.available(pool) is None; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0

"""What all encoders support: choice by name, comparison by value, pickling to the trainer, caching by content."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.folders import colour_folder
from tests.helpers.tiny import Tiny
from tuilabel.datasets import DatasetRef, HeldOut, ImagePool, open_labelled, open_pool
from tuilabel.encoders import ENCODERS, Encoder, choose_encoder, encode
from tuilabel.encoders.base import BatchEncoder, EncoderOptions
from tuilabel.encoders.held_out import encode_pool
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.encoders.tables.encoder import LatentTable
from tuilabel.encoders.vae.checkpoint import load_checkpoint
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.inputs import to_input
from tuilabel.errors import TuilabelError, UsageError


@dataclass(frozen=True)
class Brightness(BatchEncoder):
    """An encoder as a contributor would add it."""

    power: int = 1

    @property
    def name(self) -> str:
        return "brightness"

    @property
    def cache_key(self) -> str:
        return f"brightness-{self.power}"

    @classmethod
    def choose(cls, _pool: ImagePool, _options: EncoderOptions) -> Brightness:
        return cls()

    def batches(self, pool: ImagePool, start: int, _device: str) -> Iterator[np.ndarray]:
        for image in pool.images[start:]:
            yield (image.mean(dtype=np.float32, keepdims=True).reshape(1, 1) / 255) ** self.power


def toy_images(n: int = 30, size: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 1), dtype=np.uint8)


@pytest.fixture
def pool(tiny: Tiny) -> ImagePool:
    return open_pool("fashion-mnist", tiny.data_dir)


def test_a_new_encoder_is_a_class_and_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "brightness", Brightness)
    images = toy_images()
    chosen = choose_encoder("brightness", ImagePool.from_arrays(images, ()))
    assert chosen == Brightness()
    latents = encode(images, "brightness")
    assert latents.shape == (30, 1)
    assert np.allclose(latents[:, 0], images.mean(axis=(1, 2, 3)) / 255, atol=1e-5)
    steps: list[tuple[int, int]] = []
    again = encode(images, "brightness", on_progress=lambda done, total: steps.append((done, total)))
    assert steps == [], "from the cache"
    assert np.array_equal(again, latents)
    assert not np.array_equal(encode(images, Brightness(power=2)), latents), "another cache key"
    assert chosen.decoder() is None
    with pytest.raises(TuilabelError, match="brightness cannot be exported"):
        chosen.export_module(ImagePool.from_arrays(images, ()))


def test_encoders_are_pickled_and_compared_by_value(pool: ImagePool, tiny: Tiny, tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.ones((len(pool), 3)))
    encoders = [
        choose_encoder("vae", pool, checkpoint=tiny.checkpoint),
        choose_encoder("pca", pool),
        choose_encoder("resnet18", pool),
        choose_encoder("vae", pool, latents=tmp_path / "own.npy"),
    ]
    assert [encoder and encoder.name for encoder in encoders] == ["vae", "pca", "resnet18", "own latents"]
    assert [encoder and encoder.path for encoder in encoders] == [tiny.checkpoint, None, None, tmp_path / "own.npy"]
    assert len({*encoders}) == 4
    assert [pickle.loads(pickle.dumps(encoder)) for encoder in encoders] == encoders


def test_choosing_an_encoder_does_not_load_torch() -> None:
    code = (
        "import sys; from tuilabel.datasets import open_pool; from tuilabel.encoders import choose_encoder; "
        "pool = open_pool('mnist'); [choose_encoder(name, pool) for name in ('vae', 'pca', 'resnet18')]; "
        "choose_encoder('pca', pool).encode(pool); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_encoders_are_refused_with_a_suggestion(pool: ImagePool) -> None:
    with pytest.raises(UsageError, match=r"unknown encoder 'resnet-18'.*resnet18"):
        choose_encoder("resnet-18", pool)


def test_a_pool_gets_the_same_latents_as_its_images(pool: ImagePool, tiny: Tiny) -> None:
    whole = encode(pool, checkpoint=tiny.checkpoint)
    assert (whole.shape, whole.dtype) == ((300, 6), np.float32)
    part = encode(pool.images[:40], "vae", checkpoint=tiny.checkpoint, reference=pool)
    assert np.allclose(part, whole[:40], atol=1e-2)  # half precision depends on the batch
    grey = encode(pool.images[:40, ..., 0], checkpoint=tiny.checkpoint)
    assert np.array_equal(part, grey)


def test_other_images_get_latents_in_the_space_of_a_reference(pool: ImagePool, tiny: Tiny) -> None:
    large = pool.images[:10].repeat(2, axis=1).repeat(2, axis=2)
    assert encode(large, VAEEncoder(tiny.checkpoint), reference=pool).shape == (10, 6)
    components = encode(large, "pca", reference=pool)
    assert np.allclose(components, encode(pool, "pca")[:10], atol=0.1)
    with pytest.raises(TuilabelError, match=r"28×28×1 .*56×56×1"):
        encode(large, VAEEncoder(tiny.checkpoint))
    with pytest.raises(TuilabelError, match=r"1 channel .*3 channels"):
        encode(np.zeros((2, 8, 8, 3), np.uint8), VAEEncoder(tiny.checkpoint), reference=pool)


def test_images_without_a_vae_are_an_error_that_names_what_to_pass() -> None:
    with pytest.raises(TuilabelError, match=r"no VAE for these images yet.*`checkpoint`.*`encoder='pca'`"):
        encode(toy_images())


@pytest.mark.parametrize("images", [np.zeros((3, 4)), np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 5), np.uint8)])
def test_arrays_that_are_not_images_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="images must"):
        encode(images, "pca")


def test_a_table_of_latents_covers_the_pool_and_perhaps_the_test_split(pool: ImagePool, tmp_path: Path) -> None:
    table = np.arange(360.0 * 2).reshape(360, 2)
    for rows, has_test in ((360, True), (300, False)):
        np.save(tmp_path / "own.npy", table[:rows])
        latents = LatentTable(tmp_path / "own.npy").encode(pool)
        assert np.array_equal(latents.pool, table[:300])
        assert (latents.test is not None) == has_test
    np.save(tmp_path / "own.npy", table[:7])
    with pytest.raises(TuilabelError, match=r"has 7 rows but fashion-mnist has 300 images"):
        LatentTable(tmp_path / "own.npy").encode(pool)
    np.save(tmp_path / "own.npy", np.array(["a"]))
    with pytest.raises(UsageError, match="must hold a table of numbers"):
        choose_encoder("vae", pool, latents=tmp_path / "own.npy")
    with pytest.raises(TuilabelError, match="has no latents of images"):
        LatentTable(tmp_path / "own.npy").encode_others(ImagePool.from_arrays(toy_images(), ()), pool)


def test_a_vae_decodes_and_exports(pool: ImagePool, tiny: Tiny) -> None:
    encoder: Encoder = VAEEncoder(tiny.checkpoint)
    decoder = encoder.decoder()
    assert decoder is not None
    assert decoder(encoder.encode(pool).pool[:3]).shape == (3, 28, 28, 1)
    images = np.array(pool.images[:20])
    model, _ = load_checkpoint(tiny.checkpoint)
    with torch.inference_mode():
        exported = encoder.export_module(pool)(torch.from_numpy(images))
        expected = model.latents(to_input(images, model.config, torch.device("cpu")))
    assert torch.allclose(exported, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 37, 3), (9, 16, 3)])
def test_the_components_of_thumbnails_are_exported(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    pool = ImagePool.from_arrays(images, ())
    exported = PCAEncoder().export_module(pool)(torch.from_numpy(images)).numpy()
    assert np.allclose(exported, PCAEncoder().encode(pool).pool, atol=1e-4)


def test_latents_of_files_follow_their_names(tmp_path: Path) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=2)))
    assert encode(pool, "pca").shape == (6, 32)
    with pytest.raises(TuilabelError, match="no VAE for these images yet"):
        encode(pool)


def test_an_untrained_vae_is_chosen_and_trained_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.vae.settings.MIN_EPOCHS", 1)
    monkeypatch.setattr("tuilabel.encoders.vae.settings.MAX_EPOCHS", 1)
    pool = ImagePool.from_arrays(toy_images(), (), name="untrained")
    encoder = choose_encoder("vae", pool, project=tmp_path)
    assert encoder == VAEEncoder(tmp_path / "vae.safetensors")
    assert encoder.needs_training(pool)
    assert encoder.available(pool) is None
    with pytest.raises(TuilabelError, match=r"no VAE for untrained yet.*train-vae untrained"):
        encoder.encode(pool)
    steps: list[tuple[int, int]] = []
    encoder.train(pool, device="cpu", on_progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (30, 30)
    assert not encoder.needs_training(pool)
    assert encoder.encode(pool).pool.shape == (30, 32)
    assert not choose_encoder("pca", pool).needs_training(pool)


def test_a_held_out_split_has_the_latents_of_all_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    batches = Brightness.batches

    def counted(self: Brightness, pool: ImagePool, start: int, device: str) -> Iterator[np.ndarray]:
        encoded.append(len(pool) - start)
        yield from batches(self, pool, start, device)

    monkeypatch.setattr(Brightness, "batches", counted)
    folder = colour_folder(tmp_path / "shots", each=20, size=lambda _: (16, 16))
    pool = open_labelled(DatasetRef(str(folder), labels_from_folders=True))
    assert isinstance(pool, HeldOut)
    whole = Brightness().encode(pool.whole)
    for _ in range(2):
        latents = encode_pool(Brightness(), pool)
        assert np.array_equal(latents.pool, whole.pool[pool.indices])
        assert latents.test is not None
        assert np.array_equal(latents.test, whole.pool[pool.test_indices])
        assert latents.path not in (None, whole.path), "mapped by all processes of a simulation"
    assert encoded == [60], "what `label` has encoded is not encoded again"
    assert sorted([*pool.indices, *pool.test_indices]) == list(range(60))
    assert pool.files.names(3) == pool.whole.files.names(int(pool.indices[3]))

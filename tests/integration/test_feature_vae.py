"""The VAE on the features of a network: training, what is cached and resumed, checkpoints, latents, messages."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.helpers import network
from tests.helpers.folders import colour_folder
from tests.helpers.network import NETWORK
from tuilabel.cli import app
from tuilabel.datasets import DatasetRef, ImagePool, ImageSplit, open_pool
from tuilabel.encoders import check_encoder, choose_encoder
from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.networks.invariance import invariant_axes
from tuilabel.encoders.networks.names import BUNDLED
from tuilabel.encoders.networks.pictures import pictures
from tuilabel.encoders.networks.views import View
from tuilabel.encoders.vae.checkpoint import load_feature_checkpoint, load_tensors, save_tensors
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.feature_encoder import FeatureVAEEncoder
from tuilabel.encoders.vae.feature_model import FeatureVAE, FeatureVAEConfig
from tuilabel.encoders.vae.header import partial_path, project_checkpoint, read_header
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.run import TrainingStopped
from tuilabel.encoders.vae.settings import FeatureSettings, TrainSettings
from tuilabel.encoders.vae.training import train_vae
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.learner.trainer.prepare_messages import LatentsReady, PrepareMessage, PrepareSettings
from tuilabel.learner.trainer.prepare_worker import prepare

ENCODER = f"vae-on:{NETWORK}"
SETTINGS = FeatureSettings(latent_dim=4, epochs=3, batch_size=16, copies=2, seed=3)


def images(n: int, seed: int = 0) -> np.ndarray:
    """Smooth colours uint8 (n, 16, 16, 3), different for each image."""
    rng = np.random.default_rng([seed, n])
    corners = rng.uniform(0, 255, (n, 2, 2, 3))
    t = np.linspace(0, 1, 16)
    across = corners[:, :, :1] * (1 - t)[:, None] + corners[:, :, 1:] * t[:, None]
    return (across[:, :1] * (1 - t)[:, None, None] + across[:, 1:] * t[:, None, None]).astype(np.uint8)


@pytest.fixture
def pool() -> ImagePool:
    split = ImageSplit(images(6, seed=1), np.zeros(6, dtype=np.int64))
    return ImagePool.from_arrays(images(48), ("a",), test=split, name="smooth")


def trained(pool: ImagePool, out: Path, settings: FeatureSettings = SETTINGS) -> FeatureVAEEncoder:
    encoder = FeatureVAEEncoder(NETWORK, out)
    encoder.train_with(pool, settings, device="cpu")
    return encoder


# -- training ----------------------------------------------------------------------------------------------------------


def test_the_checkpoint_says_what_it_was_trained_on(pool: ImagePool, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    encoder = FeatureVAEEncoder(NETWORK, tmp_path / "vae.safetensors")
    encoder.train_with(pool, SETTINGS, device="cpu", command="tuilabel train-vae x", on_progress=seen.append)
    header = read_header(encoder.checkpoint)
    assert header.features is not None
    assert (header.features.network, header.features.side) == (NETWORK, 32)
    assert header.settings["copies"] == 2
    assert (header.dataset, header.image_shape, header.command) == ("smooth", (16, 16, 3), "tuilabel train-vae x")
    assert header.metrics.keys() >= {"reconstruction_nats", "kl_nats", "mutual_information_nats", "contrastive_nats"}
    assert seen[-1].epoch == seen[-1].epochs == 3
    assert not partial_path(encoder.checkpoint).exists()


def test_training_lowers_the_loss(pool: ImagePool, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    encoder = FeatureVAEEncoder(NETWORK, tmp_path / "vae.safetensors")
    encoder.train_with(pool, replace(SETTINGS, epochs=8), device="cpu", on_progress=seen.append)
    assert seen[-1].contrastive < seen[0].contrastive
    assert seen[-1].reconstruction < seen[0].reconstruction


@pytest.mark.parametrize("stop_after", [1, 3, 8])
def test_resumed_training_ends_with_the_same_model(pool: ImagePool, tmp_path: Path, stop_after: int) -> None:
    expected, _ = load_tensors(trained(pool, tmp_path / "whole").checkpoint)
    encoder = FeatureVAEEncoder(NETWORK, tmp_path / "stopped")
    steps = iter(range(100))
    with pytest.raises(TrainingStopped):
        encoder.train_with(pool, SETTINGS, device="cpu", should_stop=lambda: next(steps) >= stop_after)
    assert partial_path(encoder.checkpoint).exists()
    encoder.train_with(pool, SETTINGS, device="cpu", resume=True)
    tensors, _ = load_tensors(encoder.checkpoint)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_a_state_of_other_features_is_not_resumed(
    pool: ImagePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilabel.encoders.vae.settings.STEPS", 4)
    encoder = FeatureVAEEncoder(NETWORK, tmp_path / "vae")
    encoder.features(pool, SETTINGS)
    with pytest.raises(TrainingStopped):
        encoder.train_with(pool, SETTINGS, device="cpu", should_stop=iter([False] * 4 + [True]).__next__)
    other = FeatureVAEEncoder("tests.helpers.network:corners", encoder.checkpoint)
    with pytest.raises(TuilabelError, match=r"was trained with network .*blocks, not .*corners"):
        other.train_with(pool, SETTINGS, device="cpu", resume=True)
    other.train(pool, device="cpu")  # in the background it starts over
    assert read_header(other.checkpoint).features.network.endswith("corners")  # type: ignore[union-attr]


def test_features_that_are_finished_are_kept_when_training_is_stopped_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ImagePool.from_arrays(images(48, seed=7), ())
    monkeypatch.setattr("tuilabel.encoders.networks.encoder.BLOCK", 16)
    encoder = FeatureVAEEncoder(NETWORK, tmp_path / "vae")
    steps: list[tuple[int, int]] = []
    with pytest.raises(TrainingStopped, match="features so far are kept"):
        encoder.train_with(
            pool, SETTINGS, on_features=lambda *step: steps.append(step), should_stop=lambda: len(steps) > 2
        )
    assert steps[-1] == (48, 144), "of 48 images and two copies of each"
    again: list[tuple[int, int]] = []
    encoder.train_with(pool, SETTINGS, on_features=lambda *step: again.append(step))
    assert again[0] == (48, 144)
    assert again[-1] == (144, 144)


def test_a_copy_of_an_image_does_not_depend_on_batches() -> None:
    pixels = images(9)
    view = View("photos", 1)
    whole = view.of(pixels, 0)
    assert np.array_equal(np.concatenate(list(view.of_batches([pixels[:4], pixels[4:]], 0))), whole)
    assert np.array_equal(view.of(pixels[5:], 5), whole[5:])
    assert whole.shape == pixels.shape
    assert not np.array_equal(whole, pixels)
    assert not np.array_equal(View("photos", 2).of(pixels, 0), whole)


def test_directions_that_augmentations_change_come_last() -> None:
    rng = np.random.default_rng(0)
    content, noise = rng.normal(size=(300, 3)), rng.normal(scale=5, size=(4, 300, 3))
    views = np.concatenate([np.broadcast_to(content, noise.shape), noise], axis=2)
    mean, axes = invariant_axes(views[0], list(views[1:]), 3)
    assert mean.shape == (6,)
    assert axes.shape == (6, 3)
    assert np.square(axes[3:]).sum() < 0.01 * np.square(axes[:3]).sum()
    assert np.square((views[0] - mean) @ axes).mean() == pytest.approx(1, rel=0.01)


def test_a_pool_of_equal_images_is_trained_on(tmp_path: Path) -> None:
    pixels = np.full((20, 16, 16, 3), 90, dtype=np.uint8)
    pixels[-1] = 91
    same = ImagePool.from_arrays(pixels, ())
    latents = trained(same, tmp_path / "vae").encode(same, "cpu")
    assert np.isfinite(latents.pool).all()


def test_without_augmentation_no_copies_are_made(pool: ImagePool, tmp_path: Path) -> None:
    settings = FeatureSettings.for_features(len(pool), "photos", augment=False, epochs=2, latent_dim=4)
    assert settings.copies == 0
    encoder = trained(pool, tmp_path / "vae", settings)
    assert load_feature_checkpoint(encoder.checkpoint)[0].cluster is None


def test_settings_suit_the_number_of_images() -> None:
    few, many = (FeatureSettings.for_features(n, "photos") for n in (500, 50_000))
    assert few.epochs > many.epochs
    assert few.copies > many.copies >= 2
    assert FeatureSettings.for_features(500, "photos", epochs=7, copies=3).copies == 3
    with pytest.raises(UsageError, match="copies must be at least 2"):
        FeatureSettings.for_features(500, "photos", copies=1)


# -- latents -----------------------------------------------------------------------------------------------------------


def test_latents_are_means_followed_by_the_components_of_the_features(pool: ImagePool, tmp_path: Path) -> None:
    encoder = trained(pool, tmp_path / "vae")
    assert encoder.available(pool) is None
    latents = encoder.encode(pool, "cpu")
    components = NetworkEncoder(NETWORK).encode(pool, "cpu")
    assert latents.compact == 4
    assert latents.test is not None
    assert components.test is not None
    assert components.compact is not None
    assert np.array_equal(latents.pool[:, 4:], components.pool[:, components.compact :])
    assert np.array_equal(latents.test[:, 4:], components.test[:, components.compact :])
    again = encoder.available(pool)
    assert again is not None
    assert np.array_equal(again.pool, latents.pool)
    assert again.compact == 4


def test_other_images_are_encoded_like_the_pool(pool: ImagePool, tmp_path: Path) -> None:
    encoder = trained(pool, tmp_path / "vae")
    latents = encoder.encode(pool, "cpu").pool
    others = ImagePool.from_arrays(pool.images[10:20], (), name="others")
    assert np.allclose(encoder.encode_others(others, pool, "cpu"), latents[10:20], atol=1e-4)


def test_another_checkpoint_gives_other_cached_latents(pool: ImagePool, tmp_path: Path) -> None:
    one = trained(pool, tmp_path / "one").encode(pool, "cpu").pool
    two = trained(pool, tmp_path / "two", replace(SETTINGS, seed=4)).encode(pool, "cpu").pool
    assert not np.allclose(one[:, :4], two[:, :4])
    assert np.array_equal(one[:, 4:], two[:, 4:])


def test_there_is_no_decoder(pool: ImagePool, tmp_path: Path) -> None:
    assert FeatureVAEEncoder(NETWORK, tmp_path / "vae").decoder() is None


# -- checkpoints and messages ------------------------------------------------------------------------------------------


def test_the_encoder_is_chosen_by_name(pool: ImagePool, tmp_path: Path) -> None:
    encoder = choose_encoder(ENCODER, pool, project=tmp_path)
    assert encoder.name == ENCODER
    assert encoder.needs_training(pool)
    assert encoder.path == project_checkpoint(tmp_path, NETWORK)
    assert encoder.path.name == "vae-on-tests.helpers.network-blocks.safetensors"
    given = trained(pool, tmp_path / "mine.safetensors").checkpoint
    chosen = choose_encoder(ENCODER, pool, checkpoint=given)
    assert chosen.path == given
    assert not chosen.needs_training(pool)


def test_choosing_it_does_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys; import numpy as np; from tuilabel.datasets import ImagePool; "
        "from tuilabel.encoders import choose_encoder; "
        "pool = ImagePool.from_arrays(np.zeros((3, 16, 16, 3), np.uint8), ()); "
        "encoder = choose_encoder('vae-on:efficientnet_lite2', pool); "
        "assert encoder.needs_training(pool); assert encoder.available(pool) is None; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["vae-on:", "vae-on:efficientnet_lite", "vae-on:vae", "vae-on"])
def test_unknown_networks_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="encoder"):
        check_encoder(name)


def test_checkpoints_for_something_else_are_refused(
    pool: ImagePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_features = trained(pool, tmp_path / "features").checkpoint
    pixels = tmp_path / "pixels"
    train_vae(pool.images, TrainSettings(latent_dim=4, epochs=1, batch_size=16), pixels, dataset="p", fingerprint="f")
    assert "features" not in json.loads(read_header(pixels).to_json()), "earlier programs do not know it"

    def message(encoder: str, checkpoint: Path, of: ImagePool = pool) -> str:
        with pytest.raises(TuilabelError) as error:
            choose_encoder(encoder, of, checkpoint=checkpoint)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "holds a VAE of images, not of features" in message(ENCODER, pixels)
    assert f"pass `encoder='{ENCODER}'`" in message("vae", on_features)
    assert f"for features of {NETWORK}, not efficientnet_lite2" in message("vae-on:efficientnet_lite2", on_features)
    assert "no checkpoint at" in message(ENCODER, tmp_path / "missing")
    (tmp_path / "short").write_bytes(on_features.read_bytes()[:-100])
    assert "truncated" in message(ENCODER, tmp_path / "short")
    monkeypatch.setattr(network.blocks, "version", 2, raising=False)
    assert "other weights" in message(ENCODER, on_features)
    monkeypatch.delattr(network.blocks, "version")
    monkeypatch.setattr(network.blocks, "side", 64)
    assert "seen at 32 pixels" in message(ENCODER, on_features)


def test_a_checkpoint_with_weights_of_another_shape_is_damaged(pool: ImagePool, tmp_path: Path) -> None:
    encoder = trained(pool, tmp_path / "vae")
    tensors, header = load_tensors(encoder.checkpoint)
    save_tensors(encoder.checkpoint, {**tensors, "mean": torch.zeros(3)}, header)
    with pytest.raises(TuilabelError, match="do not fit its header"):
        encoder.encode(pool, "cpu")


def test_configurations_are_checked() -> None:
    config = FeatureVAEConfig(8, 4, latent_dim=2, hidden=16, clusters=(3,))
    assert FeatureVAEConfig.from_json(config.to_json()) == config
    assert FeatureVAE(config).latents(torch.zeros(5, 8)).shape == (5, 2)
    for wrong in ({"latent_dim": 0}, {"clusters": (1,)}):
        with pytest.raises(ValueError, match="must be at least"):
            replace(config, **wrong)


# -- commands and sessions ---------------------------------------------------------------------------------------------


def test_train_and_encode_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = colour_folder(tmp_path / "shots", each=8)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> dict[str, object]:
        done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        document: dict[str, object] = json.loads(done.stdout)
        return document

    refused = CliRunner().invoke(app, ["encode", str(folder), "--encoder", ENCODER])
    assert refused.exit_code != 0
    options = ("--on", NETWORK, "--epochs", "2", "--latent-dim", "3", "--copies", "2", "--batch-size", "8")
    document = run("train-vae", str(folder), *options)
    assert document["on"] == NETWORK
    assert document["checkpoint"] == "checkpoints/shots-on-tests.helpers.network-blocks.safetensors"
    assert f"--on {NETWORK}" in str(document["command"])
    encoded = run("encode", str(folder), "--encoder", ENCODER)
    assert (encoded["encoder"], encoded["items"]) == (ENCODER, 24)
    wrong = CliRunner().invoke(app, ["train-vae", str(folder), "--copies", "3"])
    assert isinstance(wrong.exception, UsageError)
    assert "pass `--on` too" in str(wrong.exception)


def test_a_session_trains_it_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.vae.settings.STEPS", 4)
    folder = colour_folder(tmp_path / "shots", each=8)
    pool = open_pool(str(folder))
    encoder = choose_encoder(ENCODER, pool, project=tmp_path)
    messages: list[PrepareMessage] = []
    settings = PrepareSettings(DatasetRef(str(folder)), None, (encoder,), "cpu", 0)
    prepare(settings, messages.append, lambda: False)
    assert messages[-1] == LatentsReady(encoder)
    training = [message for message in messages if isinstance(message, TrainerProgress) and message.stage == "vae"]
    assert training[-1].done == training[-1].total
    assert [message.done for message in training] == sorted(message.done for message in training)
    latents = encoder.available(pool)
    assert latents is not None
    assert (len(latents.pool), latents.compact) == (24, 64)


def test_the_pixel_vae_is_found_beside_it(pool: ImagePool, tmp_path: Path) -> None:
    assert choose_encoder("vae", pool, project=tmp_path) == VAEEncoder(tmp_path / "vae.safetensors")


def test_it_is_exported_with_its_network(tmp_path: Path) -> None:
    pool = ImagePool.from_arrays(images(24), (), name="exported")
    encoder = FeatureVAEEncoder(BUNDLED, tmp_path / "v.safetensors")
    encoder.train_with(pool, SETTINGS, device="cpu")
    side = encoder.export_input(pool).height
    seen = np.concatenate([*pictures(pool, 0, side, 8)])
    with torch.inference_mode():
        latents = encoder.export_module(pool)(torch.from_numpy(seen)).numpy()
    assert np.allclose(latents, encoder.encode(pool, "cpu").pool, atol=0.02), "features are kept in half precision"

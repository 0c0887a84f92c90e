"""The VAE: losses, augmentations, training that can be stopped and resumed, checkpoints and their error messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.tiny import Tiny
from tuilabel.cli.render.preview import preview
from tuilabel.datasets import open_pool
from tuilabel.encoders.device import resolve_device
from tuilabel.encoders.vae.augmentations import AUGMENTATIONS, _bicubic, augment
from tuilabel.encoders.vae.checkpoint import load_checkpoint, load_tensors, save_tensors
from tuilabel.encoders.vae.decode import reconstruct
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import check_fits, find_checkpoint, partial_path, read_header
from tuilabel.encoders.vae.inputs import to_input
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.model import VAE, VAEConfig, smoothed
from tuilabel.encoders.vae.objective import TEMPERATURE, contrastive_loss, kl_divergence, mutual_information
from tuilabel.encoders.vae.optimizer import WEIGHT_DECAY, Muon
from tuilabel.encoders.vae.run import TrainingStopped
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.smoothing import SHARES, best_smoothing
from tuilabel.encoders.vae.training import train_vae
from tuilabel.errors import TuilabelError, UsageError

SETTINGS = TrainSettings(latent_dim=4, epochs=3, batch_size=32, seed=3)


def blobs(n: int = 160, size: int = 16, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    images = np.zeros((n, size, size, channels), dtype=np.uint8)
    for image in images:
        y, x = rng.integers(2, size - 6, size=2)
        image[y : y + 4, x : x + 4] = 255
    return images


def train(out: Path, settings: TrainSettings = SETTINGS, **options: object) -> VAE:
    images = options.pop("images", blobs())
    model, _ = train_vae(images, settings, out, dataset="toy", fingerprint="f", **options)  # type: ignore[arg-type]
    return model


@pytest.mark.parametrize("shape", [(16, 16, 1), (28, 28, 1), (32, 32, 3), (128, 128, 3), (17, 45, 3), (100, 16, 1)])
def test_any_size_and_number_of_channels_is_reconstructed_in_the_same_shape(shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    model = VAE(VAEConfig(height, width, channels, latent_dim=5))
    x = torch.rand(2, channels, height, width)
    mean, log_variance = model.encode(x)
    assert mean.shape == log_variance.shape == (2, 5)
    assert model.decode(mean).shape == x.shape
    reconstruction, kl, information, contrast = model(x, x, second=x)
    assert contrast >= 0
    assert reconstruction.isfinite()
    assert kl >= 0
    assert information >= -1e-6
    assert model(x, x)[2] == 0


@pytest.mark.parametrize("size", [28, 45])
def test_all_gradients_of_feature_maps_have_channels_last(size: int) -> None:
    """With the layouts mixed, backward passes of normalisation took eight times as long."""
    model = VAE(VAEConfig(size, size, 1, latent_dim=5)).to(memory_format=torch.channels_last)
    last: list[bool] = []

    def watch(_module: torch.nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            output.register_hook(lambda grad: last.append(grad.is_contiguous(memory_format=torch.channels_last)))

    for module in model.modules():
        module.register_forward_hook(watch)
    x = torch.rand(4, 1, size, size)
    model(x, x, second=x).reconstruction.backward()
    assert len(last) > 20
    assert all(last)


def test_feature_maps_are_flattened_in_the_order_of_earlier_checkpoints() -> None:
    model, x = VAE(VAEConfig(16, 16, 1)), torch.rand(2, 8, 4, 4)
    flatten = next(module for module in model.modules() if isinstance(module, torch.nn.Flatten))
    assert torch.equal(flatten.train()(x), x.flatten(1))
    assert torch.equal(flatten.eval()(x), x.flatten(1))


def test_losses_are_nats_per_image() -> None:
    mean, log_variance = torch.randn(6, 3), torch.randn(6, 3)
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1)).sum(1).mean()
    assert kl_divergence(mean, log_variance) == pytest.approx(float(expected), rel=1e-5)
    model = VAE(VAEConfig(16, 16, 1, latent_dim=3))
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
    x = torch.rand(4, 1, 16, 16)
    assert float(model(x, x)[0].detach()) == pytest.approx(256 * np.log(2), rel=1e-5)


def test_mutual_information_matches_the_joint_distribution() -> None:
    one, two = torch.rand(200, 5).softmax(1), torch.rand(200, 5).softmax(1)
    joint = torch.stack([torch.outer(a, b) + torch.outer(b, a) for a, b in zip(one, two, strict=True)]).sum(0) / 400
    independent = torch.outer(joint.sum(1), joint.sum(0))
    expected = float((joint * (joint / independent).log()).sum())
    assert float(mutual_information(one, two)) == pytest.approx(expected, abs=1e-6)
    sure = torch.eye(4).repeat(10, 1)
    assert float(mutual_information(sure, sure)) == pytest.approx(np.log(4), abs=1e-4)
    assert float(mutual_information(sure[:1].repeat(40, 1), sure[:1].repeat(40, 1))) == pytest.approx(0, abs=1e-4)


def test_contrastive_loss_is_the_cross_entropy_of_identifying_the_other_view() -> None:
    one, two = torch.randn(5, 3), torch.randn(5, 3)
    views = [v / v.norm() for v in (*one, *two)]
    losses = []
    for i, view in enumerate(views):
        scores = {j: float(view @ other) / TEMPERATURE for j, other in enumerate(views) if j != i}
        losses.append(np.log(sum(np.exp(s) for s in scores.values())) - scores[(i + 5) % 10])
    assert float(contrastive_loss(one, two)) == pytest.approx(np.mean(losses), rel=1e-4)


def test_old_checkpoints_without_clusters_or_with_one_head_are_read(tmp_path: Path) -> None:
    train(tmp_path / "plain", replace(SETTINGS, mi_weight=0.0, contrastive_weight=0.0))
    model, header = load_checkpoint(tmp_path / "plain")
    assert model.cluster is None
    architecture = {
        name: value for name, value in header.architecture.items() if name not in ("clusters", "projection")
    }
    assert VAEConfig.from_json(architecture) == model.config
    assert VAEConfig.from_json({**architecture, "clusters": 64}).clusters == (64,)
    assert VAEConfig.from_json({**architecture, "clusters": 0}).clusters == ()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_only_augmentations_with_mirror_flip_images(name: str) -> None:
    images = torch.zeros(64, 1, 16, 16)
    images[..., :8] = 1
    still = replace(AUGMENTATIONS[name], rotation=0, scale=0, shear=0, shift=0, elastic=0, zoom=0, colour=0)
    views = augment(images, torch.Generator().manual_seed(0), still)
    turned = (views[..., 12] > 0.5).float().mean().item()
    assert turned == pytest.approx(0.5, abs=0.2) if still.mirror else turned == 0


def test_colour_changes_only_colour_images() -> None:
    still = replace(AUGMENTATIONS["photos"], rotation=0, scale=0, shear=0, shift=0, elastic=0, zoom=0, mirror=False)
    grey, coloured = torch.full((8, 1, 16, 16), 0.5), torch.full((8, 3, 16, 16), 0.5)
    assert torch.allclose(
        augment(grey, torch.Generator().manual_seed(0), still)[..., 4:12, 4:12], grey[..., 4:12, 4:12]
    )
    views = augment(coloured, torch.Generator().manual_seed(0), still)
    assert len(views[:, :, 8, 8].unique()) > 12
    assert 0 <= views.min() <= views.max() <= 1


def test_light_and_shade_change_brightness_and_keep_black() -> None:
    still = replace(AUGMENTATIONS["objects"], rotation=0, scale=0, shear=0, shift=0, elastic=0, light=0, shade=0)
    images = torch.zeros(64, 1, 16, 16)
    images[..., 4:12, 4:12] = 0.5
    for family, within in ((replace(still, light=0.5), 1e-5), (replace(still, shade=0.3), 0.02)):
        views = augment(images, torch.Generator().manual_seed(0), family)
        assert views[..., :2].abs().max() < 0.01
        assert views[..., 8, 8].min() < 0.4 < 0.6 < views[..., 8, 8].max() <= 1
        across = views[..., 6:10, 6:10].flatten(1)
        spread = (across.amax(1) - across.amin(1)).max()
        assert spread < within if family.light else spread > within


def test_warping_is_bicubic_between_control_points() -> None:
    points = torch.randn(3, 25, generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.interpolate(points.view(1, 3, 5, 5), (20, 31), mode="bicubic", align_corners=False)
    assert torch.allclose((points @ _bicubic(20, 31, torch.device("cpu"))).view(1, 3, 20, 31), expected, atol=1e-5)


def test_views_differ_stay_in_range_and_depend_on_the_generator() -> None:
    images = torch.rand(8, 3, 20, 30)
    one = augment(images, torch.Generator().manual_seed(1))
    again = augment(images, torch.Generator().manual_seed(1))
    other = augment(images, torch.Generator().manual_seed(2))
    assert one.shape == images.shape
    assert one.min() >= 0
    assert one.max() <= 1 + 1e-5
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.allclose(one, images, atol=0.05)


def test_images_of_another_size_are_resized() -> None:
    config = VAEConfig(16, 16, 1)
    checkers = np.indices((32, 32)).sum(0)[None, ..., None] % 2 * 255
    assert to_input(checkers.astype(np.uint8), config, torch.device("cpu")).sub(0.5).abs().max() < 0.01
    assert to_input(np.full((1, 8, 8, 1), 255, np.uint8), config, torch.device("cpu")).min() == 1


def test_training_reduces_the_loss_and_reports_progress(tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    model = train(tmp_path / "vae.safetensors", replace(SETTINGS, epochs=8), on_progress=seen.append)
    assert [p.epoch for p in seen] == sorted(p.epoch for p in seen)
    assert seen[-1].epoch == seen[-1].epochs == 8
    assert seen[-1].images_done == seen[-1].images_total
    assert seen[-1].reconstruction < 0.8 * seen[0].reconstruction
    assert seen[-1].images_per_second > 0
    assert not model.training
    assert not partial_path(tmp_path / "vae.safetensors").exists()


def test_a_checkpoint_records_its_training_and_gives_the_same_latents(tmp_path: Path) -> None:
    out = tmp_path / "vae.safetensors"
    model = train(out, command="tuilabel train-vae toy")
    loaded, header = load_checkpoint(out)
    assert header.command == "tuilabel train-vae toy"
    assert header.settings["epochs"] == header.epochs_done == 3
    assert header.image_shape == (16, 16, 1)
    assert set(header.metrics) == {
        "reconstruction_nats",
        "kl_nats",
        "mutual_information_nats",
        "contrastive_nats",
        "seconds",
    }
    x = to_input(blobs(5), loaded.config, torch.device("cpu"))
    with torch.no_grad():
        assert torch.equal(loaded.encode(x)[0], model.encode(x)[0])


def test_smoothing_spreads_pixels_and_keeps_their_sum() -> None:
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    one = torch.tensor([0, 0.1, 0.8, 0.1, 0])
    assert torch.allclose(smoothed(point, 0.1)[0, 0], torch.outer(one, one))
    flat = torch.full((1, 3, 4, 4), 0.7)
    assert torch.allclose(smoothed(flat, 0.2), flat), "also at the edges"
    assert torch.equal(smoothed(point, 0.0), point)


def test_smoothed_images_are_encoded_close_to_their_views() -> None:
    """The encoder has only seen resampled views: sharp images would be mapped elsewhere."""
    model, _ = load_checkpoint(find_checkpoint("mnist"))
    images = to_input(open_pool("mnist").images[-200:], model.config, torch.device("cpu"))
    draw = torch.Generator().manual_seed(5)
    with torch.inference_mode():
        views = torch.stack([model.encode(augment(images, draw))[0] for _ in range(8)]).mean(0)
        sharp, _ = model.encode(images)
        soft = model.latents(images)
    assert float((soft - views).square().mean() / (sharp - views).square().mean()) < 0.4


def test_the_best_smoothing_makes_images_as_soft_as_their_views() -> None:
    class Sharpness(VAE):
        def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            steps = x.diff(dim=-1).square().mean((1, 2, 3))[:, None]
            return steps, steps

    model, images, draw = Sharpness(VAEConfig(16, 16, 1)), torch.rand(64, 1, 16, 16), torch.Generator().manual_seed(0)
    still = replace(AUGMENTATIONS["glyphs"], rotation=0, scale=0, shear=0, shift=0, elastic=0)
    assert best_smoothing(model, images, still, draw) == 0
    share = best_smoothing(model, images, AUGMENTATIONS["glyphs"], draw)
    assert 0 < share < max(SHARES)


def test_smoothing_is_saved_and_is_0_in_old_checkpoints(tmp_path: Path) -> None:
    model = train(tmp_path / "new")
    assert float(load_checkpoint(tmp_path / "new")[0].smoothing) == float(model.smoothing)
    assert float(train(tmp_path / "clean", replace(SETTINGS, augment=False)).smoothing) == 0
    tensors, header = load_tensors(tmp_path / "new")
    del tensors["smoothing"]
    save_tensors(tmp_path / "old", tensors, replace(header, version=1))
    assert float(load_checkpoint(tmp_path / "old")[0].smoothing) == 0


def test_an_unfinished_training_of_an_earlier_format_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        train(tmp_path / "begun", should_stop=lambda: True)
    tensors, header = load_tensors(partial_path(tmp_path / "begun"))
    save_tensors(partial_path(tmp_path / "begun"), tensors, replace(header, version=2))
    with pytest.raises(TuilabelError, match=r"earlier tuilabel.*without `resume`"):
        train(tmp_path / "begun", resume=True)


def with_old_names(path: Path) -> None:
    """Rewrite a checkpoint's header with the names that tuilabel 0.1.0 wrote."""
    tensors, header = load_tensors(path)
    names = {
        "augmentations": "views",
        "mi_weight": "information",
        "contrastive_weight": "contrast",
        "mutual_information_nats": "information_nats",
        "contrastive_nats": "contrast_nats",
    }
    settings, metrics = (
        {names.get(name, name): value for name, value in values.items()} for values in (header.settings, header.metrics)
    )
    assert "information" in settings
    save_tensors(path, tensors, replace(header, settings=settings, metrics=metrics))


def test_settings_and_metrics_of_an_old_checkpoint_get_their_current_names(tmp_path: Path) -> None:
    train(tmp_path / "vae")
    header = read_header(tmp_path / "vae")
    with_old_names(tmp_path / "vae")
    assert read_header(tmp_path / "vae") == header
    assert TrainSettings(**header.settings) == SETTINGS
    assert TrainSettings(**read_header(find_checkpoint("mnist")).settings) == TrainSettings.for_augmentations("glyphs")


def test_an_unfinished_training_with_the_old_names_resumes(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    steps = iter(range(7))
    with pytest.raises(TrainingStopped):
        train(tmp_path / "stopped", should_stop=lambda: next(steps, None) is None)
    with_old_names(partial_path(tmp_path / "stopped"))
    assert weights_differ(train(tmp_path / "stopped", resume=True), whole) < 1e-6


@pytest.mark.parametrize("shape", [(20, 33), (33, 20), (24, 16, 3, 3)])
def test_muon_moves_every_direction_of_a_matrix_by_the_same_amount(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    start = torch.randn(shape).to(memory_format=torch.channels_last if len(shape) == 4 else torch.contiguous_format)
    weight, momentum = torch.nn.Parameter(start.clone(memory_format=torch.preserve_format)), torch.zeros(shape)
    muon, lr = Muon([weight], lr=0.01, momentum=0.8), 0.01
    for _ in range(3):
        weight.grad = torch.randn(shape) * torch.logspace(0, -2, shape[1]).view(-1, *[1] * (len(shape) - 2))
        before = weight.detach().clone()
        momentum = 0.8 * momentum + weight.grad
        u, _, v = torch.linalg.svd((weight.grad + 0.8 * momentum).flatten(1), full_matrices=False)
        muon.step()
        step = (before * (1 - lr * WEIGHT_DECAY) - weight.detach()).flatten(1) / (
            0.2 * lr * max(u.shape[0], v.shape[1]) ** 0.5
        )
        assert torch.nn.functional.cosine_similarity(step.flatten(), (u @ v).flatten(), dim=0) > 0.95
        assert 0.6 < torch.linalg.svdvals(step).min() <= torch.linalg.svdvals(step).max() < 1.3


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    one, two, other = (train(tmp_path / f"{k}", replace(SETTINGS, seed=k // 2)) for k in (0, 1, 2))
    assert weights_differ(one, two) == 0
    assert weights_differ(one, other) > 0


@pytest.mark.parametrize("stop_after", [0, 1, 5, 7, 12])
def test_a_resumed_training_gives_the_same_model_as_an_uninterrupted_one(tmp_path: Path, stop_after: int) -> None:
    whole = train(tmp_path / "whole")
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > stop_after

    out = tmp_path / "stopped"
    with pytest.raises(TrainingStopped, match=f"stopped in epoch {stop_after // 5 + 1} of 3"):
        train(out, should_stop=should_stop)
    assert not out.exists()
    assert weights_differ(train(out, resume=True), whole) < 1e-6


def test_resuming_a_different_run_is_an_error(tmp_path: Path) -> None:
    out = tmp_path / "vae"
    with pytest.raises(TuilabelError, match="no unfinished training to resume"):
        train(out, resume=True)
    with pytest.raises(TrainingStopped):
        train(out, should_stop=lambda: True)
    with pytest.raises(TuilabelError, match=r"with beta 1\.0, not 2\.0"):
        train(out, replace(SETTINGS, beta=2.0), resume=True)
    partial = partial_path(out)
    partial.write_bytes(partial.read_bytes()[:-1000])
    with pytest.raises(TuilabelError, match="truncated"):
        train(out, resume=True)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be greater than 0"),
        ({"beta": -1.0}, "beta must not be negative"),
        ({"latent_dim": 0}, "latent_dim must be at least 1"),
    ],
)
def test_settings_out_of_range_are_named(options: dict[str, float], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        TrainSettings(**options)  # type: ignore[arg-type]


def test_a_diverging_loss_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TuilabelError, match="lower `lr`"):
        train(tmp_path / "vae", replace(SETTINGS, lr=1e30, epochs=1), images=blobs(400))


def test_tiny_images_are_enlarged_to_the_smallest_input(tmp_path: Path) -> None:
    model = train(tmp_path / "vae", replace(SETTINGS, epochs=1), images=blobs(40, size=9, channels=3))
    assert (model.config.height, model.config.width) == (16, 16)
    assert read_header(tmp_path / "vae").image_shape == (9, 9, 3)


@pytest.mark.parametrize("length", [0, 4, 100, 5000])
def test_a_truncated_checkpoint_is_an_error(tiny: Tiny, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny.checkpoint.read_bytes()[:length])
    with pytest.raises(TuilabelError, match=r"cut\.safetensors"):
        read_header(path)
    with pytest.raises(TuilabelError, match=r"cut\.safetensors"):
        load_checkpoint(path)


def test_a_checkpoint_for_other_images_is_an_error(tiny: Tiny) -> None:
    pool = open_pool("fashion-mnist", tiny.data_dir)
    header = replace(read_header(tiny.checkpoint), image_shape=(32, 32, 3))
    with pytest.raises(TuilabelError, match=r"32×32×3.*28×28×1.*train-vae fashion-mnist"):
        check_fits(header, pool)


def test_checkpoints_are_found_by_dataset_or_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("mnist").is_file()
    with pytest.raises(TuilabelError, match="tuilabel train-vae svhn"):
        find_checkpoint("svhn")
    with pytest.raises(TuilabelError, match="no checkpoint at nowhere"):
        find_checkpoint("mnist", Path("nowhere"))


def test_the_shipped_checkpoint_records_its_command_and_pool() -> None:
    header = read_header(find_checkpoint("mnist"))
    assert header.command == "tuilabel train-vae mnist"
    assert header.fingerprint == open_pool("mnist").fingerprint
    check_fits(header, open_pool("mnist"))


def test_unknown_and_unavailable_devices_are_errors() -> None:
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match="device must be auto, cpu, cuda, cuda:0 or mps, got 'gpu'"):
        resolve_device("gpu")
    with pytest.raises(UsageError, match="no device 'cuda:97'"):
        resolve_device("cuda:97")


def test_latents_are_encoded_once_and_cached_by_content(tiny: Tiny, tmp_path: Path) -> None:
    pool = open_pool("fashion-mnist", tiny.data_dir)
    steps: list[tuple[int, int]] = []
    known = VAEEncoder(tiny.checkpoint).available(pool)
    if known is not None and known.path is not None:  # of another test
        known.path.unlink()
    first = VAEEncoder(tiny.checkpoint).encode(pool, on_progress=lambda done, total: steps.append((done, total)))
    assert steps[0] == (0, 360)
    assert steps[-1] == (360, 360)
    assert first.pool.shape == (300, 6)
    assert first.test is not None
    assert first.test.shape == (60, 6)
    assert first.pool.dtype == np.float32
    again = VAEEncoder(tiny.checkpoint).encode(pool, on_progress=lambda *_: pytest.fail("encoded again"))
    assert np.array_equal(again.pool, first.pool)
    other = tmp_path / "other.safetensors"
    train_vae(pool.images, SETTINGS, other, dataset=pool.name, fingerprint=pool.fingerprint)
    assert VAEEncoder(other).available(pool) is None


def test_truncated_latents_are_encoded_again(tiny: Tiny) -> None:
    pool = open_pool("fashion-mnist", tiny.data_dir)
    first = VAEEncoder(tiny.checkpoint).encode(pool)
    assert first.path is not None
    values = np.array(first.pool)
    content = first.path.read_bytes()
    first.path.unlink()
    first.path.write_bytes(content[:-50])
    assert VAEEncoder(tiny.checkpoint).available(pool) is None
    assert np.allclose(VAEEncoder(tiny.checkpoint).encode(pool).pool, values, atol=1e-5)


def test_the_preview_shows_originals_above_reconstructions(tiny: Tiny) -> None:
    from rich.console import Console

    model, _ = load_checkpoint(tiny.checkpoint)
    images = open_pool("fashion-mnist", tiny.data_dir).images[:6]
    made = reconstruct(model, images)
    assert made.shape == (6, 28, 28, 1)
    console = Console(width=80, record=True, force_terminal=True)
    console.print(preview(images, made, 80))
    text = console.export_text()
    assert text.index("originals") < text.index("▄") < text.index("reconstructions")


def weights_differ(one: VAE, two: VAE) -> float:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return max(float((a.float() - b.float()).abs().max()) for a, b in pairs)

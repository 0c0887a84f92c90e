"""Encoders of other libraries and functions of the user's, with small weights made here: no network is needed."""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from tests.helpers.folders import colour_folder
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import choose_encoder, encode
from tuilabel.encoders.networks import NetworkEncoder, load_network
from tuilabel.encoders.networks.names import parse_name
from tuilabel.encoders.networks.network import describe_network, fetch_weights
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.learner.trainer.messages import TrainerProgress
from tuilabel.learner.trainer.prepare_messages import EncoderFailed, LatentsReady, PrepareMessage, PrepareSettings
from tuilabel.learner.trainer.prepare_worker import prepare


def images(n: int = 5, side: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


# -- torchvision -------------------------------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights of a resnet18 where torchvision looks for them."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr("tuilabel.encoders.networks.providers.torchvision.HASH", "(never)")
    torch.manual_seed(0)
    url = models.get_model_weights("resnet18").DEFAULT.url
    file = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(models.resnet18().state_dict(), file)
    return file


def test_features_of_torchvision_are_kept_for_their_weights(tmp_path: Path, weights: Path) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=3)))
    encoder = choose_encoder("resnet18", pool)
    assert isinstance(encoder, NetworkEncoder)
    assert encoder.available(pool) is None
    latents = encoder.encode(pool, "cpu").pool
    assert len(latents) == 9
    assert np.array_equal(encoder.encode(pool, "cpu").pool, latents), "from the cache"
    assert encoder.features(pool, "cpu").shape == (9, 512)
    torch.manual_seed(1)
    torch.save(models.resnet18().state_dict(), weights)
    assert encoder.available(pool) is None, "other weights"
    assert not np.allclose(encoder.encode(pool, "cpu").pool, latents, atol=0.1)


def test_damaged_and_missing_weights_are_one_clear_line(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=1)))
    encoder = choose_encoder("resnet18", pool)
    torch.save({"conv1.weight": torch.zeros(1)}, weights)
    with pytest.raises(TuilabelError, match="are not those of resnet18"):
        encoder.encode(pool, "cpu")

    weights.unlink()

    def unreachable(*_: object, **__: object) -> object:
        raise URLError("no network")

    monkeypatch.setattr("tuilabel.encoders.networks.weights.urlopen", unreachable)
    with pytest.raises(TuilabelError, match=r"cannot find or download the weights of resnet18.*no network"):
        encoder.encode(pool, "cpu")


def test_replaced_weights_are_reported(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=1)))
    with pytest.raises(TuilabelError, match=r"resnet18-.*\.pth is damaged, or holds other weights"):
        choose_encoder("torchvision:resnet18", pool).encode(pool, "cpu")


def test_unknown_networks_and_missing_packages_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=1)))
    with pytest.raises(UsageError, match="unknown encoder 'resnet'"):
        choose_encoder("resnet", pool)
    with pytest.raises(UsageError, match=r"unknown network of torchvision 'resnet19'; did you mean resnet18 or"):
        choose_encoder("torchvision:resnet19", pool).encode(pool)
    monkeypatch.setattr("tuilabel.extras.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"tuilabel\[encoders\]"):
        choose_encoder("dinov2", pool)


def test_weights_of_torchvision_may_be_in_a_file_of_your_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = models.resnet18(num_classes=3).eval()  # trained on other classes: the head does not matter
    save_file(module.state_dict(), tmp_path / "mine.safetensors")
    torch.save({"state_dict": module.state_dict()}, tmp_path / "mine.pth")
    batch = images()
    module.fc = torch.nn.Identity()
    pixels = torch.from_numpy(batch).permute(0, 3, 1, 2) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = module((pixels - mean[:, None, None]) / std[:, None, None]).numpy()
    for file in ("mine.safetensors", "mine.pth"):
        features = load_network(f"torchvision:resnet18@{tmp_path / file}", "cpu").features(batch)
        assert np.allclose(features, expected, atol=1e-4)
    with pytest.raises(TuilabelError, match=r"mine\.pth are not those of resnet50"):
        load_network(f"torchvision:resnet50@{tmp_path / 'mine.pth'}", "cpu")
    with pytest.raises(UsageError, match=r"cannot use 'none\.pth': must be a file of weights"):
        parse_name("torchvision:resnet18@none.pth")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (sys.exit, (7,))


@pytest.mark.parametrize("content", [b"", b"truncated", pickle.dumps(Harmful()), pickle.dumps([1])])
def test_files_that_are_no_weights_are_one_clear_line(tmp_path: Path, content: bytes) -> None:
    for suffix in (".pth", ".safetensors"):
        (tmp_path / f"w{suffix}").write_bytes(content)
        with pytest.raises(TuilabelError, match=f"w{suffix} (is damaged|holds no weights)"):
            load_network(f"torchvision:resnet18@{tmp_path / f'w{suffix}'}", "cpu")


def test_weights_are_downloaded_with_progress_and_only_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    promised = 3_000_000

    def serve(_url: str, timeout: float) -> object:
        response = io.BytesIO(b"x" * 2_500_000)
        response.headers = {"Content-Length": str(promised)}  # type: ignore[attr-defined]
        return response

    monkeypatch.setattr("tuilabel.encoders.networks.weights.urlopen", serve)
    steps: list[tuple[int, int]] = []
    with pytest.raises(TuilabelError, match=r"weights of resnet18: .*ended after 2,500,000 of 3,000,000 bytes"):
        fetch_weights("resnet18", lambda *step: steps.append(step))
    assert describe_network("resnet18").digest is None
    promised = 2_500_000
    fetch_weights("resnet18", lambda *step: steps.append(step))
    assert steps[-1] == (2_500_000, 2_500_000)
    assert len(steps) > 4
    with pytest.raises(TuilabelError, match=r"resnet18-.*\.pth is damaged"):
        load_network("resnet18", "cpu")


def test_a_session_goes_on_without_what_cannot_be_downloaded_or_computed(
    functions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(functions.parent / "hub"))
    response = io.BytesIO(b"x" * 10)
    response.headers = {"Content-Length": "10"}  # type: ignore[attr-defined]
    monkeypatch.setattr("tuilabel.encoders.networks.weights.urlopen", lambda _url, timeout: response)
    folder = str(colour_folder(functions.parent / "shots", each=2))
    encoders = tuple(map(NetworkEncoder, ("resnet18", "user_encoders:fails", "user_encoders:colours")))
    messages: list[PrepareMessage] = []
    prepare(PrepareSettings(folder, None, encoders, device="cpu", seed=0), messages.append, lambda: False)
    assert TrainerProgress("download", 10, 10, True, "resnet18") in messages
    failures = [message.reason for message in messages if isinstance(message, EncoderFailed)]
    assert len(failures) == 2
    assert "damaged" in failures[0]
    assert "'user_encoders:fails' failed: ValueError: no such thing" in failures[1]
    assert LatentsReady(encoders[2]) in messages


# -- timm --------------------------------------------------------------------------------------------------------------


def test_networks_of_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    file = tmp_path / "vit.safetensors"
    module = timm.create_model("test_vit", num_classes=7).eval()
    save_file(module.state_dict(), file)
    name = f"timm:test_vit@{file}"
    side = describe_network(name).sides[1]
    features = load_network(name, "cpu").features(images(3, side))
    assert features.shape == (3, module.num_features)
    assert np.isfinite(features).all()
    assert describe_network(name).digest is not None
    with pytest.raises(TuilabelError, match=r"vit\.safetensors are not those of test_resnet"):
        load_network(f"timm:test_resnet@{file}", "cpu")
    with pytest.raises(UsageError, match=r"unknown network of timm 'resnt18'; did you mean .*resnet18") as caught:
        load_network("timm:resnt18")
    assert len(str(caught.value)) < 150


@pytest.fixture
def _bars_are_off() -> Iterator[None]:
    """Loading a model of transformers switches off the progress of downloads in its library."""
    hub = pytest.importorskip("huggingface_hub.utils")
    hub.disable_progress_bars()
    yield
    hub.enable_progress_bars()


@pytest.mark.usefixtures("_bars_are_off")
def test_networks_of_timm_are_found_in_the_cache_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")

    def metadata(url: str) -> None:
        if not url.endswith("model.safetensors"):
            raise OSError("no network")

    def download(repository: str, name: str, tqdm_class: type) -> str:
        file = tmp_path / f"models--{repository.replace('/', '--')}" / "snapshots" / "abc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(timm.create_model("test_resnet").state_dict(), file)
        with tqdm_class(total=100) as bar:
            bar.update(40)
            bar.update(60)
        return str(file)

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", metadata)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache",
        lambda repository, name: str(found[0]) if (found := [*tmp_path.glob(f"*/snapshots/*/{name}")]) else None,
    )
    assert describe_network("timm:test_resnet").digest is None
    steps: list[tuple[int, int]] = []
    fetch_weights("timm:test_resnet", lambda *step: steps.append(step))
    assert steps == [(40, 100), (100, 100)]
    assert load_network("timm:test_resnet", "cpu").digest == describe_network("timm:test_resnet").digest


@pytest.mark.parametrize("name", ["timm:test_vit", "hf:someone/something", "open_clip:ViT-B-32/openai"])
def test_without_a_network_the_hub_is_one_clear_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("open_clip")

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    for function in ("get_hf_file_metadata", "list_repo_files"):
        monkeypatch.setattr(f"huggingface_hub.{function}", unreachable)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(TuilabelError, match=r"cannot find or download the weights of .*\(HF_HOME\): no network"):
        load_network(name)


# -- transformers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def vision_models(tmp_path: Path) -> SimpleNamespace:
    """Folders of three small models: DINOv2 with a pooled output, ViT without, SigLIP with a text tower."""
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    vision = {**small, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    dino = transformers.Dinov2Model(transformers.Dinov2Config(**vision))
    vit = transformers.ViTModel(transformers.ViTConfig(**vision), add_pooling_layer=False)
    text = {**small, "vocab_size": 20, "max_position_embeddings": 8}
    siglip = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
    for name, model in (("dino", dino), ("vit", vit), ("siglip", siglip)):
        model.eval().save_pretrained(tmp_path / name)
    settings = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25], "size": {"height": 32, "width": 32}}
    (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps(settings))
    return SimpleNamespace(dino=dino, vit=vit, siglip=siglip)


def test_models_of_transformers_from_a_folder(tmp_path: Path, vision_models: SimpleNamespace) -> None:
    batch = images(3, 32)
    pixels = torch.from_numpy(batch).permute(0, 3, 1, 2) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        expected = {
            "dino": vision_models.dino((pixels - mean) / std).pooler_output,
            "vit": vision_models.vit((pixels - 0.5) / 0.25).last_hidden_state[:, 0],
            "siglip": vision_models.siglip.vision_model((pixels - mean) / std).pooler_output,
        }
    for name, vectors in expected.items():
        assert describe_network(f"hf:{tmp_path / name}").sides == (32, 32)
        features = load_network(f"hf:{tmp_path / name}", "cpu").features(batch)
        assert np.allclose(features, vectors.numpy(), atol=1e-4), name


def test_damaged_and_incomplete_models_of_transformers(tmp_path: Path, vision_models: SimpleNamespace) -> None:
    weights = tmp_path / "vit" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TuilabelError, match=r"cannot load .*vit.*: it is damaged or no vision model"):
        load_network(f"hf:{tmp_path / 'vit'}", "cpu")
    save_file({"embeddings.cls_token": torch.zeros(1, 1, 16)}, weights, {"format": "pt"})
    with pytest.raises(TuilabelError, match="are not those of"):
        load_network(f"hf:{tmp_path / 'vit'}", "cpu")
    weights.unlink()
    with pytest.raises(TuilabelError, match="no weights in the folder"):
        load_network(f"hf:{tmp_path / 'vit'}", "cpu")


# -- OpenCLIP ----------------------------------------------------------------------------------------------------------


def test_image_towers_of_open_clip(tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    config = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 20, "width": 64, "heads": 1, "layers": 1},
    }
    (tmp_path / "tiny-for-tests.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-for-tests.json")
    torch.manual_seed(0)
    whole = open_clip.create_model("tiny-for-tests", load_weights=False).eval()
    torch.save(whole.state_dict(), tmp_path / "w.pt")
    batch = images(3, 32)
    mean, std = (torch.tensor(values)[:, None, None] for values in (whole.visual.image_mean, whole.visual.image_std))
    with torch.inference_mode():
        expected = whole.visual((torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - mean) / std).numpy()
    features = load_network(f"open_clip:tiny-for-tests@{tmp_path / 'w.pt'}", "cpu").features(batch)
    assert np.allclose(features, expected, atol=1e-4)
    torch.save({"visual.proj": torch.zeros(3)}, tmp_path / "w.pt")
    with pytest.raises(TuilabelError, match=r"w\.pt are not those of tiny-for-tests"):
        load_network(f"open_clip:tiny-for-tests@{tmp_path / 'w.pt'}", "cpu")
    with pytest.raises(UsageError, match=r"needs a name of weights after a slash: .*laion2b"):
        load_network("open_clip:ViT-B-32")
    with pytest.raises(UsageError, match="unknown weights of ViT-B-32 in open_clip 'laion'"):
        load_network("open_clip:ViT-B-32/laion")


def test_texts_are_compared_with_images_in_the_space_of_the_network(tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    config = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
    }
    (tmp_path / "tiny-with-words.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-with-words.json")
    torch.manual_seed(0)
    whole = open_clip.create_model("tiny-with-words", load_weights=False).eval()
    torch.save(whole.state_dict(), tmp_path / "w.pt")
    pool = open_pool(str(colour_folder(tmp_path / "shots", each=3)))
    encoder = choose_encoder(f"open_clip:tiny-with-words@{tmp_path / 'w.pt'}", pool)
    search = encoder.text_search(pool)
    assert search is not None
    with pytest.raises(TuilabelError, match="not all images are encoded"):
        search("a red square")
    encoder.encode(pool, "cpu")
    assert isinstance(encoder, NetworkEncoder)
    features = torch.from_numpy(encoder.features(pool, "cpu").astype(np.float32))
    tokens = open_clip.get_tokenizer("tiny-with-words")
    for text in ("a red square", "eine Katze 🐈", ""):
        with torch.inference_mode():
            wanted = whole.encode_text(tokens([text]), normalize=True)
        expected = (torch.nn.functional.normalize(features, dim=1) @ wanted.T).squeeze(1).numpy()
        assert np.allclose(search(text), expected, atol=1e-4)
    assert choose_encoder("efficientnet_lite2", pool).text_search(pool) is None


# -- functions ---------------------------------------------------------------------------------------------------------

FUNCTIONS = """
import numpy as np

def colours(images):
    "Mean and spread of each channel."
    assert images.dtype == np.uint8 and images.shape[1:] == (40, 40, 3)
    return np.concatenate([images.mean((1, 2)), images.std((1, 2))], axis=1)

colours.side = 40

def fails(images): raise ValueError("no such thing")
def flat(images): return images.mean((1, 2, 3))
def few(images): return np.zeros((len(images) - 1, 3))
def words(images): return np.full((len(images), 2), "a")
def nan(images): return np.full((len(images), 2), np.nan)
def huge(images): return np.full((len(images), 2), 1e9)
def ragged(images): return [[1], [1, 2]]
number = 3
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "user_encoders.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    before = [*sys.path]
    yield tmp_path / "user_encoders.py"
    sys.path[:] = before
    sys.modules.pop("user_encoders", None)


def test_a_function_in_the_current_directory_is_an_encoder(functions: Path) -> None:
    pool = ImagePool.from_arrays(images(70), (), name="function")
    encoder = choose_encoder("user_encoders:colours", pool)
    assert isinstance(encoder, NetworkEncoder)
    assert "user_encoders" not in sys.modules, "imported in the process that encodes"
    assert pickle.loads(pickle.dumps(encoder)) == encoder
    assert encoder.features(pool).shape == (70, 6)
    assert len(encoder.encode(pool).pool) == 70
    assert encoder.available(pool) is not None
    functions.write_text(FUNCTIONS + "\n# changed\n")
    assert encoder.available(pool) is None, "another function"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("fails", "failed: ValueError: no such thing"),
        ("flat", r"returned an array of shape \(5,\) for 5 images, not \(5, D\)"),
        ("few", r"returned an array of shape \(4, 3\) for 5 images"),
        ("words", "returned an array of <U1, not of numbers"),
        ("nan", "gives features that are not finite"),
        ("huge", "gives features that are not finite"),
        ("ragged", "failed: ValueError"),
        ("number", "must be a function of images, got int"),
        ("none", "user_encoders has no none; check its name"),
    ],
)
@pytest.mark.usefixtures("functions")
def test_what_a_function_does_wrong_is_one_clear_line(name: str, problem: str) -> None:
    with pytest.raises(TuilabelError, match=problem) as caught:
        encode(images(), f"user_encoders:{name}")
    assert "\n" not in str(caught.value)


def test_modules_that_do_not_exist_are_refused_at_once() -> None:
    pool = ImagePool.from_arrays(images(), ())
    with pytest.raises(UsageError, match=r"unknown encoder 'tim:resnet18'.*timm:NAME.*package\.module:function"):
        choose_encoder("tim:resnet18", pool)
    with pytest.raises(UsageError, match="unknown encoder 'timm:'"):
        choose_encoder("timm:", pool)

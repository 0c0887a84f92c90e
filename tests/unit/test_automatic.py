"""The rule about images behind `--encoder auto`: glyphs get a VAE beside a network, others the network alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders import candidate_encoders, check_encoder, choose_encoder
from tuilabel.encoders.automatic import are_glyphs, flat_shares
from tuilabel.encoders.titles import title_of
from tuilabel.encoders.vae.encoder import VAEEncoder

N = 40
DATA = Path(os.environ.get("TUILABEL_DATA", Path(__file__).parents[3] / "shared" / "data"))


def pool_of(images: np.ndarray) -> ImagePool:
    return ImagePool.from_arrays(images.astype(np.uint8), ("a", "b"))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(N, *shape))


def strokes(side: int, channels: int = 1, background: int = 0) -> np.ndarray:
    """Crosses of random sizes before a flat background."""
    rng = np.random.default_rng(1)
    images = np.full((N, side, side, channels), background)
    for image, reach in zip(images, rng.integers(side // 4, side // 2, size=N), strict=True):
        middle = side // 2
        image[middle - reach : middle + reach, middle - 1 : middle + 2] = 255 - background
        image[middle - 1 : middle + 2, middle - reach : middle + reach] = 255 - background
    return images


def garments(side: int) -> np.ndarray:
    """Grey boxes that reach the upper and lower edge here and there, as clothes do."""
    images = np.zeros((N, side, side, 1))
    images[:, :, side // 2 - 3 : side // 2 + 3] = noise(side, 6, 1)
    return images


@pytest.mark.parametrize(
    ("images", "glyphs"),
    [
        (strokes(28), True),
        (strokes(28, background=255), True),
        (np.clip(strokes(28, background=250) + noise(28, 28, 1) % 8, 0, 255), True),
        (garments(28), True),
        (strokes(28) // 2 + noise(28, 28, 1) // 2, False),
        (noise(28, 28, 1), False),
        (strokes(28, channels=3), False),
        (strokes(60), False),
        (noise(32, 32, 3), False),
    ],
    ids=["digits", "on white", "scanned", "clothes", "textured", "noise", "colour", "large", "photographs"],
)
def test_the_vae_is_the_goal_for_glyphs_alone(images: np.ndarray, glyphs: bool) -> None:
    pool = pool_of(images)
    assert are_glyphs(pool) == glyphs
    names = [encoder.name for encoder in candidate_encoders("auto", pool)]
    assert names == (["vae+efficientnet_lite2", "vae"] * glyphs + ["efficientnet_lite2", "pca"])
    assert choose_encoder("auto", pool).name == "efficientnet_lite2", "at once: a VAE would have to be trained first"


def test_the_border_counts_and_not_what_is_shown() -> None:
    assert (flat_shares(strokes(28).astype(np.uint8)) == 1).all()
    assert np.median(flat_shares(noise(28, 28, 1).astype(np.uint8))) < 0.3


def test_a_vae_that_is_there_is_tried_on_photographs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAEEncoder, "needs_training", lambda *_: False)
    names = [encoder.name for encoder in candidate_encoders("auto", pool_of(noise(32, 32, 3)), project=tmp_path)]
    assert names == ["efficientnet_lite2", "vae", "pca"]
    assert choose_encoder("auto", pool_of(strokes(28)), project=tmp_path).name == "vae+efficientnet_lite2"


def test_a_built_in_dataset_keeps_its_vae() -> None:
    (encoder,) = candidate_encoders("auto", open_pool("mnist"))
    assert encoder == choose_encoder("vae", open_pool("mnist")) == choose_encoder("auto", open_pool("mnist"))


@pytest.mark.parametrize("augmentations", ["signs", "photos"])
def test_a_built_in_dataset_in_front_of_a_background_gets_the_network_where_it_has_no_vae(
    augmentations: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = open_pool("mnist")
    monkeypatch.setattr(type(pool), "augmentations", property(lambda _: augmentations))
    assert [encoder.name for encoder in candidate_encoders("auto", pool)] == ["vae"]
    monkeypatch.setattr(type(pool), "name", property(lambda _: "svhn"))
    assert [encoder.name for encoder in candidate_encoders("auto", pool)] == ["efficientnet_lite2"]


def test_built_in_clothes_have_the_network_beside_their_vae(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = open_pool("mnist")
    monkeypatch.setattr(type(pool), "augmentations", property(lambda _: "objects"))
    assert [encoder.name for encoder in candidate_encoders("auto", pool)] == ["vae+efficientnet_lite2", "vae"]
    given = candidate_encoders("auto", pool, checkpoint=choose_encoder("vae", pool).path)
    assert [encoder.name for encoder in given] == ["vae"], "the VAE that was named, alone"


def test_auto_is_a_name_like_others(tmp_path: Path) -> None:
    check_encoder("auto")
    (vae,) = candidate_encoders("vae", pool_of(noise(32, 32, 3)), project=tmp_path)
    assert vae.name == "vae"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("pca", "thumbnails (PCA)"),
        ("vae", "VAE of your images"),
        ("efficientnet_lite2", "network features (efficientnet_lite2)"),
        ("timm:resnet18", "network features (timm:resnet18)"),
        ("vae-on:resnet18", "VAE on network features (resnet18)"),
        ("vae+resnet18", "VAE and network features (resnet18)"),
    ],
)
def test_spaces_are_named_in_words(name: str, title: str) -> None:
    assert title_of(name) == title


@pytest.mark.parametrize(("name", "glyphs"), [("MNIST", True), ("FashionMNIST", True)])
def test_real_glyphs(name: str, glyphs: bool) -> None:
    file = DATA / name / "raw" / "t10k-images-idx3-ubyte"
    if not file.is_file():
        pytest.skip(f"needs {name} in shared/data")
    images = np.fromfile(file, np.uint8)[16 : 16 + 500 * 784].reshape(-1, 28, 28, 1)
    assert are_glyphs(pool_of(images)) == glyphs


@pytest.mark.parametrize("name", ["photos", "meter-digits", "blood-cells", "grocery", "seedlings"])
def test_real_photographs_are_none_even_in_grey(name: str, tmp_path: Path) -> None:
    archive = DATA / f"{name}.tar.gz"
    if not archive.is_file():
        pytest.skip(f"needs {name}.tar.gz in shared/data")
    import tarfile

    rows: list[np.ndarray] = []
    with tarfile.open(archive) as tar:
        while len(rows) < 60 and (member := tar.next()) is not None:
            if member.name.endswith((".jpg", ".png")):
                file = tar.extractfile(member)
                assert file is not None
                rows.append(np.asarray(Image.open(file).convert("L").resize((32, 32)))[..., None])
    assert float(np.median(flat_shares(np.stack(rows)))) < 0.7 or name == "blood-cells"

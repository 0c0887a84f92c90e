"""The substitute for SVHN: reproducible, with readable digits, and separate photographs for training and test."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from tuilabel.datasets import open_pool
from tuilabel.datasets.builtin.colour_digits import BRIGHTNESS, CONTRAST, OPACITY, compose, make_colour_digits
from tuilabel.datasets.builtin.photos import read_photos
from tuilabel.errors import TuilabelError, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten photographs of one colour each, the third in two copies, and a file that is not an image."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for k in range(10):
        Image.new("RGB", (48, 40), (25 * k, 10 * k, 255 - 25 * k)).save(folder / f"{k}.png")
    Image.new("L", (300, 200), 128).save(folder / "deep/grey.jpg")
    (folder / "deep/copy.png").write_bytes((folder / "3.png").read_bytes())
    (folder / "README.md").write_text("not a photograph")
    return folder


def test_it_is_in_the_format_of_svhn(photos: Path, tmp_path: Path) -> None:
    written = make_colour_digits(photos, tmp_path, train=50, test=20)
    assert (written.train_photos, written.test_photos) == (9, 2)
    document = loadmat(tmp_path / "colour-digits/train_32x32.mat")
    assert (document["X"].shape, document["X"].dtype) == ((32, 32, 3, 50), np.uint8)
    assert document["y"].shape == (50, 1)
    assert document["y"][:3, 0].tolist() == [5, 10, 4]  # ten is the digit 0
    pool = open_pool("colour-digits", tmp_path)
    assert pool.images.shape == (50, 32, 32, 3)
    mnist = open_pool("mnist")
    assert pool.targets is not None
    assert mnist.targets is not None
    assert pool.targets.tolist() == mnist.targets[:50].tolist()


def test_the_same_seed_makes_the_same_images(photos: Path, tmp_path: Path) -> None:
    first, again, other = (
        open_pool(
            "colour-digits", make_colour_digits(photos, tmp_path / name, train=20, test=5, seed=seed).directory.parent
        )
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint


def test_a_tar_file_is_read_in_place(photos: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as archive:
        archive.add(photos, "photos")
    before = sorted(tmp_path.iterdir())
    read = read_photos(tmp_path / "photos.tar.gz", np.random.default_rng(0))
    assert sorted(tmp_path.iterdir()) == before
    assert len(read) == 11  # without the copy and the text file
    assert max(max(photo.size) for photo in read) <= 96


def test_train_and_test_share_no_photograph(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[bytes]] = []

    def spy(digits: np.ndarray, pictures: list[Image.Image], rng: np.random.Generator) -> np.ndarray:
        seen.append({picture.tobytes() for picture in pictures})
        return compose(digits, pictures, rng)

    monkeypatch.setattr("tuilabel.datasets.builtin.colour_digits.compose", spy)
    make_colour_digits(photos, tmp_path, train=10, test=10)
    assert len(seen) == 2
    assert not seen[0] & seen[1]


@pytest.mark.parametrize("grey", [0, 70, 128, 190, 255])
def test_digits_stand_out_from_any_background(grey: int) -> None:
    digits = np.zeros((40, 28, 28), dtype=np.uint8)
    digits[:, 6:22, 11:17] = 255
    plain = [Image.new("RGB", (32, 32), (grey, grey, grey))]
    images = compose(digits, plain, np.random.default_rng(0))
    brightness = images.astype(np.float32) @ BRIGHTNESS
    assert (np.abs(brightness[:, 14:18, 15:17] - grey).mean(axis=(1, 2)) >= OPACITY[0] * CONTRAST - 2).all()
    assert np.abs(brightness[:, :2] - grey).max() <= 1  # the upper edge has none of the digit


def test_backgrounds_lose_harsh_contrast() -> None:
    halves = np.zeros((32, 32, 3), dtype=np.uint8)
    halves[:, 16:] = 255
    images = compose(np.zeros((5, 28, 28), dtype=np.uint8), [Image.fromarray(halves)], np.random.default_rng(0))
    assert (images.astype(np.float32) @ BRIGHTNESS).std(axis=(1, 2)).max() < 32


def test_errors_are_one_line(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TuilabelError, match="make-colour-digits"):
        open_pool("colour-digits", tmp_path)
    for source in ("nothing", "photos/0.png"):
        with pytest.raises(TuilabelError, match="cannot read photographs"):
            make_colour_digits(tmp_path / source, tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.png").write_bytes((photos / "0.png").read_bytes())
    with pytest.raises(TuilabelError, match="has 1 photographs: at least two"):
        make_colour_digits(tmp_path / "one", tmp_path)
    with pytest.raises(UsageError, match="test must be between 1 and 10000"):
        make_colour_digits(photos, tmp_path, test=10_001)

"""The bundled pretrained network, its features and latents, and what is cached of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.folders import colour_folder
from tuilabel.datasets import DatasetRef, ImagePool, ImageSplit, open_pool
from tuilabel.encoders import choose_encoder
from tuilabel.encoders.networks import NetworkEncoder, load_network
from tuilabel.encoders.networks.feature_file import FeatureFile
from tuilabel.encoders.networks.network import Network
from tuilabel.encoders.networks.pictures import pictures, side_for
from tuilabel.encoders.networks.projection import Block, Projection
from tuilabel.errors import TuilabelError

REFERENCE = Path(__file__).parents[1] / "data" / "efficientnet_lite2.npy"
"""Features of `pattern` by the original network in single precision."""


def pattern(side: int = 224) -> np.ndarray:
    """An image uint8 (1, side, side, 3) of smooth colours."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float64) / side
    waves = [127 + 120 * np.sin(9 * x * y + c) * np.cos(5 * (x - y) * (c + 1)) for c in range(3)]
    return np.stack(waves, -1).astype(np.uint8)[None]


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 24, 24, 3), dtype=np.uint8)


class Counting:
    """Loads networks, and counts the images that they see."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> None:
        self.seen, self.stop_after = 0, stop_after
        monkeypatch.setattr("tuilabel.encoders.networks.encoder.load_network", self.load)

    def load(self, name: str, device: str) -> Network:
        network = load_network(name, device)
        features = network.features

        def counted(batch: np.ndarray) -> np.ndarray:
            if self.stop_after is not None and self.seen >= self.stop_after:
                raise KeyboardInterrupt
            self.seen += len(batch)
            return features(batch)

        network.features = counted  # type: ignore[method-assign, assignment]
        return network


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.networks.encoder.BLOCK", 8)


# -- the bundled network -----------------------------------------------------------------------------------------------


def test_the_bundled_network_agrees_with_the_original() -> None:
    reference = np.load(REFERENCE)
    features = load_network("efficientnet_lite2", "cpu").features(pattern())[0, -1280:]
    assert np.linalg.norm(features - reference) < 1e-3 * np.linalg.norm(reference)


def test_the_bundled_network_is_in_the_package() -> None:
    import tuilabel

    file = Path(tuilabel.__file__).parent / "encoders" / "networks" / "efficientnet_lite2.safetensors"
    assert 8_000_000 < file.stat().st_size < 11_000_000


def test_latents_are_centred_components_of_every_image_and_its_test_split() -> None:
    split = ImageSplit(images(6, seed=1), np.zeros(6, dtype=np.int64))
    pool = ImagePool.from_arrays(images(70), ("a",), test=split)
    steps: list[tuple[int, int]] = []
    latents = choose_encoder("efficientnet_lite2", pool).encode(pool, "cpu", lambda *step: steps.append(step))
    assert latents.test is not None
    assert (latents.pool.shape, latents.test.shape, latents.pool.dtype) == ((70, 134), (6, 134), np.float32)
    assert np.abs(latents.pool.mean(axis=0))[latents.compact :].max() < 1e-3
    assert np.square(latents.pool).mean() == pytest.approx(1, rel=1e-2)
    assert steps[0] == (0, 76)
    assert steps[-1] == (76, 76)


def test_other_images_are_seen_and_projected_like_the_pool() -> None:
    large = np.stack([np.roll(pattern(64)[0], 13 * k, axis=k % 2) for k in range(16)])
    pool = ImagePool.from_arrays(large[:, ::2, ::2], ())
    encoder = choose_encoder("efficientnet_lite2", pool)
    latents = encoder.encode(pool, "cpu").pool
    others = ImagePool.from_arrays(large[4:8], (), name="others")
    distances = np.linalg.norm(encoder.encode_others(others, pool, "cpu")[:, None] - latents, axis=2)
    assert distances.argmin(axis=1).tolist() == [4, 5, 6, 7]


# -- what is cached ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_blocks")
def test_an_interrupted_extraction_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ImagePool.from_arrays(images(40), (), name="interrupted")
    encoder = NetworkEncoder("efficientnet_lite2")
    with monkeypatch.context() as patch:
        Counting(patch, stop_after=24)
        with pytest.raises(KeyboardInterrupt):
            encoder.encode(pool, "cpu")
    assert encoder.available(pool) is None
    counting = Counting(monkeypatch)
    features = encoder.features(pool, "cpu")
    assert counting.seen == 16
    assert (features.shape, features.dtype) == ((40, 4304), np.float16)
    whole = load_network("efficientnet_lite2", "cpu").features(np.concatenate([*pictures(pool, 0, 96, 8)]))
    assert np.allclose(features, whole, rtol=2e-3, atol=5e-3)
    assert encoder.available(pool) is not None


def test_new_files_of_a_folder_are_encoded_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = colour_folder(tmp_path / "shots", each=5)
    encoder = NetworkEncoder("efficientnet_lite2")
    before = encoder.features(open_pool(str(folder)), "cpu").copy()
    Image.fromarray(pattern(40)[0]).save(folder / "new.png")
    counting = Counting(monkeypatch)
    pool = open_pool(str(folder))
    assert encoder.available(pool) is None
    assert encoder.encode(pool, "cpu").pool.shape == (16, 32)
    assert counting.seen == 1
    assert np.array_equal(encoder.features(pool, "cpu")[:15], before)


def test_the_test_folder_is_read_from_its_files_too(tmp_path: Path) -> None:
    for k in range(6):
        picture = Image.fromarray(np.roll(pattern(160)[0], 25 * k, axis=0))
        for folder in (f"shots/{'test' if k % 2 else 'train'}/{'aabb'[k % 4]}", f"flat{k % 2}"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / folder / f"{k}.png")
    encoder = NetworkEncoder("efficientnet_lite2")
    split = DatasetRef(str(tmp_path / "shots"), labels_from_folders=True)
    tested = encoder.features(open_pool(split), "cpu", test=True)
    expected = encoder.features(open_pool(str(tmp_path / "flat1")), "cpu")
    assert len(tested) == 3
    assert {row.tobytes() for row in tested} == {row.tobytes() for row in expected}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("damage", ["cut", "zeros"])
def test_a_damaged_tail_is_encoded_again(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    pool = ImagePool.from_arrays(images(20), (), name=f"damaged-{damage}")
    encoder = NetworkEncoder("efficientnet_lite2")
    expected = encoder.features(pool, "cpu").copy()
    (file,) = _feature_files(pool)
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.truncate(size - 9_000)
        if damage == "zeros":
            opened.truncate(size)
    counting = Counting(monkeypatch)
    assert np.allclose(encoder.features(pool, "cpu"), expected, atol=5e-3)
    assert counting.seen == 2


def test_a_file_of_features_holds_what_was_written(tmp_path: Path) -> None:
    file = FeatureFile(tmp_path / "new" / "f.features")
    assert file.rows() is None
    rows = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float16)
    with file.writer() as write:
        write(0, rows[:4])
        write(4, rows[4:])
    assert np.array_equal(file.rows(), rows)  # type: ignore[arg-type]
    file.path.write_bytes(b"something else")
    assert file.rows() is None
    with file.writer() as write:
        write(0, rows)
    assert np.array_equal(file.rows(), rows)  # type: ignore[arg-type]


def test_a_failure_to_compute_features_is_not_one_of_their_file(tmp_path: Path) -> None:
    file = FeatureFile(tmp_path / "f.features")
    with pytest.raises(BrokenPipeError), file.writer():
        raise BrokenPipeError
    (tmp_path / "folder.features").mkdir()
    with (
        pytest.raises(TuilabelError, match=r"cannot write .*folder\.features"),
        FeatureFile(tmp_path / "folder.features").writer(),
    ):
        pass


# -- small parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "side"), [((32, 32), 128), ((32, 20), 96), ((28, 28), 96), ((200, 160), 192)])
def test_small_images_are_enlarged_only_as_far_as_it_helps(shape: tuple[int, int], side: int) -> None:
    pool = ImagePool.from_arrays(np.zeros((3, *shape, 1), np.uint8), ())
    assert side_for(pool, (96, 192)) == side
    batches = [*pictures(pool, 1, side, 8)]
    assert [batch.shape for batch in batches] == [(2, side, side, 3)]


def test_the_projection_needs_few_images() -> None:
    for n in (1, 2, 5):
        latents = Projection.fit(np.eye(n, 80, dtype=np.float16))(np.eye(n, 80, dtype=np.float16))
        assert latents.shape == (n, 2 * n)
        assert np.isfinite(latents).all()


def test_components_of_the_last_block_come_first_and_then_those_of_all() -> None:
    rng = np.random.default_rng(0)
    blocks = (Block(90, 1.0), Block(70, 2.0))
    features = np.maximum(rng.normal(size=(300, 160)), 0).astype(np.float16)
    project = Projection.fit(features, blocks)
    latents = project(features)
    assert latents.shape == (300, 64 + 160)
    other = features.copy()
    other[:, :90] = rng.normal(size=(300, 90))
    assert np.array_equal(project(other)[:, :64], latents[:, :64])  # they depend on the last block alone
    for part in (latents[:, :64], latents[:, 64:]):
        assert np.sqrt(np.square(part).mean()) == pytest.approx(1, rel=0.02)
        if part.shape[1] == 64:
            assert np.allclose(np.square(part).sum(axis=1), 64, rtol=1e-4)
            continue
        assert np.abs(part.mean(axis=0)).max() < 1e-3
        products = part.T @ part / 300
        assert np.abs(products - np.diag(np.diag(products))).max() < 0.02 * products.max()
    distances = np.square(latents[:1, 64:] - latents[:, 64:]).sum(axis=1)  # of all components: those of the features
    normalised = np.concatenate(
        [
            (part - part.mean(axis=0)) / np.sqrt(np.square(part - part.mean(axis=0)).sum(axis=1).mean()) * block.weight
            for block, part in zip(blocks, (_unit(features[:, :90]), _unit(features[:, 90:])), strict=True)
        ],
        axis=1,
    )
    expected = np.square(normalised[:1] - normalised).sum(axis=1)
    assert np.corrcoef(distances, expected)[0, 1] > 0.999


def test_where_something_is_changes_the_features_of_the_bundled_network() -> None:
    network = load_network("efficientnet_lite2", "cpu")
    image = np.zeros((1, 96, 96, 3), np.uint8)
    image[:, 10:30, 10:30] = 200
    one, mirrored = network.features(image)[0], network.features(np.ascontiguousarray(image[:, :, ::-1]))[0]
    where = slice(2 * (48 + 88 + 120 + 208 + 352), -1280)
    assert np.abs(one - mirrored)[where].mean() > 2 * np.abs(one - mirrored)[: where.start].mean()


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows.astype(np.float32) / np.maximum(np.linalg.norm(rows.astype(np.float32), axis=1, keepdims=True), 1e-12)


def test_choosing_a_network_does_not_load_torch() -> None:
    code = (
        "import sys; from tuilabel.datasets import open_pool; from tuilabel.encoders import choose_encoder; "
        "pool = open_pool('mnist'); encoder = choose_encoder('efficientnet_lite2', pool); "
        "assert encoder.available(pool) is None; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _feature_files(pool: ImagePool) -> list[Path]:
    from tuilabel.files import cache_dir

    return sorted((cache_dir() / "features").glob(f"{pool.cache_name}-*"))

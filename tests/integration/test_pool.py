"""A pool's fingerprint always matches its images; invalid arrays are rejected."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.exchange import disk_pool
from tests.helpers.tiny import Tiny
from tests.helpers.toy import Toy
from tuilabel.datasets import ImagePool, ImageSplit, open_pool
from tuilabel.datasets.ids import content_ids
from tuilabel.encoders.vae.encoder import VAEEncoder

CLASSES = ("cat", "dog")


def noise(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_a_pool_of_arrays_has_ids_and_a_fingerprint_of_their_content() -> None:
    images, targets = noise(6, 8, 9, 3), np.array([0, 1, 1, 0, 0, 1])
    pool = ImagePool.from_arrays(images, CLASSES, targets, name="pets")
    again = ImagePool.from_arrays(images.copy(), CLASSES, name="pets")
    assert pool.name == "pets"
    assert pool.classes == CLASSES
    assert np.array_equal(pool.images, images)
    assert pool.targets is not None
    assert pool.targets.tolist() == targets.tolist()
    assert pool.test is None
    assert pool.ids.tolist() == content_ids(images).tolist()
    assert pool.fingerprint == again.fingerprint
    assert pool.fingerprint != ImagePool.from_arrays(images[::-1], CLASSES, name="pets").fingerprint
    assert pool.files.names(3) == ("pets#3",)


def test_the_test_split_is_part_of_the_fingerprint() -> None:
    images = noise(4, 8, 8, 1)
    splits = [ImageSplit(noise(2, 8, 8, seed=seed), np.array([0, 1])) for seed in (1, 2)]
    pools = [ImagePool.from_arrays(images, CLASSES, test=split) for split in (None, *splits)]
    assert len({pool.fingerprint for pool in pools}) == 3
    assert pools[2].test is not None
    assert pools[2].test.images.shape == (2, 8, 8, 1)


def test_images_of_a_pool_cannot_be_changed() -> None:
    images = noise(4, 8, 8)
    pool = ImagePool.from_arrays(images, CLASSES)
    before = pool.images.copy()
    images[:] = 0
    assert np.array_equal(pool.images, before)
    with pytest.raises(ValueError, match="read-only"):
        pool.images[0] = 0
    with pytest.raises(AttributeError):
        pool.images = images  # type: ignore[misc]
    with pytest.raises(AttributeError):
        pool.fingerprint = "0"  # type: ignore[misc]
    with pytest.raises(TypeError):
        dataclasses.replace(pool, images=images)  # type: ignore[type-var]


def test_a_memory_mapped_array_is_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", noise(4, 8, 8, 3))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert np.shares_memory(ImagePool.from_arrays(mapped, CLASSES).images, mapped)


def test_a_subset_keeps_ids_files_and_test_split_but_not_the_fingerprint(toy: Toy) -> None:
    whole, indices = toy.pool, [7, 3, 90]
    pool = whole.subset(indices)
    assert pool.ids.tolist() == whole.ids[indices].tolist()
    assert np.array_equal(pool.images, whole.images[indices])
    assert whole.targets is not None
    assert pool.targets is not None
    assert pool.targets.tolist() == whole.targets[indices].tolist()
    assert pool.test is whole.test
    assert pool.indices_of([whole.ids[90].decode(), whole.ids[1].decode()]).tolist() == [2, -1]
    assert pool.files.names(0) == ("toy#7",)
    assert pool.files.read(2) == whole.files.read(90)
    assert pool.subset([1]).files.names(0) == ("toy#3",)
    others = [whole, whole.subset([3, 7, 90]), whole.subset([7, 3]), whole.subset([8, 3, 90])]
    assert pool.fingerprint not in {other.fingerprint for other in others}
    assert pool.fingerprint == whole.subset(np.array(indices)).fingerprint


def test_a_subset_of_files_leads_to_the_files(tmp_path: Path) -> None:
    whole = disk_pool(tmp_path)
    pool = whole.subset([5, 2])
    assert pool.files.path(0) == whole.files.path(5)
    assert pool.files.names(1) == whole.files.names(2)
    assert pool.ids.tolist() == whole.ids[[5, 2]].tolist()


def test_latents_are_cached_for_each_subset_by_itself(tiny: Tiny) -> None:
    whole = open_pool("fashion-mnist", tiny.data_dir)
    cached = VAEEncoder(tiny.checkpoint).encode(whole)
    before = np.array(cached.pool)
    paths = {cached.path}
    for rows in (range(150), range(150, 300)):
        pool = whole.subset(rows)
        assert VAEEncoder(tiny.checkpoint).available(pool) is None
        latents = VAEEncoder(tiny.checkpoint).encode(pool)
        assert np.allclose(latents.pool, before[rows], atol=0.01), "bfloat16: rounding depends on the size of the batch"
        paths.add(latents.path)
    assert len(paths) == 3
    again = VAEEncoder(tiny.checkpoint).available(whole)
    assert again is not None
    assert again.path == cached.path
    assert np.array_equal(again.pool, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": noise(3, 8, 8).astype(np.float32)}, "images must be uint8, got float32"),
        ({"images": noise(3, 8, 8, 4)}, r"images must have shape .* got \(3, 8, 8, 4\)"),
        ({"images": noise(3, 8)}, r"got \(3, 8\)"),
        ({"images": noise(0, 8, 8)}, r"got \(0, 8, 8\)"),
        ({"classes": "cat"}, "classes must be a sequence of names, got 'cat'"),
        ({"classes": ("cat", "")}, "classes must be a sequence of names"),
        ({"classes": ("cat", "cat")}, "classes must be distinct"),
        ({"targets": [0, 1]}, r"targets must be 3 integers, one per image, got int64 of shape \(2,\)"),
        ({"targets": [0, 1, 2]}, "targets must be between 0 and 1, as there are 2 classes, got 2"),
        ({"targets": [0, 1, -1]}, "got -1"),
        ({"targets": ["cat", "cat", "dog"]}, "targets must be 3 integers"),
        ({"name": "../up"}, r"name must be .* got '\.\./up'"),
        ({"name": ""}, "got ''"),
        ({"test": ImageSplit(noise(2, 9, 8, 1), np.array([0, 1]))}, r"test.images must have the shape .* \(8, 8, 1\)"),
        ({"test": ImageSplit(noise(2, 8, 8, 1), np.array([0, 2]))}, r"test.targets must be between 0 and 1"),
    ],
)
def test_invalid_arrays_are_rejected(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImagePool.from_arrays(**{"images": noise(3, 8, 8), "classes": CLASSES, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "non-empty"),
        ([0.5], "integers, got float64"),
        ([True, False], "got bool"),
        ([0, 120], "between 0 and 119, got 120"),
        ([-1], "got -1"),
        ([3, 3], "distinct"),
    ],
)
def test_invalid_subset_indices_are_rejected(toy: Toy, indices: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        toy.pool.subset(indices)  # type: ignore[arg-type]

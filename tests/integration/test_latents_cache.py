"""Latents in the cache are those that were written, or they are computed again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tuilabel.datasets import ImagePool
from tuilabel.encoders.cache import read_cached, write_cached

POOL = ImagePool.from_arrays(np.zeros((120, 4, 4, 1), dtype=np.uint8), ("a", "b"))
LATENTS = np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32)


def batches(start: int) -> Iterator[np.ndarray]:
    for begin in range(start, len(LATENTS), 50):
        yield LATENTS[begin : begin + 50]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_cached(POOL, tmp_path / "latents.npy", batches)
    return tmp_path / "latents.npy"


def flipped(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff\xff\xff\xff")


def emptied(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_they_are_read_back(path: Path) -> None:
    latents = read_cached(POOL, path)
    assert latents is not None
    assert np.array_equal(latents.pool, LATENTS)


@pytest.mark.parametrize("damage", [flipped, emptied, halved, Path.unlink])
def test_damaged_ones_are_computed_again(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    assert read_cached(POOL, path) is None
    assert np.array_equal(write_cached(POOL, path, batches).pool, LATENTS)


def test_those_of_before_there_were_checksums_are_used(path: Path) -> None:
    np.save(path, LATENTS)
    assert read_cached(POOL, path) is not None

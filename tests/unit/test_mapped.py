"""Rows of arrays on disk are read without the risk of memory maps."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tuilabel.datasets.mapped import read_row
from tuilabel.errors import TuilabelError

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 9, 8, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", IMAGES)
    return tmp_path / "images.npy"


def test_rows_are_those_of_the_array(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r")
    flat = np.memmap(path, np.uint8, "r", path.stat().st_size - IMAGES.nbytes, IMAGES.shape)
    for array in (mapped, flat, mapped[3:], IMAGES):
        for index in (0, 7, len(array) - 1, -1):
            assert np.array_equal(read_row(array, index), array[index])
        with pytest.raises(IndexError):
            read_row(array, len(array))


def test_a_file_that_was_cut_short_is_an_error(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r")
    os.truncate(path, path.stat().st_size // 2)
    assert np.array_equal(read_row(mapped, 0), IMAGES[0])
    with pytest.raises(TuilabelError, match="cut short"):
        read_row(mapped, 49)


def test_a_file_that_was_deleted_stays_readable(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r")
    path.unlink()
    assert np.array_equal(read_row(mapped, 49), IMAGES[49])

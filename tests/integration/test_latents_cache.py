"""Latents in the cache are those that were written, or they are computed again."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tuilabel.datasets import ImagePool
from tuilabel.encoders.cache import read_cached, write_cached
from tuilabel.encoders.storage import HALF, as_stored, new_table
from tuilabel.errors import TuilabelError

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


def test_those_of_many_items_are_in_half_precision(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilabel.encoders.storage.HALF_FROM", len(LATENTS))
    before = read_cached(POOL, path)
    assert before is not None
    assert before.pool.dtype == np.float32, "files of earlier versions are used as they are"
    path.unlink()
    latents = write_cached(POOL, path, batches)
    assert latents.pool.dtype == np.float16
    np.testing.assert_allclose(latents.pool, LATENTS, rtol=1e-3, atol=1e-6)


def test_latents_of_a_pool_that_becomes_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = [ImagePool.from_arrays(np.zeros((n, 4, 4, 1), dtype=np.uint8), ("a", "b")) for n in (70, 120)]
    for pool in grown:
        monkeypatch.setattr(type(pool), "can_grow", property(lambda _self: True))
    path, begun = tmp_path / "latents.npy", []
    write_cached(grown[0], path, lambda _start: iter([LATENTS[:70]]))
    monkeypatch.setattr("tuilabel.encoders.storage.HALF_FROM", 100)

    def rest(start: int) -> Iterator[np.ndarray]:
        begun.append(start)
        yield LATENTS[start:]

    latents = write_cached(grown[1], path, rest)
    assert begun == [70], "what was encoded is kept"
    assert latents.pool.dtype == np.float16
    np.testing.assert_allclose(latents.pool, LATENTS, rtol=1e-3, atol=1e-6)


def test_half_precision_holds_what_single_does() -> None:
    rows = np.array([[1e6, -1e6, np.nan, 0.5]], dtype=np.float32)
    stored = as_stored(rows, HALF)
    assert stored.dtype == np.float16
    assert stored[0, 0] == np.finfo(np.float16).max
    assert stored[0, 1] == np.finfo(np.float16).min
    assert np.isnan(stored[0, 2]), "so that it is found"
    assert stored[0, 3] == 0.5


def test_too_little_room_is_said_before_the_images_are_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1000))
    encoded = []

    def counted(start: int) -> Iterator[np.ndarray]:
        for rows in batches(start):
            encoded.append(len(rows))
            yield rows

    with pytest.raises(TuilabelError, match=r"take 0\.0 MB.* free some space, or set TUILABEL_CACHE"):
        write_cached(POOL, tmp_path / "latents.npy", counted)
    assert encoded == [50], "the first batch says how long a row is"
    assert not [*tmp_path.iterdir()]


def test_a_disk_that_fills_up_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    def full(start: int) -> Iterator[np.ndarray]:
        yield LATENTS[:50]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TuilabelError, match=r"cannot write .*: No space left on device"):
        write_cached(POOL, tmp_path / "others.npy", full)
    assert [*tmp_path.iterdir()] == [path]


def test_latents_beyond_the_memory_that_may_be_used(path: Path) -> None:
    """Under `ulimit -v` they cannot be mapped: that is said, where encoding them again would fail as well."""
    code = """
import resource, sys
from pathlib import Path
from types import SimpleNamespace
import tuilabel.encoders.cache as cache
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
with open(sys.argv[1], "r+b") as file:
    cache.np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": (2**26, 32)})
    file.truncate(2**33)
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, resource.RLIM_INFINITY))
try:
    cache._mapped(Path(sys.argv[1]))
except cache.TuilabelError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "(8.6 GB) are larger than the memory that this process may address" in done.stdout


def test_a_large_table_lies_in_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUILABEL_CACHE", str(tmp_path))
    monkeypatch.setattr("tuilabel.encoders.storage.IN_MEMORY", 100)
    table = new_table((30, 4), HALF, "latents")
    assert isinstance(table, np.memmap)
    assert not table.any()
    table[7] = 1
    assert table[7].sum() == 4
    assert not [*(tmp_path / "latents").iterdir()]
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1000))
    with pytest.raises(TuilabelError, match=r"latents take .* and 0\.0 MB are free"):
        new_table((3000, 4), HALF, "latents")


def test_those_of_before_there_were_checksums_are_used(path: Path) -> None:
    np.save(path, LATENTS)
    assert read_cached(POOL, path) is not None

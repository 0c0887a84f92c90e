"""Built-in datasets are read correctly, once, without torch; missing and broken files give a one-line error."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from tests.helpers.idx import idx_bytes, write_idx
from tuilabel.datasets import list_datasets, open_pool
from tuilabel.datasets.builtin.formats import FormatError, read_cifar, read_idx
from tuilabel.datasets.ids import content_ids
from tuilabel.errors import TuilabelError, UsageError


def test_mnist_is_bundled() -> None:
    pool = open_pool("mnist")
    assert pool.images.shape == (60_000, 28, 28, 1)
    assert pool.images.dtype == np.uint8
    assert pool.classes == tuple("0123456789")
    assert pool.test is not None
    assert pool.test.images.shape == (10_000, 28, 28, 1)
    assert pool.targets is not None
    assert pool.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert pool.test.targets[:5].tolist() == [7, 2, 1, 0, 4]
    assert len(set(pool.ids.tolist())) == 60_000


def test_reading_a_pool_needs_no_torch_and_no_decoding_the_second_time() -> None:
    open_pool("mnist")
    code = (
        "import sys; from tuilabel.datasets import open_pool; pool = open_pool('mnist', on_progress=print); "
        "assert pool.images[0].sum() and not {'torch', 'textual', 'torchvision'} & set(sys.modules), sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ids_come_from_content_and_survive_reordering() -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 16, 16, 3), dtype=np.uint8)
    order = np.random.default_rng(1).permutation(20)
    assert content_ids(images[order]).tolist() == content_ids(images)[order].tolist()


def test_copies_of_an_image_get_distinct_ids() -> None:
    images = np.zeros((4, 16, 16, 1), dtype=np.uint8)
    images[1] = 7
    ids = content_ids(images).tolist()
    assert len(set(ids)) == 4
    assert ids[:2] == content_ids(images[:2]).tolist()


@given(st.lists(st.integers(0, 119), max_size=20))
def test_indices_of_finds_every_id(wanted: list[int]) -> None:
    from tests.helpers.toy import make_toy

    pool = make_toy().pool
    ids = [pool.ids[k].decode() for k in wanted] + ["f" * 32]
    assert pool.indices_of(ids).tolist() == [*wanted, -1]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_under_the_data_dir_are_read(tmp_path: Path, suffix: str) -> None:
    images = np.random.default_rng(3).integers(0, 255, (12, 28, 28), dtype=np.uint8)
    targets = np.arange(12, dtype=np.uint8) % 10
    for split in ("train", "t10k"):
        write_idx(tmp_path / f"KMNIST/raw/{split}-images-idx3-ubyte{suffix}", images)
        write_idx(tmp_path / f"KMNIST/raw/{split}-labels-idx1-ubyte{suffix}", targets)
    pool = open_pool("kmnist", tmp_path)
    assert np.array_equal(pool.images[..., 0], images)
    assert pool.targets is not None
    assert pool.targets.tolist() == targets.tolist()
    assert {info.name: info.state for info in list_datasets(tmp_path)}["kmnist"] == "cached"


def test_a_changed_file_does_not_use_the_old_cache(tmp_path: Path) -> None:
    for value in (1, 2):
        for split in ("train", "t10k"):
            write_idx(tmp_path / f"KMNIST/raw/{split}-images-idx3-ubyte", np.full((3, 28, 28), value))
            write_idx(tmp_path / f"KMNIST/raw/{split}-labels-idx1-ubyte", np.arange(3))
        assert open_pool("kmnist", tmp_path).images.max() == value


def test_emnist_letters_are_turned_upright_and_counted_from_a(tmp_path: Path) -> None:
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    image[0, 5, 20] = 255
    for split in ("train", "test"):
        write_idx(tmp_path / f"EMNIST/raw/emnist-letters-{split}-images-idx3-ubyte", image)
        write_idx(tmp_path / f"EMNIST/raw/emnist-letters-{split}-labels-idx1-ubyte", np.array([26]))
    pool = open_pool("emnist-letters", tmp_path)
    assert pool.images[0, 20, 5, 0] == 255
    assert pool.targets is not None
    assert pool.classes[pool.targets[0]] == "z"


def test_svhn_is_read_from_its_mat_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    images = rng.integers(0, 255, (32, 32, 3, 7), dtype=np.uint8)
    labels = np.array([[10], [1], [2], [9], [10], [5], [3]], dtype=np.uint8)
    for split in ("train", "test"):
        savemat(tmp_path / f"{split}_32x32.mat", {"X": images, "y": labels})
    pool = open_pool("svhn", tmp_path)
    assert pool.images.shape == (7, 32, 32, 3)
    assert np.array_equal(pool.images[2], images[..., 2])
    assert pool.targets is not None
    assert pool.targets.tolist() == [0, 1, 2, 9, 0, 5, 3]
    assert pool.classes[0] == "0"


def test_cifar10_is_read_from_its_batches(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rows = rng.integers(0, 255, (4, 3072), dtype=np.uint8)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": [0, 9, 3, 1]}))
    pool = open_pool("cifar10", tmp_path)
    assert pool.images.shape == (20, 32, 32, 3)
    assert np.array_equal(pool.images[1, ..., 2].ravel(), rows[1, 2048:])


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    (tmp_path / "batch").write_bytes(pickle.dumps({"data": Evil(), "labels": []}))
    with pytest.raises(FormatError, match="not a batch"):
        read_cifar(tmp_path / "batch")
    assert not (tmp_path / "ran").exists()


def test_stl10_planes_are_in_column_order(tmp_path: Path) -> None:
    planes = np.random.default_rng(7).integers(0, 255, (2, 3, 96, 96), dtype=np.uint8)
    (tmp_path / "stl10_binary").mkdir()
    for split in ("train", "test"):
        planes.tofile(tmp_path / f"stl10_binary/{split}_X.bin")
        np.array([1, 10], dtype=np.uint8).tofile(tmp_path / f"stl10_binary/{split}_y.bin")
    pool = open_pool("stl10", tmp_path)
    assert pool.images[1, 10, 20, 2] == planes[1, 2, 20, 10]
    assert pool.targets is not None
    assert pool.targets.tolist() == [0, 9]


def test_a_truncated_cache_is_rebuilt(tiny, cache: Path) -> None:  # type: ignore[no-untyped-def]
    before = open_pool("fashion-mnist", tiny.data_dir)
    folder = next((cache / "pools").glob("fashion-mnist-*"))
    ids, fingerprint = before.ids.tolist(), before.fingerprint
    for name in ("images.npy", "meta.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()  # the pool above still has the old file mapped
        (folder / name).write_bytes(content[: len(content) // 2])
        again = open_pool("fashion-mnist", tiny.data_dir)
        assert (again.ids.tolist(), again.fingerprint) == (ids, fingerprint)


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    for split in ("train", "t10k"):
        write_idx(tmp_path / f"KMNIST/raw/{split}-images-idx3-ubyte", np.zeros((5, 28, 28)))
        write_idx(tmp_path / f"KMNIST/raw/{split}-labels-idx1-ubyte", np.zeros(5))
    path = tmp_path / "KMNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TuilabelError, match=r"train-images-idx3-ubyte should have 3,920 values, but has 3,820"):
        open_pool("kmnist", tmp_path)


@given(st.binary(max_size=40))
def test_random_idx_files_raise_only_format_errors(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise"
        path.write_bytes(data)
        try:
            read_idx(path)
        except FormatError:
            return
        assert data == idx_bytes(read_idx(path))


def test_unknown_names_suggest_the_closest_one() -> None:
    with pytest.raises(UsageError, match="did you mean fashion-mnist"):
        open_pool("fashion_mnist")


def test_a_download_that_fails_says_where_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(TuilabelError) as failure:
        open_pool("svhn", tmp_path)
    text = str(failure.value)
    assert "\n" not in text
    assert f"svhn is not in {tmp_path}" in text
    assert "`data_dir`" in text

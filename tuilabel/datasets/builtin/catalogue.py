"""The built-in datasets: their properties, where their files are, and opening one as a pool."""

from __future__ import annotations

import os
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from tuilabel.datasets.builtin import cache, formats
from tuilabel.datasets.builtin.formats import Arrays, FormatError
from tuilabel.datasets.pool import ImagePool, PoolContent, ReadProgress, no_progress
from tuilabel.errors import TuilabelError, UsageError, unknown_name
from tuilabel.files import cache_dir, no_empty_folders

State = Literal["bundled", "cached", "here", "to be downloaded", "to be made"]
Split = Literal["train", "test"]


@dataclass(frozen=True)
class DatasetSpec:
    """A built-in dataset: its properties, its files below a torchvision root, and how to read a split."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    pool_size: int
    test_size: int
    licence: str
    torchvision: str | None
    """The class of torchvision.datasets that downloads it; None if there is none."""
    files: tuple[str, ...]
    """All files it is read from, relative to the root; those of the train split first."""
    read: Callable[[list[Path], Split], Arrays]
    bundled: bool = False
    augmentations: str = "glyphs"
    """The family of augmentations that keep an image's class; see `tuilabel.encoders.vae.augmentations`."""
    creation_command: str | None = None
    """The command that creates its files, if they cannot be downloaded."""


class BuiltinPool(ImagePool):
    """The pool of a built-in dataset."""

    def __init__(self, spec: DatasetSpec, content: PoolContent) -> None:
        super().__init__(spec.name, spec.classes, content)
        self._augmentations = spec.augmentations

    @property
    def augmentations(self) -> str:
        """The family of augmentations that suits the dataset."""
        return self._augmentations

    @property
    def is_builtin(self) -> bool:
        """Whether this is a built-in dataset: yes."""
        return True


@dataclass(frozen=True)
class DatasetInfo:
    """What `tuilabel datasets` shows of a dataset."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    pool_size: int
    test_size: int
    licence: str
    state: State


def default_data_dir() -> Path:
    """The torchvision root: `$TUILABEL_DATA`, else a folder in the cache."""
    override = os.environ.get("TUILABEL_DATA")
    return Path(override).expanduser() if override else cache_dir() / "data"


def list_datasets(data_dir: Path | None = None) -> list[DatasetInfo]:
    """Every built-in dataset, and whether its files are on this machine; downloads and decodes nothing."""
    root = data_dir or default_data_dir()
    return [
        DatasetInfo(s.name, s.classes, s.shape, s.pool_size, s.test_size, s.licence, _state(s, root))
        for s in DATASETS.values()
    ]


def open_known(
    dataset: str,
    data_dir: Path | None = None,
    on_progress: ReadProgress = no_progress,
) -> ImagePool:
    """The pool of a built-in dataset, from the cache; its files are downloaded and decoded first if necessary.

    Parameters
    ----------
    dataset : a name; see `list_datasets`.
    data_dir : a torchvision root; by default `$TUILABEL_DATA`, else a folder in the cache.
    on_progress : called with what is being done, the steps done, and the total.

    Raises
    ------
    UsageError : if the name is unknown.
    TuilabelError : if the files are missing and cannot be downloaded, are damaged, or the cache cannot be written.
    """
    spec = _spec(dataset)
    root = data_dir or default_data_dir()
    files = _find(spec, root)
    if files is None and spec.creation_command:
        raise TuilabelError(
            f"{spec.name} is not in {root}: create it with `{spec.creation_command}`, or pass the folder that has it "
            "as `data_dir` or in TUILABEL_DATA"
        )
    if files is None:
        on_progress(f"downloading {spec.name} into {root}", 0, 2)
        with no_empty_folders(root / file for file in spec.files):
            _download(spec, root)
        files = _find(spec, root)
        if files is None:
            raise TuilabelError(f"{spec.name} was downloaded into {root}, but its files are missing: {spec.files[0]} …")
    folder = cache.folder_of(spec.name, files, by_time=not spec.bundled)
    content = cache.load(folder)
    if content is not None:
        return BuiltinPool(spec, content)
    on_progress(f"decoding {spec.name}, once", 1, 2)
    try:
        train, test = spec.read(files, "train"), spec.read(files, "test")
    except (FormatError, OSError) as error:
        raise TuilabelError(f"{error}: put the official files of {spec.name} there") from error
    for _, targets in (train, test):
        if targets.min(initial=0) < 0 or targets.max(initial=0) >= len(spec.classes):
            raise TuilabelError(f"{files[0]} has labels that {spec.name} does not have: put the official files there")
    return BuiltinPool(spec, cache.store(folder, train, test))


def check_known(dataset: str) -> None:
    """Raise `UsageError` if there is no built-in dataset called `dataset`."""
    _spec(dataset)


def _spec(dataset: str) -> DatasetSpec:
    if dataset not in DATASETS:
        unknown = unknown_name("dataset", dataset, DATASETS)
        raise UsageError(f"{unknown}. For your own images, name an existing folder, archive or table")
    return DATASETS[dataset]


def _find(spec: DatasetSpec, root: Path) -> list[Path] | None:
    """Every file of the dataset, plain or compressed; None if one is missing."""
    if spec.bundled:
        root = Path(__file__).parents[1]
    paths = [formats.existing(root / name) for name in spec.files]
    return None if None in paths else [path for path in paths if path is not None]


def _state(spec: DatasetSpec, root: Path) -> State:
    if spec.bundled:
        return "bundled"
    files = _find(spec, root)
    if files is None:
        return "to be made" if spec.creation_command else "to be downloaded"
    return "cached" if cache.folder_of(spec.name, files, by_time=True).is_dir() else "here"


def _download(spec: DatasetSpec, root: Path) -> None:
    """Let torchvision download the files in a child process, so that torch is not imported in this one."""
    assert spec.torchvision is not None
    command = [sys.executable, "-P", "-m", "tuilabel.datasets.builtin.download", spec.torchvision, str(root)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise TuilabelError(f"cannot start the download of {spec.name}: {error.strerror or error}") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise TuilabelError(
            f"{spec.name} is not in {root} and cannot be downloaded ({reason}): put its files there "
            f"({spec.files[0]} …), or pass the folder that has them as `data_dir` or in TUILABEL_DATA"
        )


def _read_mnist_family(files: list[Path], split: Split, *, first_label: int = 0, transposed: bool = False) -> Arrays:
    images, labels = files[:2] if split == "train" else files[2:]
    return formats.read_idx_pair(images, labels, first_label=first_label, transposed=transposed)


def _read_svhn(files: list[Path], split: Split) -> Arrays:
    return formats.read_svhn(files[0] if split == "train" else files[1])


def _read_cifar(files: list[Path], split: Split) -> Arrays:
    return formats.read_cifar(*(files[:5] if split == "train" else files[5:]))


def _read_stl10(files: list[Path], split: Split) -> Arrays:
    return formats.read_stl10(*(files[:2] if split == "train" else files[2:]))


def _idx_files(folder: str, train: str = "train", test: str = "t10k") -> tuple[str, ...]:
    return tuple(f"{folder}/{split}-{kind}-ubyte" for split in (train, test) for kind in ("images-idx3", "labels-idx1"))


_DIGITS = tuple(string.digits)
COLOUR_DIGITS = DatasetSpec(
    name="colour-digits",
    classes=_DIGITS,
    shape=(32, 32, 3),
    pool_size=60_000,
    test_size=10_000,
    licence="CC BY-SA 3.0, and its photographs'",
    torchvision=None,
    files=("colour-digits/train_32x32.mat", "colour-digits/test_32x32.mat"),
    read=_read_svhn,
    creation_command="tuilabel make-colour-digits --photos FOLDER_OR_TAR",
    augmentations="signs",
)
DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="mnist",
            classes=_DIGITS,
            shape=(28, 28, 1),
            pool_size=60_000,
            test_size=10_000,
            licence="CC BY-SA 3.0",
            torchvision="MNIST",
            files=_idx_files("mnist"),
            read=_read_mnist_family,
            bundled=True,
        ),
        DatasetSpec(
            name="fashion-mnist",
            classes=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            shape=(28, 28, 1),
            pool_size=60_000,
            test_size=10_000,
            licence="MIT",
            torchvision="FashionMNIST",
            files=_idx_files("FashionMNIST/raw"),
            read=_read_mnist_family,
            augmentations="objects",
        ),
        DatasetSpec(
            name="kmnist",
            classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            shape=(28, 28, 1),
            pool_size=60_000,
            test_size=10_000,
            licence="CC BY-SA 4.0",
            torchvision="KMNIST",
            files=_idx_files("KMNIST/raw"),
            read=_read_mnist_family,
        ),
        DatasetSpec(
            name="emnist-letters",
            classes=tuple(string.ascii_lowercase),
            shape=(28, 28, 1),
            pool_size=124_800,
            test_size=20_800,
            licence="NIST, public domain",
            torchvision="EMNIST",
            files=_idx_files("EMNIST/raw", "emnist-letters-train", "emnist-letters-test"),
            read=partial(_read_mnist_family, first_label=1, transposed=True),
        ),
        DatasetSpec(
            name="svhn",
            classes=_DIGITS,
            shape=(32, 32, 3),
            pool_size=73_257,
            test_size=26_032,
            licence="non-commercial use",
            torchvision="SVHN",
            files=("train_32x32.mat", "test_32x32.mat"),
            read=_read_svhn,
            augmentations="signs",
        ),
        COLOUR_DIGITS,
        DatasetSpec(
            name="cifar10",
            classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            shape=(32, 32, 3),
            pool_size=50_000,
            test_size=10_000,
            licence="not stated",
            torchvision="CIFAR10",
            files=tuple(f"cifar-10-batches-py/{n}" for n in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")),
            read=_read_cifar,
            augmentations="photos",
        ),
        DatasetSpec(
            name="stl10",
            classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
            shape=(96, 96, 3),
            pool_size=5_000,
            test_size=8_000,
            licence="not stated",
            torchvision="STL10",
            files=tuple(f"stl10_binary/{split}_{kind}.bin" for split in ("train", "test") for kind in "Xy"),
            read=_read_stl10,
            augmentations="photos",
        ),
    )
}
"""By name, in the order of `tuilabel datasets`. The pool of STL-10 is its 5,000 labelled training images."""

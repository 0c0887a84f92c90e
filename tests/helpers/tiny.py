"""A dataset on disk that is small enough for a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.helpers.idx import write_idx


@dataclass(frozen=True)
class Tiny:
    """A dataset on disk in place of Fashion-MNIST: 300 images, 60 test images, and a VAE trained on them."""

    data_dir: Path
    checkpoint: Path


def write_dataset(root: Path) -> Path:
    """The images and targets in Fashion-MNIST's format; the height of a bright bar gives the class."""
    rng = np.random.default_rng(1)
    for split, n in (("train", 300), ("t10k", 60)):
        targets = rng.integers(10, size=n, dtype=np.uint8)
        images = rng.integers(0, 40, size=(n, 28, 28), dtype=np.uint8)
        for image, target in zip(images, targets, strict=True):
            image[2 + 2 * target : 5 + 2 * target, 3:25] = 230
        write_idx(root / f"FashionMNIST/raw/{split}-images-idx3-ubyte", images)
        write_idx(root / f"FashionMNIST/raw/{split}-labels-idx1-ubyte", targets)
    return root

"""Pools of image files and of array rows, with labels, for the tests of export and import."""

from __future__ import annotations

import importlib
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tuilabel.datasets import ImagePool
from tuilabel.datasets.ids import file_id
from tuilabel.datasets.pool import PoolContent
from tuilabel.errors import TuilabelError
from tuilabel.labels import Event

CLASSES = ("cat", "dog", "owl")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def library(name: str) -> ModuleType:
    """Import a library that reads an export back; if it is missing, skip the test, except in CI."""
    if os.environ.get("CI"):
        return importlib.import_module(name)
    module: ModuleType = pytest.importorskip(name)
    return module


class DiskFiles:
    """Image files in a folder, which a test may delete."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root, self._names = root, list(names)

    def names(self, index: int) -> tuple[str, ...]:
        return (self._names[index],) if (self.root / self._names[index]).exists() else ()

    def last_name(self, index: int) -> str:
        return self._names[index]

    def path(self, index: int) -> Path | None:
        path = self.root / self._names[index]
        return path if path.exists() else None

    def read(self, index: int) -> bytes:
        try:
            return (self.root / self._names[index]).read_bytes()
        except OSError as error:
            raise TuilabelError("gone") from error


class DiskPool(ImagePool):
    """A pool of image files whose ids come from their bytes."""

    def __init__(self, images: np.ndarray, files: DiskFiles, classes: Sequence[str]) -> None:
        ids = np.array([file_id(files.read(k)) for k in range(len(images))], dtype="S32")
        super().__init__("toy", classes, PoolContent.of(images, ids, None, None))
        self._files = files

    @property
    def files(self) -> DiskFiles:
        return self._files


NAMES = [f"{kind}/{k}.png" for k in range(10) for kind in ("left", "right")]


def disk_pool(root: Path, names: Sequence[str] = NAMES, classes: Sequence[str] = CLASSES) -> ImagePool:
    """A pool of image files whose ids come from their bytes."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 255, (len(names), 8, 8, 3), dtype=np.uint8)
    for name, image in zip(names, images, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name, "PNG")
    return DiskPool(images, DiskFiles(root, names), classes)


def array_pool(n: int = 20, classes: Sequence[str] = CLASSES) -> ImagePool:
    """A pool of rows of an array, like MNIST's."""
    images = np.random.default_rng(4).integers(0, 255, (n, 8, 8, 1), dtype=np.uint8)
    return ImagePool.from_arrays(images, classes, name="toy")


def answer(
    pool: ImagePool, index: int, label: str | None, seconds: int, annotator: str = "ann", **changes: object
) -> Event:
    """An answer to item `index`: a label, or a skip if `label` is None."""
    values: dict[str, object] = {
        "key": uuid.uuid4().hex,
        "kind": "label" if label is not None else "skip",
        "item": pool.ids[index].decode(),
        "class_name": label,
        "annotator": annotator,
        "at": START + timedelta(seconds=seconds, milliseconds=seconds),
        "milliseconds": 640,
        "round": 1,
        "strategy": "margin",
        "origin": "batch",
        "query_probability": None,
        "trained_on": None,
        "predicted": None,
        "confidence": None,
        "audit": False,
        **changes,
    }
    return Event(**values)  # type: ignore[arg-type]


def label_all(pool: ImagePool) -> list[Event]:
    """A label for every item, the classes in turn."""
    classes = pool.classes
    return [answer(pool, k, classes[k % len(classes)], k) for k in range(len(pool))]

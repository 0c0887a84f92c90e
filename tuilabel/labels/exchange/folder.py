"""A folder that an export makes: built beside its place, with a manifest that tells what each file was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets.pool import ItemFiles
from tuilabel.errors import TuilabelError, UsageError, pluralize
from tuilabel.files import atomic_directory
from tuilabel.labels.exchange.images import ImageLost, Images
from tuilabel.labels.exchange.rows import LabelRow

MANIFEST = "tuilabel.json"

OutOfFold = Callable[[NDArray[np.int64], NDArray[np.int64], int], tuple[NDArray[np.int64], NDArray[np.float32]]]
"""From pool indices (m,), their classes (m,) and the number of classes C to the indices of those that can be judged
(k,) and their probabilities (k, C) by models that have not learnt them."""


@dataclass(frozen=True)
class ExportOptions:
    """What a person can choose; a format takes what concerns it."""

    force: bool = False
    """Overwrite what is there."""
    link: str = "copy"
    """How image files come into a folder: see `Images`."""
    split: tuple[int, int, int] | None = None
    """Parts for training, validation and test."""
    seed: int = 0
    """Of the split."""
    out_of_fold: OutOfFold | None = None
    """Where `cleanlab` has its probabilities from."""


@dataclass(frozen=True)
class Written:
    """What an export wrote."""

    labels: int
    left_out: int = 0
    """Labels whose image cannot be had any more, and that the format cannot say without it."""
    notes: tuple[str, ...] = ()
    """What else there is to say, a line each."""


@dataclass
class Folder:
    """An export in the making; see `new_folder`."""

    root: Path
    """Where it is built."""
    out: Path
    """Where it will lie, absolute."""
    images: Images
    classes: dict[str, str] = field(default_factory=dict)
    """Class by folder, where classes are folders."""
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: int = 0
    notes: list[str] = field(default_factory=list)

    def place(self, row: LabelRow, *parts: str) -> str | None:
        """Put a row's image into the folder that `parts` name; its name there, or None where the image is lost."""
        folder = self.root.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            name = self.images.place(row, folder)
        except ImageLost:
            self.left_out += 1
            return None
        self.items[name] = about(row)
        return name

    def written(self, labels: int) -> Written:
        """The report."""
        if self.images.copied:
            self.notes.append(
                f"{pluralize(self.images.copied, 'image')} copied: no hard link reaches from there to here"
            )
        return Written(labels, self.left_out, tuple(self.notes))


@contextmanager
def new_folder(file_format: str, files: ItemFiles, out: Path, options: ExportOptions) -> Iterator[Folder]:
    """A folder beside `out` that takes its place, whole, when all is in it.

    Raises
    ------
    TuilabelError : where `out` is there and may not be replaced: without `options.force`, or as it is no export.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - a link stays one
    _check_place(out, options.force)
    images = Images(files, options.link)
    with atomic_directory(out) as root:
        folder = Folder(root, out, images)
        yield folder
        manifest = {"format": file_format, "classes": folder.classes, "items": folder.items}
        (root / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def about(row: LabelRow) -> dict[str, Any]:
    """What no image says of itself."""
    at = None if row.labelled_at is None else row.labelled_at.isoformat(timespec="milliseconds")
    return {
        "id": row.id,
        "path": row.path,
        "label": row.label,
        "annotator": row.annotator,
        "labelled_at": at,
        "seconds": row.seconds,
    }


def all_classes(rows: Sequence[LabelRow], classes: Sequence[str]) -> list[str]:
    """The classes and, after them, those that only old labels name."""
    return list(dict.fromkeys([*classes, *(row.label for row in rows)]))


def stratified_split(rows: Sequence[LabelRow], parts: tuple[int, int, int], seed: int) -> NDArray[np.int64]:
    """The part of each row, int64 (n,), 0…2; every class is spread over the parts as `parts` say.

    Each part that is not empty has an item of every class, as far as there are enough: the first comes first.

    Raises
    ------
    UsageError : where the parts are no three numbers of 0 or more, or there is nothing to train on.
    """
    shares = np.array(parts, dtype=float)
    if shares.shape != (3,) or (shares < 0).any() or shares[0] <= 0:
        raise UsageError(f"--split {','.join(map(str, parts))} is none: give parts for train,val,test, as 80,10,10")
    shares /= shares.sum()
    rng = np.random.default_rng(seed)
    found = np.zeros(len(rows), dtype=np.int64)
    labels = np.array([row.label for row in rows], dtype=object)
    for label in sorted(set(labels)):
        mine = rng.permutation(np.flatnonzero(labels == label))
        sizes = np.floor(shares * len(mine)).astype(int)
        sizes[0] += len(mine) - sizes.sum()
        for part in (1, 2):
            if shares[part] and not sizes[part] and sizes[0] > 1:
                sizes[0], sizes[part] = sizes[0] - 1, 1
        found[mine] = np.repeat([0, 1, 2], sizes)
    return found


def _check_place(out: Path, force: bool) -> None:
    if not (out.exists() or out.is_symlink()):
        return
    if not force:
        raise TuilabelError(f"{out} is there already: give --force to overwrite it, or another --out")
    if not out.is_dir() or out.is_symlink():
        raise TuilabelError(f"{out} is no directory, and this format is one: name another --out")
    if any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise TuilabelError(f"{out} is no export of tuilabel, so --force does not replace it: name another --out")

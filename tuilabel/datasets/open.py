"""Opening the pool of a dataset: a built-in one, or your own images."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

import numpy as np

from tuilabel.datasets.builtin import cache, catalogue
from tuilabel.datasets.library import FOLDERS, Library, LibraryPool, Problem
from tuilabel.datasets.pool import HeldOut, ImagePool, ReadProgress, no_progress
from tuilabel.datasets.ref import DatasetLike, DatasetRef, as_ref
from tuilabel.datasets.sources import MissingSource, Source, is_source
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import cache_dir

log = logging.getLogger(__name__)

Reading = Literal["all", "first", "listed", "none"]

FIRST_ITEMS = 512  # enough to begin with
FIRST_SECONDS = 1.5
MIN_ITEMS = 20  # read at least these, however long it takes


def open_pool(
    dataset: DatasetLike,
    data_dir: Path | None = None,
    on_progress: ReadProgress = no_progress,
    *,
    reading: Reading = "all",
) -> ImagePool:
    """The pool of a dataset: a built-in one, or your own images.

    Parameters
    ----------
    dataset : the name of a built-in dataset (see `list_datasets`), the path or URL of your own images (see
        `is_source`), or a `DatasetRef`, which also states whether their folders are classes.
    data_dir : a torchvision root for built-in datasets; by default `$TUILABEL_DATA`, else a folder in the cache.
    on_progress : called with what is being done, the steps done, and the total (0 while that is unknown).
    reading : how much of your own images is read now: "all" of them; the "first" few hundred, enough to begin with;
        "listed": none, but the files are listed to see which are gone; or "none", without accessing the source. The
        last two use what was read before, even if the images have moved since, and fall back to "all" if nothing was.
        Unless all are read, folders of a large library that have not changed are not listed again: a file that was
        overwritten in place is found by the pool's `read_rest`.

    Raises
    ------
    UsageError : if there is no such dataset.
    TuilabelError : if the images are missing and cannot be downloaded, are damaged, or the cache cannot be written.
    """
    ref = as_ref(dataset)
    if ref.is_builtin:
        return catalogue.open_known(ref.location, data_dir, on_progress)
    if reading in ("listed", "none"):
        already_read = _already_read(ref, list_files=reading == "listed")
        if already_read is not None:
            return already_read
    library = _library(ref, ref.open_source())
    with library.exclusive(wait=reading == "all" or library.shape is None) as acquired:
        if acquired:
            library.start_over_if_cut_short()
            library.update_listing(on_progress, trust_folders=reading != "all")
            if reading == "first":
                _read_first(library, on_progress)
            else:
                library.read(on_progress)
    return LibraryPool(library)


def _library(ref: DatasetRef, source: Source) -> Library:
    return Library(source, FOLDERS if ref.labels_from_folders else "")


def _already_read(ref: DatasetRef, *, list_files: bool) -> LibraryPool | None:
    """What was read of your own images before; None if nothing was."""
    if not is_source(ref.location):
        return None
    try:
        source = ref.open_source()
    except TuilabelError:
        source = MissingSource(ref.location)
    library = _library(ref, source)
    if library.shape is None or not library.index.n_items(test=False):
        return None
    if list_files and not library.source_is_missing:
        with library.exclusive(wait=False) as acquired:
            if acquired:
                try:
                    library.update_listing(trust_folders=True)
                except TuilabelError as error:
                    log.info("%s: using the files that were there before", error)
    return LibraryPool(library)


def open_labelled(
    dataset: DatasetLike, data_dir: Path | None = None, on_progress: ReadProgress = no_progress
) -> ImagePool:
    """Like `open_pool`, with a test split for simulations: if your own images have none, a fifth of them becomes it.

    Which images these are depends on their content alone. The pool does not grow.
    """
    pool = open_pool(dataset, data_dir, on_progress)
    return with_test(pool) if pool.can_grow else pool


def with_test(pool: ImagePool) -> ImagePool:
    """The pool if it has a test split, or no targets; else one of four fifths of its items, the others being the test.

    Raises
    ------
    TuilabelError : if there are too few images.
    """
    if pool.test is not None or pool.targets is None:
        return pool
    classes = hashlib.blake2b(pool.targets.tobytes(), digest_size=8).hexdigest()  # files may move to another class
    folder = cache_dir() / "pools" / f"{pool.cache_name}-{len(pool)}-{classes}-split"
    labelled = pool.targets >= 0  # not those of a class that is gone with its files
    tested = np.array([int(item[:4], 16) % 5 == 0 for item in pool.ids])
    if tested.all() or not tested.any():
        raise TuilabelError(
            f"{pool.name} has too few images to split off a test set: put some into folders train and test"
        )
    train, test = np.flatnonzero(labelled & ~tested), np.flatnonzero(labelled & tested)
    stored = cache.load(folder)
    if stored is None:
        images, test_images = ((pool.images[part], pool.targets[part]) for part in (train, test))
        stored = cache.store(folder, images, test_images)
    return HeldOut(pool, train, test, stored)


def _read_first(library: Library, on_progress: ReadProgress) -> None:
    """Read until there are enough items to begin with."""

    def n_available() -> int:
        return library.index.n_items(test=False) - len(library.index.gone())

    begin, before = monotonic(), n_available()

    def enough(done: int) -> bool:
        return before + done >= FIRST_ITEMS or (before + done >= MIN_ITEMS and monotonic() - begin > FIRST_SECONDS)

    while library.read(on_progress, enough=enough) and n_available() < MIN_ITEMS:
        begin, before = monotonic(), n_available()  # nearly all of these files were broken


@dataclass(frozen=True)
class FileReport:
    """What is wrong with the files of your own images.

    Attributes
    ----------
    problems : files that cannot be read as an image, with the reason, by name.
    conflicts : files with the same content in different classes: (name, class, another name, its class).
    passed_over : how many files are not images, by suffix.
    """

    problems: list[Problem]
    conflicts: list[tuple[str, str, str, str]]
    passed_over: dict[str, int]


def report_files(dataset: DatasetLike, on_progress: ReadProgress = no_progress) -> FileReport:
    """Read all files of your own images, and report what is wrong with them.

    Raises
    ------
    UsageError : if there is no such dataset, or it is a built-in one, which has no files of its own.
    TuilabelError : as for `open_pool`, but not if every image is broken.
    """
    ref = as_ref(dataset)
    if ref.is_builtin:
        raise UsageError(f"{ref.location} is a built-in dataset: only your own images can have unreadable files")
    library = _library(ref, ref.open_source())
    with library.exclusive(wait=True):
        library.update_listing(on_progress)
        library.read(on_progress)
    index = library.index
    return FileReport(index.problems(), index.class_conflicts(), index.passed_over())


def announcer(print_line: Callable[[str], object]) -> ReadProgress:
    """A `ReadProgress` that prints each stage once."""
    announced: set[str] = set()

    def on_progress(stage: str, _done: int, _total: int) -> None:
        if stage not in announced:
            announced.add(stage)
            print_line(f"{stage} …")

    return on_progress

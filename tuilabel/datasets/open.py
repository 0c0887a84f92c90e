"""From a DATASET as it is typed, a name or a person's own images, to its pool."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Literal

import numpy as np

from tuilabel.datasets.builtin import cache, catalogue
from tuilabel.datasets.library import Library, LibraryPool, Problem
from tuilabel.datasets.pool import ImagePool, ReadProgress, no_progress
from tuilabel.datasets.sources import Missing, Source, is_source, open_source
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import cache_dir

log = logging.getLogger(__name__)

Reading = Literal["all", "first", "listed", "none"]

FOLDERS = "?labels=folders"
"""Stands at the end of a DATASET whose folders are its classes."""
FIRST_ITEMS = 512  # enough to begin with
FIRST_SECONDS = 1.5
FEWEST = 20  # items for which one waits, however long it takes


def open_pool(
    dataset: str,
    data_dir: Path | None = None,
    on_progress: ReadProgress = no_progress,
    *,
    reading: Reading = "all",
) -> ImagePool:
    """The pool of a dataset, known by name or a person's own.

    Parameters
    ----------
    dataset : a name, see `list_datasets`, or a path or URL, see `is_source`; with `FOLDERS` at its end, one whose
        folders are its classes.
    data_dir : a torchvision root for names; `$TUILABEL_DATA` or a folder in the cache where left out.
    on_progress : called with (what is done, steps done, steps in all); 0 in all where nobody knows.
    reading : how much of a person's own images is read now: all; the first few hundred, so that one can begin; none,
        but they are listed, to see what is gone; or the source is not even looked at. With the last two a library that
        was read before is enough, wherever the images are now.

    Raises
    ------
    UsageError : where there is no such dataset.
    TuilabelError : where the images are neither here nor to be had, are damaged, or the cache cannot be written.
    """
    kept = _kept(dataset, list_it=reading == "listed") if reading in ("listed", "none") else None
    if kept is not None:
        return kept
    source = source_of(dataset)
    if source is None:
        return catalogue.open_known(dataset, data_dir, on_progress)
    library = Library(source, variant_of(dataset))
    with library.exclusive(wait=reading == "all" or library.shape is None) as mine:
        if mine:
            library.take_stock(on_progress)
            if reading == "first":
                _read_first(library, on_progress)
            else:
                library.read(on_progress)
    return LibraryPool(library)


def _kept(dataset: str, *, list_it: bool) -> LibraryPool | None:
    """What was read before of a person's own images; None where nothing was, or they are no person's own."""
    where = dataset.removesuffix(FOLDERS)
    if not is_source(where):
        return None
    try:
        source: Source = open_source(where, labels_from_folders=dataset.endswith(FOLDERS))
    except TuilabelError:
        source = Missing(where)
    library = Library(source, variant_of(dataset))
    if library.shape is None or not library.index.n_items(test=False):
        return None
    if list_it and not isinstance(source, Missing):
        with library.exclusive(wait=False) as mine:
            if mine:
                try:
                    library.take_stock()
                except TuilabelError as error:
                    log.info("%s: going by what was there before", error)
    return LibraryPool(library)


def open_labelled(dataset: str, data_dir: Path | None = None, on_progress: ReadProgress = no_progress) -> ImagePool:
    """The same, all of it, with a test split for simulations: of a source that has none a fifth of the labelled items.

    Which those are depends on their content alone. The pool does not grow.
    """
    pool = open_pool(dataset, data_dir, on_progress)
    if not isinstance(pool, LibraryPool) or pool.targets is None or pool.test is not None:
        return pool
    return split_off(pool)


def split_off(pool: LibraryPool) -> ImagePool:
    """A pool of four fifths of the items, and a test split of the others."""
    assert pool.targets is not None
    folder = cache_dir() / "pools" / f"{pool.cache_name}-{len(pool)}-split"
    known = cache.load(folder)
    if known is not None:
        return ImagePool(pool.name, pool.classes, known)
    tested = np.array([int(item[:4], 16) % 5 == 0 for item in pool.ids])
    if tested.all() or not tested.any():
        raise TuilabelError(f"{pool.name} has too few images for a test split: give it one (folders train and test)")
    train, test = ((pool.images[part], pool.targets[part]) for part in (~tested, tested))
    return ImagePool(pool.name, pool.classes, cache.store(folder, train, test))


def _read_first(library: Library, on_progress: ReadProgress) -> None:
    """Read until there is enough to begin with."""

    def there() -> int:
        return library.index.n_items(test=False) - len(library.index.gone())

    begin, had = monotonic(), there()

    def enough(done: int) -> bool:
        return had + done >= FIRST_ITEMS or (had + done >= FEWEST and monotonic() - begin > FIRST_SECONDS)

    while library.read(on_progress, enough=enough) and there() < FEWEST:
        begin, had = monotonic(), there()  # nearly all of those were broken


def problems_of(dataset: str, on_progress: ReadProgress = no_progress) -> list[Problem]:
    """The files of a person's own images that cannot be asked, by name, and why; all are read first.

    Raises
    ------
    UsageError : where there is no such dataset, or it is one of the catalogue, which has no files of its own.
    TuilabelError : as `open_pool`; one without a single good image is no error here.
    """
    source = source_of(dataset)
    if source is None:
        raise UsageError(f"{dataset} is no folder of your own images: --problems lists what is wrong with their files")
    library = Library(source, variant_of(dataset))
    with library.exclusive(wait=True):
        library.take_stock(on_progress)
        library.read(on_progress)
    return library.index.problems()


def source_of(dataset: str) -> Source | None:
    """The source that a DATASET names, looked at but not listed; None for a name of the catalogue.

    Raises
    ------
    UsageError : where there is neither.
    """
    if not is_source(dataset.removesuffix(FOLDERS)):
        catalogue.check_known(dataset)
        return None
    return open_source(dataset.removesuffix(FOLDERS), labels_from_folders=dataset.endswith(FOLDERS))


def variant_of(dataset: str) -> str:
    """What else than the source a library depends on."""
    return "folders" if dataset.endswith(FOLDERS) else ""


def title_of(dataset: str) -> str:
    """What a dataset is called: names its project and its checkpoint. Raises `UsageError` where there is none."""
    source = source_of(dataset)
    return dataset if source is None else source.title


def canonical(dataset: str) -> str:
    """The DATASET with the whole path of a person's own images: the same from wherever it is opened."""
    source = source_of(dataset)
    return dataset if source is None else source.where + (FOLDERS if dataset.endswith(FOLDERS) else "")


def announcer(say: Callable[[str], object]) -> ReadProgress:
    """For `open_pool`'s `on_progress`: says each stage once."""
    said: set[str] = set()

    def on_progress(stage: str, _done: int, _total: int) -> None:
        if stage not in said:
            said.add(stage)
            say(f"{stage} …")

    return on_progress

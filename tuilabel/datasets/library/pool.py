"""What a library has read, as a pool that can grow."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets.decode import DecodeError, decode
from tuilabel.datasets.ids import file_id, fingerprint_of
from tuilabel.datasets.item_files import ItemFiles, png
from tuilabel.datasets.library.library import Library
from tuilabel.datasets.pool import (
    FileCounts,
    FileRows,
    ImagePool,
    ImageSplit,
    ListedFile,
    PoolContent,
    ReadProgress,
    no_progress,
)
from tuilabel.datasets.ref import DatasetRef
from tuilabel.datasets.sources import SourceError
from tuilabel.datasets.sources.passed_over import passed_over_line
from tuilabel.errors import TuilabelError, pluralize, printable

_ROW_OF_ARRAY = re.compile(r"(|val|test)#(\d+)")
_SPLITS = ("", "val", "test")


class LibraryPool(ImagePool):
    """The items of a library, in the order in which they were read.

    `classes` are those of the source, in natural order, unless they are captions; there are `targets` if every item has
    a class. The test split is the source's.

    Raises
    ------
    TuilabelError : if the library holds no item, or is damaged.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        labels = [] if library.has_captions else library.index.labels()
        classes = tuple(sorted(labels, key=natural_sort_key))
        super().__init__(library.source.title, classes, self._load(classes))

    @property
    def cache_name(self) -> str:
        """The prefix of cached files computed from the images, with the library's token; constant as the pool grows."""
        return f"{self.name}-{self.library.token}"

    @property
    def origin(self) -> DatasetRef:
        """Where the source is."""
        return DatasetRef(self.library.source.location)

    @property
    def test_ids(self) -> NDArray[np.bytes_]:
        """Ids of the files of the test split, bytes (M,)."""
        shape = self.library.shape
        if self.test is None or shape is None:
            return super().test_ids
        return self.library.arrays(shape)[1].ids(len(self.test.targets))

    def size_of(self, index: int) -> tuple[int, int]:
        """(width, height) of the image in its file."""
        return self.library.index.size_at(index)

    def picture(self, index: int, longest: int) -> NDArray[np.uint8]:
        """The image as large as in its file, at most `longest` pixels per side, uint8 (h, w, C)."""
        image = self._picture(index, longest, test=False)
        return super().picture(index, longest) if image is None else image

    def picture_of_test(self, index: int, longest: int) -> NDArray[np.uint8]:
        """The same for an image of the test split."""
        image = self._picture(index, longest, test=True)
        return super().picture_of_test(index, longest) if image is None else image

    def _picture(self, index: int, longest: int, *, test: bool) -> NDArray[np.uint8] | None:
        try:
            copy = self.library.index.copy_at(index, test=test)
            return decode(LibraryFiles(self.library, test=test).read(index) if copy is None else copy, longest).image
        except (TuilabelError, DecodeError):
            return None

    # -- the source files ----------------------------------------------------------------------------------------------

    @property
    def files(self) -> ItemFiles:
        """The files of the source."""
        return LibraryFiles(self.library)

    @property
    def gone(self) -> NDArray[np.int64]:
        """Indices of items whose files no longer exist."""
        return np.array(self.library.index.gone(), dtype=np.int64)

    @property
    def n_problems(self) -> int:
        """Number of files that cannot be read as an image."""
        return self.library.index.n_problems()

    def remarks(self) -> list[str]:
        """How many files are not read because of their suffix, and how many are of two classes."""
        line = passed_over_line(self.library.index.passed_over())
        if self.library.has_captions:
            captions = "the texts that come with the images nearly all differ: they are captions, not classes"
            return [*([line] if line else []), captions]
        conflicts = self.library.index.n_class_conflicts()
        command = "tuilabel stats --problems"
        twice = f"{pluralize(conflicts, 'image')} in two classes: `{command}` lists them"
        return [*([line] if line else []), *([twice] if conflicts else [])]

    def file_counts(self) -> FileCounts:
        """Counts of the files that were listed last."""
        index = self.library.index
        return FileCounts(
            listed=index.n_files(),
            unread=index.n_unread(),
            copies=index.n_duplicates(),
            gone=len(self.gone),
            problems=index.n_problems(),
            not_images=sum(index.passed_over().values()),
        )

    def listed_files(self) -> Iterator[ListedFile]:
        """Every listed file, readable or not, sorted by name; the rows of an array in their order."""
        n, m = len(self), 0 if self.test is None else len(self.test.targets)
        files: Iterator[ListedFile] = (
            ListedFile(name, test, position if position < (m if test else n) else -1)  # more may have been read
            for name, test, position in self.library.index.files_by_name()
        )
        first = next(files, None)
        if first is None:
            return
        files = chain([first], files)
        yield from sorted(files, key=_row_of_array) if _ROW_OF_ARRAY.fullmatch(first.name) else files

    def rows_by_file(self) -> FileRows:
        """How a table with one row per listed file, readable or not, maps to the items."""
        first, n_files = "", 0
        items: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for file in self.listed_files():
            first = first or file.name
            if file.index >= 0:
                items[file.test].append((n_files, file.index))
            n_files += 1
        pool, test = (np.array(part, dtype=np.int64).reshape(-1, 2) for part in items)
        return FileRows(n_files, pool, test, first)

    # -- growing -------------------------------------------------------------------------------------------------------

    @property
    def can_grow(self) -> bool:
        """Whether items may be added at the end: yes, as the source may get new files."""
        return True

    @property
    def is_complete(self) -> bool:
        """Whether every file that was listed has been read."""
        return self.library.complete

    @property
    def is_checked(self) -> bool:
        """Whether every file was looked at when the files were listed; else `read_rest` does."""
        return self.library.checked or self.library.source_is_missing

    @property
    def n_read(self) -> int:
        """Items that have been read, with those that `refresh` would add."""
        return self.library.index.n_items(test=False)

    def refresh(self) -> int:
        """Add the items that were read since; returns how many were added. The test split does not change."""
        before = len(self)
        if self.n_read > before:
            self._content = self._load(self.classes, self.test)
        return len(self) - before

    def read_rest(
        self, on_progress: ReadProgress = no_progress, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Look at files that were not looked at, read those not read yet, until `should_stop`, and add their items."""
        with self.library.exclusive(wait=True):
            if not self.is_checked:
                self.library.update_listing()
            self.library.read(on_progress, enough=lambda _done: should_stop())
        self.refresh()

    def read_until_found(self, ids: Collection[str], on_progress: ReadProgress = no_progress) -> None:
        """List and read all files if one of the ids is missing, as after the cache was deleted."""
        if self.is_complete or self.library.source_is_missing or not (self.indices_of([*ids]) < 0).any():
            return
        with self.library.exclusive(wait=True):
            self.library.update_listing(on_progress)
            self.library.read(on_progress)
        self.refresh()

    def _load(self, classes: tuple[str, ...], test: ImageSplit | None = None) -> PoolContent:
        """The current content of the library; with its test split unless one is given."""
        index, shape = self.library.index, self.library.shape
        n = index.n_items(test=False)
        if shape is None or not n:
            problems = index.problems()
            example = printable(f"{problems[0].name}: {problems[0].reason}") if problems else "no files"
            raise TuilabelError(
                f"there is no readable image in {self.library.source.location} ({example}): name another folder or file"
            )
        arrays, test_arrays = self.library.arrays(shape)
        try:
            if test is None:
                n_test = index.n_items(test=True)
                test_targets = self._targets_of(classes, n_test, test=True) if n_test else None
                test = None if test_targets is None else ImageSplit(test_arrays.images(n_test), test_targets)
            ids, test_ids = arrays.ids(n), None if test is None else test_arrays.ids(len(test.targets))
            targets = self._targets_of(classes, n, test=False)
            return PoolContent(arrays.images(n), ids, targets, test, fingerprint_of(ids, test_ids))
        except (OSError, ValueError) as error:
            raise TuilabelError(
                f"the library {self.library.folder} is damaged ({error}): delete that folder, it will be rebuilt"
            ) from error

    def _targets_of(self, classes: tuple[str, ...], n: int, *, test: bool) -> NDArray[np.int64] | None:
        """The classes of the first `n` items, as another process may add more; None if one has no class."""
        labels = self.library.index.labels_of_items(test=test)[:n] if classes else []
        if not classes or None in labels:
            return None
        position = {name: k for k, name in enumerate(classes)}
        return np.array([position.get(label or "", -1) for label in labels], dtype=np.int64)


class LibraryFiles:
    """The files of a library's pool, or of its test split."""

    def __init__(self, library: Library, *, test: bool = False) -> None:
        self._library, self._test = library, test

    def names(self, index: int) -> tuple[str, ...]:
        """The files of the last listing with this content."""
        return tuple(self._library.index.names_at(index, test=self._test))

    def last_name(self, index: int) -> str:
        """The first of them, or its last known name."""
        return self._library.index.last_name_at(index, test=self._test)

    def path(self, index: int) -> Path | None:
        """The first of them, if it is on a local disk."""
        names = self.names(index)
        return self._library.source.path(names[0]) if names else None

    def read(self, index: int) -> bytes:
        """The content of the file; a row of an array as PNG; if the file is gone, the kept copy, if there is one."""
        reason = "the file is gone"
        for _, content in self._library.source.read(self.names(index)):
            if isinstance(content, SourceError):
                reason = str(content)
            elif not isinstance(content, bytes):
                return png(content)
            elif file_id(content) == self._library.index.id_at(index, test=self._test):
                return content
            else:
                reason = "the file has changed since it was listed"
        copy = self._library.index.copy_at(index, test=self._test)
        if copy is None:
            raise TuilabelError(f"{self.last_name(index)!r} cannot be read: {reason}")
        return copy


def _row_of_array(file: ListedFile) -> tuple[int, int]:
    """The position of a row among those of an array's splits: by name, #10 would come before #2."""
    row = _ROW_OF_ARRAY.fullmatch(file.name)
    return (len(_SPLITS), 0) if row is None else (_SPLITS.index(row[1]), int(row[2]))


def natural_sort_key(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which 2 comes before 10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part]

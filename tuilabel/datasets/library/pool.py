"""What a library has read, as a pool that grows."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets.decode import Undecodable, decode
from tuilabel.datasets.library.library import Library
from tuilabel.datasets.pool import ImagePool, ImageSplit, fingerprint_of, png
from tuilabel.datasets.sources import SourceError
from tuilabel.errors import TuilabelError


class LibraryPool(ImagePool):
    """The items of a library, in the order in which they were read.

    `classes` are those that the source names, in natural order; `targets` there are where it names one for every
    item. The test split is what the source says it is.

    Raises
    ------
    TuilabelError : where the library holds no item, or is damaged.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        shape = library.shape
        n = library.index.n_items(test=False)
        if shape is None or not n:
            raise TuilabelError(
                f"there is no readable image in {library.source.where}: "
                f"`tuilabel stats {quote(library.source.where)} --problems` lists what is wrong"
            )
        classes = tuple(sorted(library.index.labels(), key=natural_order))
        n_test = library.index.n_items(test=True)
        test = None
        targets = self._targets(classes, test=True) if n_test else None
        pool, tested = library.shelves(shape)
        try:
            if targets is not None:
                test = ImageSplit(tested.images(n_test), targets)
            super().__init__(
                library.source.title,
                pool.images(n),
                pool.ids(n),
                self._targets(classes, test=False),
                classes,
                test,
                "",
                LibraryFiles(library),
            )
        except (OSError, ValueError) as error:
            raise TuilabelError(
                f"the library {library.folder} is damaged ({error}): delete that folder, it is made anew"
            ) from error
        self._stamp()

    def refresh(self) -> int:
        """Take in what has been read since; returns how many items that are."""
        before, n = len(self.ids), self.library.index.n_items(test=False)
        shape = self.library.shape
        if n <= before or shape is None:
            return 0
        shelf = self.library.shelves(shape)[0]
        self.images, self.ids = shelf.images(n), shelf.ids(n)
        self.targets = self._targets(self.classes, test=False)
        self._order = None
        self._stamp()
        return n - before

    @property
    def cache_name(self) -> str:
        """Names what is derived from the images: by the library, whatever it holds by now."""
        return f"{self.name}-{self.library.token}"

    @property
    def grows(self) -> bool:
        """It does."""
        return True

    @property
    def gone(self) -> NDArray[np.int64]:
        """Indices of the items that no file has any more."""
        return np.array(self.library.index.gone(), dtype=np.int64)

    def places_by_name(self) -> tuple[tuple[list[tuple[int, int]], list[tuple[int, int]]], int]:
        """For the pool and for the test split (row, index) of every file that was read, and how many files there are.

        A file's row is its place among all that were listed, by name.
        """
        return self.library.index.places_by_name()

    def size_of(self, index: int) -> tuple[int, int]:
        """(width, height) of the image before it was made small."""
        return self.library.index.size_at(index)

    def picture(self, index: int, longest: int) -> NDArray[np.uint8]:
        """The image as large as its file has it, at most `longest` pixels a side, uint8 (h, w, C)."""
        index_, files = self.library.index, self.files
        copy = index_.copy_at(index)
        try:
            return decode(files.read(index) if copy is None else copy, longest).image
        except (TuilabelError, Undecodable):
            return super().picture(index, longest)

    def _stamp(self) -> None:
        test_ids = None
        if self.test is not None and self.library.shape is not None:
            test_ids = self.library.shelves(self.library.shape)[1].ids(len(self.test.targets))
        self.fingerprint = fingerprint_of(self.ids, test_ids)

    def _targets(self, classes: tuple[str, ...], *, test: bool) -> NDArray[np.int64] | None:
        labels = self.library.index.labels_of_items(test=test) if classes else []
        if not classes or None in labels:
            return None
        place = {name: k for k, name in enumerate(classes)}
        return np.array([place.get(label or "", -1) for label in labels], dtype=np.int64)


class LibraryFiles:
    """The files of a library's pool, in its source."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def names(self, index: int) -> tuple[str, ...]:
        """The files with this content that the newest listing had."""
        return tuple(self._library.index.names_at(index))

    def last_name(self, index: int) -> str:
        """The first of them, or what it was called."""
        return self._library.index.last_name_at(index)

    def path(self, index: int) -> Path | None:
        """The first file on this machine's disks, if it is one."""
        names = self.names(index)
        return self._library.source.path(names[0]) if names else None

    def read(self, index: int) -> bytes:
        """The file's content: of a row of an array as PNG, of a file that is gone the copy, where one was kept."""
        reason = "the file is gone"
        names = list(self.names(index))
        for _, content in self._library.source.read(names[:1]):
            if isinstance(content, bytes):
                return content
            if not isinstance(content, SourceError):
                return png(content)
            reason = str(content)
        copy = self._library.index.copy_at(index)
        if copy is None:
            raise TuilabelError(f"{self.last_name(index)!r} cannot be read: {reason}")
        return copy


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A key by which 2 comes before 10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part]

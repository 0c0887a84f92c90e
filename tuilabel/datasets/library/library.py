"""A library: lists a source, reads its images, and keeps small copies of them."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from tuilabel.datasets.decode import DecodeError, decode
from tuilabel.datasets.library.index import LibraryIndex, Problem
from tuilabel.datasets.library.item_arrays import ItemArrays
from tuilabel.datasets.library.read_files import Shape, read_files
from tuilabel.datasets.pool import ReadProgress, no_progress
from tuilabel.datasets.sources import (
    Content,
    FindsByStamp,
    HasFolders,
    MissingSource,
    Source,
    SourceError,
    nothing_known,
    plain_title_of,
)
from tuilabel.datasets.sources.passed_over import passed_over_line
from tuilabel.datasets.sources.texts import are_captions
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir

log = logging.getLogger(__name__)

VERSION = 1
SIDE = 64  # pixels per side of a small copy, unless all images are smaller and of the same size
SAMPLE = 128  # files examined for the size and colour of the images
PARTS = ("pool", "test")
MANY = 20_000  # files: fewer are looked at each time, in less than half a second
FOLDERS = "folders"
"""The variant in which folders are classes."""


class Library:
    """Small copies of a source's images in the cache.

    Parameters
    ----------
    source : the images.
    variant : what else the library depends on, such as whether folders are classes.

    Raises
    ------
    TuilabelError : if the cache cannot be written.
    """

    def __init__(self, source: Source, variant: str = "") -> None:
        self.source, self.variant = source, variant
        key = hashlib.blake2b(f"{VERSION}|{source.location}|{variant}".encode(errors="surrogatepass"), digest_size=8)
        self.folder = cache_dir() / "libraries" / f"{plain_title_of(source.location)}-{key.hexdigest()}"
        with self._cache_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.index = self._open_index()
        if isinstance(source, FindsByStamp):
            source.find_by(lambda name: self.index.stamp_of(name))

    def _open_index(self) -> LibraryIndex:
        try:
            return LibraryIndex(self.folder / "index.db")
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            log.info("the library in %s is damaged and will be rebuilt: %s", self.folder, error)
            shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True)
            return LibraryIndex(self.folder / "index.db")

    def start_over_if_cut_short(self) -> None:
        """Forget all items if a file no longer holds those that the index knows; the caller has locked others out."""
        with self._cache_errors():
            shape = self.shape
            arrays = [] if shape is None else zip(self.arrays(shape), (False, True), strict=True)
            if all(part.holds(self.index.n_items(test=test)) for part, test in arrays):
                return
            log.info("the library in %s has been cut short and is read again", self.folder)
            self.index.close()
            for file in self.folder.iterdir():
                if file.name != "lock":
                    file.unlink()
            self.index = LibraryIndex(self.folder / "index.db")

    # -- reading ---------------------------------------------------------------------------------------------------

    @contextmanager
    def exclusive(self, *, wait: bool) -> Iterator[bool]:
        """Lock out other processes that add items; without `wait`, yields False if one holds the lock."""
        with self._cache_errors(), (self.folder / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            except OSError:
                pass  # a network file system without locks
            yield True

    def update_listing(self, on_progress: ReadProgress = no_progress, *, trust_folders: bool = False) -> int:
        """List the source: new or changed files become unread, deleted ones are gone. Returns the number of files.

        Parameters
        ----------
        trust_folders : whether folders that have not changed need not be listed again, if the source has so many files
            that it takes long. What was then overwritten in place is found by the next listing without this.

        Raises
        ------
        TuilabelError : if the source cannot be listed, or contains no images.
        """
        with self._cache_errors():
            source, trusts, files = self.source, False, 0
            if isinstance(source, HasFolders):
                many, packed = self.index.n_files() >= MANY, source.is_packed
                trusts = many and trust_folders and not packed and source.keeps_times()
                known = self.index.known_folder if trusts or (many and packed) else nothing_known
                found = source.changes(known)
            else:
                found = source.list()
            for files in self.index.update_listing(found, shuffled=not source.sequential):
                on_progress(f"listing {self.source.title}", files, 0)
            self.index.store_values(unchecked=int(trusts))
            skipped = self.source.skipped()
            self.index.store_skipped(skipped)
            passed_over = self.source.passed_over()
            self.index.store_passed_over(passed_over)
        if not files:
            more = f"; {len(skipped):,} were skipped ({skipped[0][1]})" if skipped else ""
            line = passed_over_line(passed_over, all_suffixes=True)
            more += f"; {line}" if line else ""
            raise TuilabelError(f"there are no images in {self.source.location}{more}: name another folder or file")
        return files

    def read(
        self,
        on_progress: ReadProgress = no_progress,
        *,
        enough: Callable[[int], bool] = lambda _done: False,
    ) -> int:
        """Read unread files until it is `enough`, called with the files read so far; returns their number.

        Raises
        ------
        TuilabelError : if the cache cannot be written.
        """
        with self._cache_errors():
            shape = self._decide_shape()
            total = self.index.n_unread()
            if shape is None or not total:
                return 0
            stage = f"reading {self.source.title}"
            on_progress(stage, 0, total)
            return read_files(
                self.source,
                self.index,
                self.arrays(shape),
                shape,
                enough=enough,
                on_progress=lambda done: on_progress(stage, done, total),
            )

    # -- content ----------------------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """A random token, drawn when the library was created; it is in the names of files computed from its items."""
        if self.index.value("token") is None:
            self.index.store_values(token=secrets.token_hex(8))
        return str(self.index.value("token"))

    @property
    def shape(self) -> Shape | None:
        """Shape (H, W, C) of the small copies; None before there is one."""
        stored = self.index.value("shape")
        if not isinstance(stored, str):
            return None
        height, width, channels = map(int, stored.split("x"))
        return height, width, channels

    def arrays(self, shape: Shape) -> list[ItemArrays]:
        """The arrays of the pool and of the test split."""
        return [ItemArrays(self.folder, part, shape) for part in PARTS]

    @property
    def has_captions(self) -> bool:
        """Whether what the source says about its images are captions, and not classes."""
        return self.variant != FOLDERS and are_captions(self.index.label_counts())

    @property
    def source_is_missing(self) -> bool:
        """Whether the source no longer exists, so that only what was read before is left."""
        return isinstance(self.source, MissingSource)

    @property
    def checked(self) -> bool:
        """Whether every file was looked at when the source was listed last."""
        return not self.index.value("unchecked")

    @property
    def complete(self) -> bool:
        """Whether every listed file has been read."""
        return self.index.n_unread() == 0

    def _decide_shape(self) -> Shape | None:
        """The shape of the copies, the first time from a sample of the images; None without a readable image."""
        if self.shape is not None:
            return self.shape
        if self.source.row_shape is not None:
            height, width, channels = self.source.row_shape
            sizes, has_colour = {(height, width)}, channels == 3
        else:
            sizes, has_colour, problems = set[tuple[int, int]](), False, list[Problem]()
            names = [file.name for file in self.index.unread(SAMPLE)]
            for name, content in self.source.read(names):
                try:
                    size, is_coloured = _size_and_colour(content)
                except (DecodeError, SourceError) as error:
                    problems.append(Problem(name, str(error)))
                    continue
                sizes.add(size)
                has_colour = has_colour or is_coloured
                if has_colour and not _keeps_size(sizes):
                    break  # no other image can change the result
            if not sizes and self.index.n_unread() > len(names):
                sizes, has_colour = {(SIDE, SIDE)}, True  # a sample without a readable image tells nothing
            if not sizes:
                self.index.add([], [], problems)
                return None
        shape = copy_shape(sizes, has_colour)
        self.index.store_values(shape="x".join(map(str, shape)))
        return shape

    @contextmanager
    def _cache_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise TuilabelError(
                f"cannot use the cache {self.folder}: {reason} (free some space, or set TUILABEL_CACHE)"
            ) from error


def _size_and_colour(content: Content) -> tuple[tuple[int, int], bool]:
    """(height, width) of an image, and whether it has colour; raises `DecodeError` or `SourceError`."""
    if isinstance(content, SourceError):
        raise content
    if isinstance(content, bytes):
        image = decode(content, 2 * SIDE)
        return (image.height, image.width), not image.grey
    return (content.shape[0], content.shape[1]), content.shape[2] == 3


def copy_shape(sizes: Collection[tuple[int, int]], has_colour: bool) -> Shape:
    """The shape (H, W, C) of small copies of images of these sizes (height, width)."""
    (height, width) = next(iter(sizes)) if _keeps_size(set(sizes)) else (SIDE, SIDE)
    return height, width, 3 if has_colour else 1


def _keeps_size(sizes: Collection[tuple[int, int]]) -> bool:
    """Whether the copies keep the size of the images: if all are small and of the same size."""
    return len(sizes) == 1 and max(max(size) for size in sizes) <= SIDE

"""A library: takes stock of a source, reads its images, and hands them out as a pool that grows."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from tuilabel.datasets.decode import Undecodable, decode
from tuilabel.datasets.library.index import LibraryIndex, Problem
from tuilabel.datasets.library.reading import Shape, read_files
from tuilabel.datasets.library.shelf import Shelf
from tuilabel.datasets.pool import ReadProgress, no_progress
from tuilabel.datasets.sources import Content, Missing, Source, SourceError
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir

log = logging.getLogger(__name__)

VERSION = 1
SIDE = 64  # pixels a side of a small copy, unless all images are smaller and of one size
SAMPLE = 128  # files that say of what size and colour the images are
PARTS = ("pool", "test")


class Library:
    """Small copies of a source's images in the cache.

    Parameters
    ----------
    source : what is read.
    variant : what else the copies depend on, as whether folders say the class.

    Raises
    ------
    TuilabelError : where the cache cannot be written.
    """

    def __init__(self, source: Source, variant: str = "") -> None:
        self.source = source
        key = hashlib.blake2b(f"{VERSION}|{source.where}|{variant}".encode(errors="surrogatepass"), digest_size=8)
        self.folder = cache_dir() / "libraries" / f"{source.title}-{key.hexdigest()}"
        with self._cache_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.index = self._open_index()

    def _open_index(self) -> LibraryIndex:
        try:
            return LibraryIndex(self.folder / "index.db")
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            log.info("the library in %s is damaged and made anew: %s", self.folder, error)
            shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True)
            return LibraryIndex(self.folder / "index.db")

    # -- filling it -------------------------------------------------------------------------------------------------

    @contextmanager
    def exclusive(self, *, wait: bool) -> Iterator[bool]:
        """Keep others from filling it; False, without `wait`, where one is doing so."""
        with self._cache_errors(), (self.folder / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            except OSError:
                pass  # a network file system without locks
            yield True

    def take_stock(self, on_progress: ReadProgress = no_progress) -> int:
        """List the source: what is new or changed is to be read, what is gone is asked no more. Returns the files.

        Raises
        ------
        TuilabelError : where the source cannot be listed, or holds no image at all.
        """
        with self._cache_errors():
            files = 0
            for files in self.index.take_stock(self.source.list(), shuffled=not self.source.sequential):
                on_progress(f"listing {self.source.title}", files, 0)
            skipped = self.source.skipped()
            self.index.note_skipped(skipped)
        if not files:
            more = f"; {len(skipped):,} were passed over, as {skipped[0][1]}" if skipped else ""
            raise TuilabelError(f"there are no images in {self.source.where}{more}: name another folder or file")
        return files

    def read(
        self,
        on_progress: ReadProgress = no_progress,
        *,
        enough: Callable[[int], bool] = lambda _done: False,
    ) -> int:
        """Read what is unread, until it is `enough`, which is told the files read so far; returns those.

        Raises
        ------
        TuilabelError : where the cache cannot be written.
        """
        with self._cache_errors():
            shape = self._settle_shape()
            total = self.index.n_unread()
            if shape is None or not total:
                return 0
            stage = f"reading {self.source.title}"
            on_progress(stage, 0, total)
            return read_files(
                self.source,
                self.index,
                self.shelves(shape),
                shape,
                enough=enough,
                on_progress=lambda done: on_progress(stage, done, total),
            )

    # -- what it holds ----------------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """Drawn when the library was made: what is derived from its items is named by it."""
        if self.index.about("token") is None:
            self.index.note(token=secrets.token_hex(8))
        return str(self.index.about("token"))

    @property
    def shape(self) -> Shape | None:
        """(H, W, C) of the small copies; None before there is any."""
        known = self.index.about("shape")
        if not isinstance(known, str):
            return None
        height, width, channels = map(int, known.split("x"))
        return height, width, channels

    def shelves(self, shape: Shape) -> list[Shelf]:
        """Of the pool and of the test split."""
        return [Shelf(self.folder, part, shape) for part in PARTS]

    @property
    def source_is_missing(self) -> bool:
        """Whether the images are no longer where they were, so that only what was read before is left."""
        return isinstance(self.source, Missing)

    @property
    def complete(self) -> bool:
        """Whether everything listed has been read."""
        return self.index.n_unread() == 0

    def _settle_shape(self) -> Shape | None:
        """The shape of the copies, from a sample where this is the first reading; None without one good image."""
        if self.shape is not None:
            return self.shape
        if self.source.rows is not None:
            height, width, channels = self.source.rows
            sizes, coloured = {(height, width)}, channels == 3
        else:
            sizes, coloured, problems = set[tuple[int, int]](), False, list[Problem]()
            names = [file.name for file in self.index.unread(SAMPLE)]
            for name, content in self.source.read(names):
                try:
                    size, is_coloured = _looked_at(content)
                except (Undecodable, SourceError) as error:
                    problems.append(Problem(name, str(error)))
                    continue
                sizes.add(size)
                coloured = coloured or is_coloured
                if coloured and not _keeps_size(sizes):
                    break  # no other image can change that
            if not sizes and self.index.n_unread() > len(names):
                sizes, coloured = {(SIDE, SIDE)}, True  # a sample without one good image says nothing
            if not sizes:
                self.index.keep([], [], problems)
                return None
        (height, width) = sizes.pop() if _keeps_size(sizes) else (SIDE, SIDE)
        shape = (height, width, 3 if coloured else 1)
        self.index.note(shape="x".join(map(str, shape)))
        return shape

    @contextmanager
    def _cache_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise TuilabelError(
                f"cannot use the cache {self.folder}: {reason} (make room, or set TUILABEL_CACHE)"
            ) from error


def _looked_at(content: Content) -> tuple[tuple[int, int], bool]:
    """(height, width) of an image, and whether it is coloured; raises what is wrong with it."""
    if isinstance(content, SourceError):
        raise content
    if isinstance(content, bytes):
        image = decode(content, 2 * SIDE)
        return (image.height, image.width), not image.grey
    return (content.shape[0], content.shape[1]), content.shape[2] == 3


def _keeps_size(sizes: Collection[tuple[int, int]]) -> bool:
    """Whether the copies have the images' own size: where all are small and of one."""
    return len(sizes) == 1 and max(max(size) for size in sizes) <= SIDE

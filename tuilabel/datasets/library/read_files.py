"""Reads files into a library: each is read, decoded and reduced, a limited number of them in parallel."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuilabel.datasets.decode import DecodeError, decode, resize_to
from tuilabel.datasets.ids import content_ids, file_id
from tuilabel.datasets.library.index import LibraryIndex, NewItem, Problem, UnreadFile
from tuilabel.datasets.library.item_arrays import ItemArrays
from tuilabel.datasets.read_ahead import in_threads
from tuilabel.datasets.sources import Content, Source, SourceError

CHUNK = 256  # files per query of the index
SEQUENTIAL_CHUNK = 16_384  # for a source that is read from its start every time
WRITE_EVERY = 0.5  # seconds until what was read is on disk and in the pool
COPY_SIDE = 384  # pixels of the longer side of a kept copy

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class _SmallCopy:
    id: str
    image: NDArray[np.uint8]
    width: int
    height: int
    copy: bytes | None


def read_files(
    source: Source,
    index: LibraryIndex,
    arrays: Sequence[ItemArrays],
    shape: Shape,
    *,
    enough: Callable[[int], bool],
    on_progress: Callable[[int], None],
) -> int:
    """Read the files that the index lists as unread, until none is left or it is `enough`.

    Files that were being read when a process crashed are retried in groups of a sixteenth of the size, until the file
    that crashes the decoder crashes it alone; that file is then recorded as a problem.

    Parameters
    ----------
    arrays : those of the pool and of the test split.
    enough : called with the files read so far, after each of them.
    on_progress : called with the files read so far, when they have been written.

    Returns
    -------
    The number of files read.

    Raises
    ------
    OSError : if the library cannot be written.
    """
    done = 0
    chunk = SEQUENTIAL_CHUNK if source.sequential else CHUNK
    while not enough(done):
        files = index.unread(chunk)
        crashing = [file for file in files if file.tries and files_per_attempt(chunk, file.tries - 1) == 1]
        index.add([], [], [Problem(file.name, "crashes the decoder") for file in crashing])
        done += len(crashing)
        files = [file for file in files if file not in crashing]
        files = [file for file in files if file.tries == files[0].tries]
        if not files and not crashing:
            break
        files = files[: files_per_attempt(chunk, files[0].tries)] if files else []
        with _Batch(index, arrays, files) as batch:
            for name, small in _small_copies(source, [file.name for file in files], shape):
                batch.add(name, small)
                done += 1
                if batch.is_due:
                    batch.write()
                    on_progress(done)
                if enough(done):
                    break
        on_progress(done)
    return done


def files_per_attempt(chunk: int, tries: int) -> int:
    """How many files are read at a time if they were being read during `tries` crashes."""
    return max(1, chunk >> 4 * tries)


class _Batch:
    """Files of a chunk that were read but not written yet. On exit these are written; the rest become unread again."""

    def __init__(self, index: LibraryIndex, arrays: Sequence[ItemArrays], files: Sequence[UnreadFile]) -> None:
        self._index, self._arrays = index, arrays
        self._files = {file.name: file for file in files}
        self._next = [index.n_items(test=bool(part)) for part in range(len(arrays))]
        self._new: dict[tuple[bool, str], tuple[NewItem, NDArray[np.uint8]]] = {}
        self._positions: list[tuple[str, int]] = []
        self._problems: list[Problem] = []
        self._written = monotonic()

    def __enter__(self) -> _Batch:
        self._index.begin_attempt(list(self._files))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.write()
        self._index.end_attempt(list(self._files))

    @property
    def is_due(self) -> bool:
        return monotonic() - self._written > WRITE_EVERY

    def add(self, name: str, small: _SmallCopy | Problem) -> None:
        file = self._files.pop(name)
        if isinstance(small, Problem):
            self._problems.append(small)
            return
        new = self._new.get((file.test, small.id))
        position = new[0].position if new else self._index.position_of(small.id, test=file.test)
        if position is None:
            position = self._next[file.test]
            self._next[file.test] += 1
            item = NewItem(file.test, position, small.id, small.width, small.height, file.label, small.copy)
            self._new[file.test, small.id] = (item, small.image)
        self._positions.append((name, position))

    def write(self) -> None:
        """Write the images first, then the index, which makes them valid."""
        for part, part_arrays in enumerate(self._arrays):
            rows = [pair for (test, _), pair in self._new.items() if test == bool(part)]
            if rows:
                part_arrays.write(
                    rows[0][0].position, np.stack([image for _, image in rows]), [item.id for item, _ in rows]
                )
        self._index.add([item for item, _ in self._new.values()], self._positions, self._problems)
        self._new, self._positions, self._problems = {}, [], []
        self._written = monotonic()


def n_workers() -> int:
    """Number of decoding threads: the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def _small_copies(source: Source, names: Sequence[str], shape: Shape) -> Iterator[tuple[str, _SmallCopy | Problem]]:
    """A small copy of every file, or its problem; decoded in threads, as Pillow releases the GIL."""
    work = partial(make_small_copy, shape=shape, copy=source.keeps_copies)
    return in_threads(source.read(names), work, threads=n_workers(), ahead=2 * n_workers())


def make_small_copy(name: str, content: Content, shape: Shape, *, copy: bool) -> _SmallCopy | Problem:
    """The content of a file reduced to a row of the library, or its problem."""
    if isinstance(content, SourceError):
        return Problem(name, str(content))
    height, width, channels = shape
    if isinstance(content, np.ndarray):
        item = content_ids(content[None])[0].decode()
        return _SmallCopy(item, resize_to(content, height, width, channels), content.shape[1], content.shape[0], None)
    try:
        image = decode(content, COPY_SIDE if copy else 2 * max(height, width))
    except DecodeError as error:
        return Problem(name, str(error))
    small = resize_to(image.image, height, width, channels)
    kept = _jpeg(image.image) if copy else None
    return _SmallCopy(file_id(content), small, image.width, image.height, kept)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "JPEG", quality=85)
    return file.getvalue()

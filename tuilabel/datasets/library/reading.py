"""Reading files into a library: each is read, decoded and made small; several at once, a bounded number of them."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuilabel.datasets.decode import Undecodable, decode, squared
from tuilabel.datasets.ids import content_ids, file_id
from tuilabel.datasets.library.index import LibraryIndex, NewItem, Problem, Unread
from tuilabel.datasets.library.shelf import Shelf
from tuilabel.datasets.sources import Content, Source, SourceError

CHUNK = 256  # files taken from the index at once
SEQUENTIAL_CHUNK = 16_384  # of a source that is gone through from its start each time
WRITE_EVERY = 0.5  # seconds: what was read is on disk and in the pool then
COPY_SIDE = 384  # pixels of a kept copy's longer side

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class _Small:
    id: str
    image: NDArray[np.uint8]
    width: int
    height: int
    copy: bytes | None


def read_files(
    source: Source,
    index: LibraryIndex,
    shelves: Sequence[Shelf],
    shape: Shape,
    *,
    enough: Callable[[int], bool],
    on_progress: Callable[[int], None],
) -> int:
    """Read what the index says is unread, until there is nothing left or it is `enough`.

    Files that were on the table when a reading died are read a sixteenth at a time, until the one that a decoder dies
    over has died alone; it is given up.

    Parameters
    ----------
    shelves : of the pool and of the test split.
    enough : told the files read so far; asked between any two.
    on_progress : told the files read so far, when they are written down.

    Returns
    -------
    The files read.

    Raises
    ------
    OSError : where the library cannot be written.
    """
    done = 0
    chunk = SEQUENTIAL_CHUNK if source.sequential else CHUNK
    while not enough(done):
        files = index.unread(chunk)
        fatal = [file for file in files if file.tries and at_once(chunk, file.tries - 1) == 1]
        index.keep([], [], [Problem(file.name, "the decoder crashed over it") for file in fatal])
        done += len(fatal)
        files = [file for file in files if file not in fatal]
        files = [file for file in files if file.tries == files[0].tries]
        if not files and not fatal:
            break
        files = files[: at_once(chunk, files[0].tries)] if files else []
        with _Batch(index, shelves, files) as batch:
            for name, small in _small(source, [file.name for file in files], shape):
                batch.take(name, small)
                done += 1
                if batch.is_due:
                    batch.write()
                    on_progress(done)
                if enough(done):
                    break
        on_progress(done)
    return done


def at_once(chunk: int, tries: int) -> int:
    """How many files are read at once that so many readings died over."""
    return max(1, chunk >> 4 * tries)


class _Batch:
    """What has been read of a chunk and not been written down; on leaving it is, and the rest is called off."""

    def __init__(self, index: LibraryIndex, shelves: Sequence[Shelf], files: Sequence[Unread]) -> None:
        self._index, self._shelves = index, shelves
        self._files = {file.name: file for file in files}
        self._next = [index.n_items(test=bool(part)) for part in range(len(shelves))]
        self._new: dict[tuple[bool, str], tuple[NewItem, NDArray[np.uint8]]] = {}
        self._places: list[tuple[str, int]] = []
        self._problems: list[Problem] = []
        self._written = monotonic()

    def __enter__(self) -> _Batch:
        self._index.begin(list(self._files))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.write()
        self._index.begin(list(self._files), by=-1)

    @property
    def is_due(self) -> bool:
        return monotonic() - self._written > WRITE_EVERY

    def take(self, name: str, small: _Small | Problem) -> None:
        file = self._files.pop(name)
        if isinstance(small, Problem):
            self._problems.append(small)
            return
        found = self._new.get((file.test, small.id))
        place = found[0].place if found else self._index.place_of(small.id, test=file.test)
        if place is None:
            place = self._next[file.test]
            self._next[file.test] += 1
            item = NewItem(file.test, place, small.id, small.width, small.height, file.label, small.copy)
            self._new[file.test, small.id] = (item, small.image)
        self._places.append((name, place))

    def write(self) -> None:
        """First the images, then the index that says they are there."""
        for part, shelf in enumerate(self._shelves):
            rows = [pair for (test, _), pair in self._new.items() if test == bool(part)]
            if rows:
                shelf.write(rows[0][0].place, np.stack([image for _, image in rows]), [item.id for item, _ in rows])
        self._index.keep([item for item, _ in self._new.values()], self._places, self._problems)
        self._new, self._places, self._problems = {}, [], []
        self._written = monotonic()


def workers() -> int:
    """Threads that decode at once: as many as this process may use processors."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def _small(source: Source, names: Sequence[str], shape: Shape) -> Iterator[tuple[str, _Small | Problem]]:
    """Every named file, small, or what is wrong with it; decoded in threads, for Pillow lets others run meanwhile."""
    waiting: deque[tuple[str, Future[_Small | Problem]]] = deque()
    ahead = 2 * workers()
    executor = ThreadPoolExecutor(workers(), thread_name_prefix="decode")
    try:
        for name, content in source.read(names):
            waiting.append((name, executor.submit(make_small, name, content, shape, copy=source.keeps)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def make_small(name: str, content: Content, shape: Shape, *, copy: bool) -> _Small | Problem:
    """The content of a file as a row of the library, or what is wrong with it."""
    if isinstance(content, SourceError):
        return Problem(name, str(content))
    height, width, channels = shape
    if isinstance(content, np.ndarray):
        item = content_ids(content[None])[0].decode()
        return _Small(item, squared(content, height, width, channels), content.shape[1], content.shape[0], None)
    try:
        image = decode(content, COPY_SIDE if copy else 2 * max(height, width))
    except Undecodable as error:
        return Problem(name, str(error))
    small = squared(image.image, height, width, channels)
    kept = _jpeg(image.image) if copy else None
    return _Small(file_id(content), small, image.width, image.height, kept)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "JPEG", quality=85)
    return file.getvalue()

"""The pool: all images of a dataset in a fixed order, each with an id derived from its content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from sys import intern
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuilabel.datasets.array_checks import (
    check_name,
    checked_classes,
    checked_images,
    checked_indices,
    checked_targets,
    frozen,
)
from tuilabel.datasets.ids import content_ids, fingerprint_of
from tuilabel.datasets.item_files import ArrayFiles, ItemFiles, SubsetFiles
from tuilabel.datasets.mapped import read_row

if TYPE_CHECKING:
    from tuilabel.datasets.ref import DatasetRef

ReadProgress = Callable[[str, int, int], None]
"""Called with what is being done, the steps done, and the total (0 while that is unknown)."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """A `ReadProgress` that reports nothing."""


@dataclass(frozen=True)
class ImageSplit:
    """Test images, uint8 (M, H, W, C), and their classes, int64 (M,)."""

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]

    @cached_property
    def ids(self) -> NDArray[np.bytes_]:
        """The ids of the images; see `content_ids`."""
        return content_ids(self.images)


@dataclass(frozen=True)
class FileCounts:
    """Counts of the files of your own images, and of those that are not items of their own."""

    listed: int
    unread: int
    copies: int
    """Files with the same content as another."""
    gone: int
    """Items without a file."""
    problems: int
    """Files that cannot be read as an image."""
    not_images: int = 0
    """Files that are not read, because of their suffix."""


@dataclass(frozen=True)
class FileRows:
    """How a table with one row per file, in the order of `ImagePool.listed_files`, maps to the items of a pool.

    Attributes
    ----------
    n_files : rows of the table.
    pool : int64 (n, 2), pairs (row, index) of the files that are items of the pool.
    test : int64 (m, 2), the same for the test split.
    first : the name of the first file.
    """

    n_files: int
    pool: NDArray[np.int64]
    test: NDArray[np.int64]
    first: str


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of the last listing.

    Attributes
    ----------
    test : whether it belongs to the test split.
    index : of its item in the pool or the test split; -1 if it has not been read, or cannot be.
    """

    name: str
    test: bool
    index: int


@dataclass(frozen=True)
class PoolContent:
    """The arrays of a pool. They belong together, and are replaced together when a pool grows.

    Create one with `of`, so that the fingerprint matches the images.
    """

    images: NDArray[np.uint8]
    ids: NDArray[np.bytes_]
    targets: NDArray[np.int64] | None
    test: ImageSplit | None
    fingerprint: str

    @classmethod
    def of(
        cls,
        images: NDArray[np.uint8],
        ids: NDArray[np.bytes_],
        targets: NDArray[np.int64] | None,
        test: ImageSplit | None,
    ) -> PoolContent:
        """The arrays with the fingerprint of the images."""
        return cls(images, ids, targets, test, fingerprint_of(ids, None if test is None else test.ids))

    def subset(self, indices: NDArray[np.int64]) -> PoolContent:
        """The items at `indices` int64 (n,), in that order, with the whole test split."""
        targets = None if self.targets is None else frozen(self.targets[indices])
        return PoolContent.of(frozen(self.images[indices]), frozen(self.ids[indices]), targets, self.test)

    @cached_property
    def by_id(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        """The ids in ascending order, and the index of each."""
        order = np.argsort(self.ids)
        return self.ids[order], order


class ImagePool:
    """The images that can be queried for labels.

    Created by `open_pool`, `ImagePool.from_arrays` and `subset`. Read-only: what is computed from the images is cached
    under their fingerprint, so the images must never change. A pool may grow at its end (see `can_grow`): an index
    means the same image for as long as the pool exists.
    """

    def __init__(self, name: str, classes: Sequence[str], content: PoolContent) -> None:
        self._name, self._classes, self._content = name, tuple(classes), content

    @classmethod
    def from_arrays(
        cls,
        images: ArrayLike,
        classes: Sequence[str],
        targets: ArrayLike | None = None,
        *,
        test: ImageSplit | None = None,
        name: str = "images",
    ) -> ImagePool:
        """A pool of images in memory, or in a memory-mapped array.

        Parameters
        ----------
        images : uint8 (N, H, W, C) with 1 or 3 channels, or (N, H, W). Copied unless they are read-only, as
            from `numpy.load(path, mmap_mode="r")`.
        classes : distinct class names.
        targets : integers (N,), for each image the position of its true class in `classes`, if known.
        test : test images of the same shape with their classes.
        name : short name for files and projects, of letters, digits and `._-`.

        Raises
        ------
        ValueError : if an array has the wrong shape, type or values, or a name is not usable.
        """
        check_name(name)
        names = checked_classes(classes)
        pixels = checked_images("images", images)
        truth = None if targets is None else checked_targets("targets", targets, len(pixels), len(names))
        if test is not None:
            tested = checked_images("test.images", test.images, pixels.shape[1:])
            test = ImageSplit(tested, checked_targets("test.targets", test.targets, len(tested), len(names)))
        return ImagePool(name, names, PoolContent.of(pixels, content_ids(pixels), truth, test))

    def subset(self, indices: ArrayLike) -> ImagePool:
        """A pool of some of the items, with their ids in this pool and the whole test split.

        It has a fingerprint of its own, so it never shares cached latents with this pool. It does not grow.

        Parameters
        ----------
        indices : integers (n,), distinct, at least one, in any order.

        Raises
        ------
        ValueError : if they are not.
        """
        return Subset(self, checked_indices(indices, len(self)))

    # -- the images ----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Short name for files and projects."""
        return self._name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return self._classes

    @property
    def images(self) -> NDArray[np.uint8]:
        """The images, uint8 (N, H, W, C), C 1 or 3; read-only, memory-mapped if they come from a file."""
        return self._content.images

    def image(self, index: int) -> NDArray[np.uint8]:
        """One of the images, uint8 (H, W, C), for a process that must survive what happens to the file.

        Raises
        ------
        TuilabelError : if the file they come from has been cut short, or cannot be read.
        """
        return read_row(self.images, index)

    @property
    def ids(self) -> NDArray[np.bytes_]:
        """Ids, bytes (N,) of 32 hexadecimal digits; see `content_ids` and `file_id`."""
        return self._content.ids

    @property
    def targets(self) -> NDArray[np.int64] | None:
        """True classes for simulations, int64 (N,); None if unknown."""
        return self._content.targets

    @property
    def test(self) -> ImageSplit | None:
        """The test split, if there is one."""
        return self._content.test

    @property
    def test_ids(self) -> NDArray[np.bytes_]:
        """Ids of the test split, bytes (M,)."""
        return np.empty(0, dtype="S32") if self.test is None else self.test.ids

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of all images and of the test split."""
        return self._content.fingerprint

    @property
    def cache_name(self) -> str:
        """The prefix of cached files computed from the images; constant as a pool grows."""
        return f"{self.name}-{self.fingerprint[:16]}"

    def __len__(self) -> int:
        """Number of items."""
        return len(self.ids)

    def indices_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The index of each id, int64 (n,); -1 for an id that is not in the pool."""
        if not len(ids) or not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        sorted_ids, order = self._content.by_id
        wanted = np.array([item.encode() for item in ids])
        positions = np.minimum(np.searchsorted(sorted_ids, wanted), len(order) - 1)
        return np.where(sorted_ids[positions] == wanted, order[positions], -1)

    def id_of(self, index: int) -> str:
        """The id of an item, always the same object: answers and rounds that are kept name it again and again."""
        return intern(self.ids[index].decode())

    @property
    def augmentations(self) -> str:
        """The family of augmentations for training a VAE on these images: small grey ones are assumed to be glyphs."""
        height, width, channels = self.images.shape[1:]
        return "glyphs" if channels == 1 and max(height, width) <= 32 else "photos"

    @property
    def is_builtin(self) -> bool:
        """Whether this is a built-in dataset, for which the defaults have been tuned."""
        return False

    @property
    def origin(self) -> DatasetRef | None:
        """Where your own images are; None for others."""
        return None

    # -- the source files ----------------------------------------------------------------------------------------------

    @property
    def files(self) -> ItemFiles:
        """The files that the items come from."""
        return ArrayFiles(self.name, self.images)

    def size_of(self, _index: int) -> tuple[int, int]:
        """(width, height) of the image in its source, which may be larger than in `images`."""
        height, width = self.images.shape[1:3]
        return width, height

    def picture(self, index: int, _longest: int) -> NDArray[np.uint8]:
        """The image from its source, upright, at most `longest` pixels per side, uint8 (h, w, C)."""
        return self.image(index)

    def picture_of_test(self, index: int, _longest: int) -> NDArray[np.uint8]:
        """The same for an image of the test split."""
        assert self.test is not None
        image: NDArray[np.uint8] = self.test.images[index]
        return image

    @property
    def gone(self) -> NDArray[np.int64]:
        """Indices of items whose files no longer exist: they keep their labels and are not queried."""
        return np.empty(0, dtype=np.int64)

    @property
    def n_problems(self) -> int:
        """Number of files that cannot be read as an image."""
        return 0

    def remarks(self) -> list[str]:
        """What should be said about the files when they are opened, one line each."""
        return []

    def file_counts(self) -> FileCounts | None:
        """Counts of the source files of your own images; None for a pool of arrays."""
        return None

    def listed_files(self) -> Iterator[ListedFile]:
        """The files of all items; of user images every file, readable or not, sorted by name."""
        for index in range(len(self)):
            yield ListedFile(self.files.last_name(index), test=False, index=index)
        for index in range(0 if self.test is None else len(self.test.images)):
            yield ListedFile(f"{self.name}-test#{index}", test=True, index=index)

    def rows_by_file(self) -> FileRows | None:
        """How a table with one row per file maps to the items; None for a pool of arrays, where a row is an item."""
        return None

    # -- growing -------------------------------------------------------------------------------------------------------

    @property
    def can_grow(self) -> bool:
        """Whether items may be added at the end; those that are there keep their indices."""
        return False

    @property
    def is_complete(self) -> bool:
        """Whether every file that was listed has been read."""
        return True

    @property
    def is_checked(self) -> bool:
        """Whether every file was looked at when the files were listed; else `read_rest` does."""
        return True

    @property
    def n_read(self) -> int:
        """Items that have been read, with those that `refresh` would add."""
        return len(self)

    def refresh(self) -> int:
        """Add the items that were read since, perhaps by another process; returns how many were added."""
        return 0

    def read_rest(
        self, on_progress: ReadProgress = no_progress, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Read the files that have not been read yet, until `should_stop`, and add their items.

        Raises
        ------
        TuilabelError : if the cache cannot be written.
        """

    def read_until_found(self, ids: Collection[str], on_progress: ReadProgress = no_progress) -> None:
        """List and read all files if one of the ids is missing, as after the cache was deleted.

        Raises
        ------
        TuilabelError : if the source cannot be listed, or the cache cannot be written.
        """


class Subset(ImagePool):
    """Some items of another pool; their files are those of that pool."""

    def __init__(self, whole: ImagePool, indices: NDArray[np.int64], content: PoolContent | None = None) -> None:
        super().__init__(whole.name, whole.classes, content or whole._content.subset(indices))
        self._whole, self._indices = whole, indices

    @property
    def whole(self) -> ImagePool:
        """The pool that the items are from."""
        return self._whole

    @property
    def indices(self) -> NDArray[np.int64]:
        """The index of each item in that pool, int64 (N,)."""
        return self._indices

    @property
    def test_indices(self) -> NDArray[np.int64] | None:
        """The index of each test image in that pool, int64 (M,); None if the test split is that of the whole pool."""
        return None

    @property
    def augmentations(self) -> str:
        """As for the whole pool."""
        return self._whole.augmentations

    @property
    def origin(self) -> DatasetRef | None:
        """As for the whole pool."""
        return self._whole.origin

    @property
    def files(self) -> ItemFiles:
        """The files of the whole pool."""
        return SubsetFiles(self._whole.files, self._indices)

    def size_of(self, index: int) -> tuple[int, int]:
        """(width, height) of the image in its source."""
        return self._whole.size_of(int(self._indices[index]))

    def picture(self, index: int, longest: int) -> NDArray[np.uint8]:
        """The image from its source."""
        return self._whole.picture(int(self._indices[index]), longest)

    def picture_of_test(self, index: int, longest: int) -> NDArray[np.uint8]:
        """The test image from its source."""
        return self._whole.picture_of_test(index, longest)

    @property
    def gone(self) -> NDArray[np.int64]:
        """Indices of items whose files no longer exist."""
        return np.flatnonzero(np.isin(self._indices, self._whole.gone))


class HeldOut(Subset):
    """A pool for simulations: some items of another pool, with other items of it as the test split.

    Parameters
    ----------
    content : the images of `indices` and `test_indices`.
    """

    def __init__(
        self,
        whole: ImagePool,
        indices: NDArray[np.int64],
        test_indices: NDArray[np.int64],
        content: PoolContent,
    ) -> None:
        super().__init__(whole, indices, content)
        self._test_indices = test_indices

    @property
    def test_indices(self) -> NDArray[np.int64]:
        """The index of each test image in the whole pool, int64 (M,)."""
        return self._test_indices

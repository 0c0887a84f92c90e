"""Images as the rows of arrays in .npy and .npz files, read row by row."""

from __future__ import annotations

import io
import itertools
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuilabel.datasets.decode import over_white
from tuilabel.datasets.pixels import PixelRange
from tuilabel.datasets.sources.base import Content, Entry, Skipped, SourceError, reason_of, title_of, wrong_format
from tuilabel.datasets.sources.file_refs import FileRef, open_zip
from tuilabel.datasets.sources.object_labels import object_labels
from tuilabel.datasets.sources.texts import class_text
from tuilabel.errors import TuilabelError

_IMAGES = {
    "": ("x_train", "train_images", "images", "x", "data", "train", "arr_0"),
    "val": ("x_val", "val_images", "x_valid"),
    "test": ("x_test", "test_images"),
}
_LABELS = {
    "": ("y_train", "train_labels", "labels", "y", "label", "targets", "arr_1"),
    "val": ("y_val", "val_labels", "y_valid"),
    "test": ("y_test", "test_labels"),
}
_SAMPLE = 64  # rows examined to find the range of the values
_MAX_ROW_BYTES = 64 * 2**20


class Arrays:
    """The rows of an array in a .npy, or of the arrays in a .npz: uint8 (N, H, W) or (N, H, W, C), C 1, 3 or 4.

    Also (N, C, H, W), and other integers, floats and booleans, which `PixelRange` makes pixels. Transparency is drawn
    over white. A .npz holds images, x, x_train, data, … with labels, y, y_train, … (numbers, texts or one-hot rows) and
    x_test and y_test; `x_val` is the test split if there is no `x_test`. A row is called `#INDEX`, `val#INDEX` or
    `test#INDEX`.

    Rows are read by offset and not through a memory map, which kills the process if the file is truncated meanwhile.

    Raises
    ------
    TuilabelError : if the file is damaged, or holds Python objects or arrays that are not images.
    """

    def __init__(self, ref: FileRef) -> None:
        self.location = ref.location
        self.title = title_of(ref.location)
        self._ref = ref
        self._load()
        self.sequential = any(array.is_compressed for array in self._arrays.values())
        self.keeps_copies = self.sequential or not ref.is_local

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Shape (H, W, C) of the rows."""
        height, width, channels = next(iter(self._arrays.values())).shape
        return height, width, 3 if channels == 4 else channels

    def list(self) -> Iterator[Entry]:
        """Every row, in order, the test split last."""
        if self._status() != self._stamp:
            self._load()
        for split, array in self._arrays.items():
            labels = self._labels.get(split)
            test = labels is not None and (split == "test" or (split == "val" and "test" not in self._arrays))
            for k in range(len(array)):
                label = (
                    None if labels is None else class_text(labels[k] if labels.dtype.hasobject else labels[k].item())
                )
                yield Entry(f"{split}#{k}", array.row_bytes, self._stamp, label, test)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The rows, uint8 (H, W, C), in the given order; those of a compressed array in its order."""
        wanted: dict[str, list[tuple[int, str]]] = {}
        for name in names:
            split, _, digits = name.partition("#")
            array = self._arrays.get(split)
            if array is None or not (digits.isascii() and digits.isdigit()) or int(digits) >= len(array):
                yield name, SourceError("no such row")
            else:
                wanted.setdefault(split, []).append((int(digits), name))
        for split, rows in wanted.items():
            array = self._arrays[split]
            if array.is_compressed:
                rows.sort()
            yield from self._read(array, rows)

    def path(self, _name: str) -> Path | None:
        """None: a row is not a file."""
        return None

    def skipped(self) -> Skipped:
        """Nothing: rows are never skipped."""
        return []

    def passed_over(self) -> dict[str, int]:
        """Nothing: rows are never passed over."""
        return {}

    def _read(self, array: _Array, rows: Sequence[tuple[int, str]]) -> Iterator[tuple[str, Content]]:
        done = 0
        try:
            with array.open() as file:
                for k, name in rows:
                    row = array.row(file, k)
                    try:
                        image: Content = self._to_uint8(row)
                    except SourceError as error:
                        image = error
                    done += 1
                    yield name, image
        except Exception as error:  # a disk error, a damaged .npz, a remote file system
            for _, name in rows[done:]:
                yield name, SourceError(reason_of(error))

    def _status(self) -> str:
        try:
            size, stamp = self._ref.status()
        except Exception as error:  # each file system raises its own errors
            raise self._ref.error(error) from error
        return f"{stamp}-{size}"

    def _load(self) -> None:
        self._stamp = self._status()
        try:
            if self._ref.name.lower().endswith(".npz"):
                self._arrays, self._labels = _in_npz(self._ref)
            else:
                self._arrays, self._labels = {"": _Array(self._ref.open, self._ref.status()[0])}, {}
            shapes = {array.shape for array in self._arrays.values()}
            if len(shapes) > 1:
                raise ValueError(f"its splits have rows of different shapes, {' and '.join(map(str, sorted(shapes)))}")
            self._to_uint8 = _converter(next(iter(self._arrays.values())))
        except TuilabelError:
            raise
        except BadZipFile as error:
            raise self._ref.error(wrong_format(".npz")) from error
        except Exception as error:  # damaged files make zipfile and numpy raise almost anything
            raise self._ref.error(error) from error


class _Array:
    """An array in a file, of which only the header has been read."""

    def __init__(self, opener: Callable[[], IO[bytes]], size: int, *, is_compressed: bool = False) -> None:
        self.open = opener
        self.is_compressed = is_compressed
        with opener() as file:
            end = file.tell() + size
            try:
                version = np.lib.format.read_magic(file)
            except ValueError as error:
                raise wrong_format(".npy") from error
            if version not in ((1, 0), (2, 0)):
                raise ValueError("not a plain array")
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            self.full, fortran_order, self.dtype = read(file)
            self._start = file.tell()
        if self.dtype.hasobject:
            raise ValueError("it holds Python objects, which are never loaded: save it as an array of uint8")
        if fortran_order and len(self.full) > 1:
            raise ValueError("it is in Fortran order: save it with np.save(…, np.ascontiguousarray(…))")
        self._check(end if size else None)

    def __len__(self) -> int:
        return self.full[0]

    @property
    def _channels_first(self) -> bool:
        return len(self.full) == 4 and self.full[3] not in (1, 3, 4) and self.full[1] in (1, 3, 4)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (H, W, C) of a row."""
        row = self.full[1:]
        if len(row) == 2:
            return row[0], row[1], 1
        return (row[1], row[2], row[0]) if self._channels_first else (row[0], row[1], row[2])

    @property
    def row_bytes(self) -> int:
        """Bytes of a stored row."""
        return math.prod(self.full[1:]) * self.dtype.itemsize

    def _check(self, end: int | None) -> None:
        shape = " × ".join(map(str, self.full))
        if len(self.full) not in (3, 4) or (len(self.full) == 3 and self.full[2] in (3, 4)):
            raise ValueError(f"an array of {shape} is not a stack of images (N, H, W) or (N, H, W, C)")
        if self.shape[2] not in (1, 3, 4) or 0 in self.full[1:] or self.row_bytes > _MAX_ROW_BYTES:
            raise ValueError(f"an array of {shape} is not a stack of images with 1, 3 or 4 channels")
        if self.dtype.kind not in "buif":
            raise ValueError(f"an array of {self.dtype} is not a stack of images: save it as uint8")
        if end is not None and end < self._start + len(self) * self.row_bytes:
            raise ValueError(f"it is truncated: it is too short for {len(self):,} rows")

    def row(self, file: IO[bytes], k: int) -> NDArray[Any]:
        """Row `k`, (H, W, C), read from the open file."""
        size = self.row_bytes
        file.seek(self._start + k * size)
        data = file.read(size)
        if len(data) < size:
            raise SourceError("truncated")
        row = np.frombuffer(data, self.dtype).reshape(self.full[1:])
        return row.transpose(1, 2, 0) if self._channels_first else row.reshape(self.shape)


def _in_npz(ref: FileRef) -> tuple[dict[str, _Array], dict[str, NDArray[Any]]]:
    """The arrays of images and of labels in a .npz, by split."""
    with open_zip(ref) as archive:
        members = {info.filename.removesuffix(".npy").lower(): info for info in archive.infolist()}
        stacks: dict[str, _Array] = {}
        labels: dict[str, NDArray[Any]] = {}
        for split, words in _IMAGES.items():
            name = next((word for word in words if word in members), None)
            if name is None and split == "" and len(members) == 1:
                name = next(iter(members))
            if name is None:
                continue
            info = members.pop(name)
            stacks[split] = _Array(_opener(ref, info), info.file_size, is_compressed=info.compress_type != ZIP_STORED)
            name = next((word for word in _LABELS[split] if word in members), None)
            if name is not None:
                labels[split] = _read_labels(archive, members.pop(name), len(stacks[split]))
    if "" not in stacks:
        available = ", ".join(sorted(members)[:6])
        raise TuilabelError(f"{ref.location} has no array called images, x_train, x or data (it has {available})")
    return stacks, labels


def _read_labels(archive: ZipFile, info: ZipInfo, count: int) -> NDArray[Any]:
    """The labels of `count` images; from one-hot rows, the number of the column."""
    with archive.open(info) as file:
        labels = _load_labels(file)
    if labels.shape == (count, 1):
        labels = labels.reshape(-1)
    if labels.ndim == 2 and len(labels) == count and labels.dtype.kind in "buif":
        if ((labels == 1).sum(axis=1) == 1).all() and ((labels != 0).sum(axis=1) == 1).all():
            return np.asarray(labels.argmax(axis=1))
        raise ValueError(
            f"{info.filename} holds {labels.shape[1]} labels for each image, and not just one of them is 1"
        )
    if labels.shape != (count,):
        raise ValueError(f"{info.filename} holds labels of shape {labels.shape} for {count:,} images")
    return labels


def _opener(ref: FileRef, info: ZipInfo) -> Callable[[], IO[bytes]]:
    """A function that opens a member: an uncompressed one at its offset, so that any row can be read directly."""
    if info.compress_type != ZIP_STORED:
        return lambda: open_zip(ref).open(info)
    return lambda: _open_stored(ref, info)


def _open_stored(ref: FileRef, info: ZipInfo) -> IO[bytes]:
    file = ref.open()
    file.seek(info.header_offset + 26)  # in the local header: lengths of name and extra field
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, 1)
    return file


def _converter(array: _Array) -> Callable[[NDArray[Any]], NDArray[np.uint8]]:
    """A function that converts any row to uint8, according to the range of the finite values in some of them.

    Raises
    ------
    ValueError : if that is not a range of image values.
    """
    if array.dtype == np.uint8 or not len(array):
        return _drawn
    whole = array.dtype.kind in "iu"
    pixels = PixelRange(0, 1) if array.dtype.kind == "b" else PixelRange.of(*_limits(array), whole=whole)
    if not pixels.white > pixels.black:
        raise ValueError(f"its values are all {pixels.white:g}: save the images as uint8, 0…255")

    def to_uint8(row: NDArray[Any]) -> NDArray[np.uint8]:
        if row.dtype.kind == "f" and not np.isfinite(row).all():
            raise SourceError("values that are not numbers")
        own = pixels
        if not pixels.contains(row) and pixels.is_known:
            if not whole or row.min() < 0:
                raise SourceError(f"values outside {pixels.black:g}…{pixels.white:g}")
            own = PixelRange.of(0, int(row.max()), whole=True)  # brighter than all that were examined
        return _drawn(own.to_uint8(row))

    return to_uint8


def _limits(array: _Array) -> tuple[float, float]:
    """The smallest and the largest finite value in some of the rows."""
    step = 1 if array.is_compressed else max(1, len(array) // _SAMPLE)
    with array.open() as file:
        rows = [array.row(file, k) for k in itertools.islice(range(0, len(array), step), _SAMPLE)]
    finite = [values for values in (row[np.isfinite(row)] for row in rows) if values.size]
    if not finite:
        raise ValueError("it holds no numbers, only NaN or infinity: save the images as uint8, 0…255")
    return float(min(map(np.min, finite))), float(max(map(np.max, finite)))


def _drawn(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A row without transparency."""
    if row.shape[2] == 4:
        return np.asarray(over_white(Image.fromarray(np.ascontiguousarray(row))))
    return np.ascontiguousarray(row)


def _load_labels(file: IO[bytes]) -> NDArray[Any]:
    """An array of labels; of Python objects only if these are texts and numbers, and nothing else is ever loaded."""
    content = io.BytesIO(file.read())
    version = np.lib.format.read_magic(content)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(content)
    if dtype.hasobject:
        return object_labels(content, shape)
    content.seek(0)
    return np.asarray(np.lib.format.read_array(content, allow_pickle=False))

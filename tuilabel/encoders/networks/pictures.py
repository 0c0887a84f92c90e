"""Reads the images of a pool as the input of a network, in threads, so that the network never waits for a disk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuilabel.datasets import ImagePool
from tuilabel.datasets.decode import decode
from tuilabel.encoders.image_input import ImageInput

VERSION = 2  # part of the names of cached features: raise it with every change of what a network gets to see
STEP = 32  # pixels; sides are multiples of it
ENLARGED = 4  # small images are enlarged by at most this factor: more brings nothing
SAMPLE = 500  # images whose size is looked at
AHEAD = 2  # batches that are read ahead


def side_for(pool: ImagePool, sides: tuple[int, int]) -> int:
    """The side in pixels at which a network sees a pool's images, a multiple of 32 between the two `sides`.

    At most four times the images' own, which is the root of width × height, in the median.
    """
    if sides[0] == sides[1]:
        return sides[0]
    indices = np.unique(np.linspace(0, len(pool) - 1, SAMPLE).astype(np.int64))
    return side_of([width * height for width, height in map(pool.size_of, indices.tolist())], sides)


def side_of(areas: Sequence[int], sides: tuple[int, int]) -> int:
    """The same for images of these sizes in pixels."""
    smallest, largest = sides
    if smallest == largest:
        return smallest
    side = ENLARGED * float(np.median(areas)) ** 0.5
    return int(np.clip(STEP * int(side / STEP), smallest, largest))


def pictures(pool: ImagePool, start: int, side: int, batch: int, *, test: bool = False) -> Iterator[NDArray[np.uint8]]:
    """The images of a pool from index `start` on, or of its test split, in batches uint8 (≤ batch, side, side, 3).

    They come from their files, and are squeezed to a square.
    """
    read = pool.picture_of_test if test else pool.picture
    total = (0 if pool.test is None else len(pool.test.images)) if test else len(pool)
    indices = iter(range(start, total))
    pending: deque[Future[NDArray[np.uint8]]] = deque()
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), "pictures") as threads:

        def read_ahead(n: int) -> None:
            pending.extend(threads.submit(_read, read, index, side) for index in islice(indices, n))

        read_ahead(AHEAD * batch)
        try:
            while pending:
                ready = [pending.popleft() for _ in range(min(batch, len(pending)))]
                read_ahead(batch)
                yield np.stack([future.result() for future in ready])
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def input_of_side(side: int) -> ImageInput:
    """What `pictures` does, for files and Pillow alone."""
    return ImageInput(side, side, 3, _longest(side), shrink="LANCZOS", enlarge="BICUBIC")


def _longest(side: int) -> int:
    return side * 3 // 2  # pixels: then the shorter side of most photographs still has `side`


def _read(read: Callable[[int, int], NDArray[np.uint8]], index: int, side: int) -> NDArray[np.uint8]:
    return squeezed(read(index, _longest(side)), side)


def prepared(data: bytes, side: int) -> NDArray[np.uint8]:
    """The image in a file as `pictures` shows it to a network; raises `DecodeError`."""
    return squeezed(decode(data, _longest(side)).image, side)


def squeezed(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """An image (H, W, 1 or 3) in the size (side, side, 3), with antialiasing, whatever its proportions."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    method = Image.Resampling.BICUBIC if max(picture.size) < side else Image.Resampling.LANCZOS
    if picture.size != (side, side):
        picture = picture.resize((side, side), method)
    return np.asarray(picture.convert("RGB"))

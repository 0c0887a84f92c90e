"""Colour digits, a stand-in for SVHN: MNIST's digits on crops of photographs, in SVHN's file format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuilabel.datasets.builtin.catalogue import COLOUR_DIGITS, open_known
from tuilabel.datasets.builtin.formats import Arrays
from tuilabel.datasets.builtin.photos import read_photos
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import atomic_write

SIDE = 32
MARGIN = 10  # black pixels around a digit, so that crops around it stay inside
DIGIT = (24.0, 32.0)  # size range of the 28 pixels of a digit
SHIFT = 2.0
CROP = (0.5, 1.0)  # of the photograph's shorter side
TEST_SHARE = 0.2  # of the photographs
COLOURS = 24  # colours drawn for each digit; the first with enough contrast is used
CONTRAST = 90.0  # minimum difference to the mean background, in levels of brightness
SPREAD = 30.0  # maximum standard deviation of a background's brightness
OPACITY = (0.8, 1.0)
CHUNK = 2000
BRIGHTNESS = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class WrittenDataset:
    """The files that were written."""

    directory: Path
    train: int
    test: int
    train_photos: int
    test_photos: int

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON document."""
        return {"dataset": "colour-digits", **asdict(self), "directory": str(self.directory)}


def make_colour_digits(
    photos: Path,
    out: Path,
    *,
    train: int = 60_000,
    test: int = 10_000,
    seed: int = 0,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> WrittenDataset:
    """Write the dataset below the torchvision root `out`; the same photographs and seed give the same images.

    Training images show the first digits of MNIST's training split on one part of the photographs, test images those
    of its test split on the others.

    Parameters
    ----------
    photos : a folder or tar file of images, which is not extracted.
    train, test : number of images in each split, up to 60,000 and 10,000.
    on_progress : called with the number of images created so far, and the total.

    Raises
    ------
    UsageError : if MNIST does not have that many digits, or `seed` is negative.
    TuilabelError : if there are fewer than two photographs, or the files exist already (without `force`) or cannot
        be written.
    """
    for name, n, most in (("train", train, 60_000), ("test", test, 10_000)):
        if not 1 <= n <= most:
            raise UsageError(f"{name} must be between 1 and {most}, the digits of MNIST, got {n}", parameter=name)
    if seed < 0:
        raise UsageError(f"seed must be at least 0, got {seed}", parameter="seed")
    targets = [out / name for name in COLOUR_DIGITS.files]
    existing = [path for path in targets if path.exists()]
    if existing and not force:
        raise TuilabelError(f"{existing[0]} already exists: pass `force=True` to overwrite it, or another `out`")
    pictures = read_photos(photos, np.random.default_rng([seed, 0]))
    if len(pictures) < 2:
        raise TuilabelError(f"{photos} has {len(pictures)} photographs: at least two are needed")
    cut = max(1, round(TEST_SHARE * len(pictures)))
    mnist = open_known("mnist")
    assert mnist.targets is not None
    assert mnist.test is not None
    splits = (
        (mnist.images[:train], mnist.targets[:train], pictures[cut:]),
        (mnist.test.images[:test], mnist.test.targets[:test], pictures[:cut]),
    )
    done = 0
    for k, (path, (digits, classes, backgrounds)) in enumerate(zip(targets, splits, strict=True)):
        rng, images = np.random.default_rng([seed, 1, k]), np.empty((len(digits), SIDE, SIDE, 3), dtype=np.uint8)
        for start in range(0, len(digits), CHUNK):
            part = slice(start, start + CHUNK)
            images[part] = compose(digits[part, ..., 0], backgrounds, rng)
            done += len(digits[part])
            on_progress(done, train + test)
        _write_svhn(path, (images, classes))
    return WrittenDataset(targets[0].parent, train, test, len(pictures) - cut, cut)


def compose(digits: NDArray[np.uint8], photos: list[Image.Image], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Digits (n, 28, 28), bright on black, each in its own colour on a crop of a photograph: (n, 32, 32, 3)."""
    n = len(digits)
    chosen = rng.integers(len(photos), size=n)
    crops = np.stack([_crop(photos[k], *row) for k, row in zip(chosen, rng.random((n, 4)).tolist(), strict=True)])
    background = _reduce_contrast(crops.astype(np.float32))
    sizes, shifts = rng.uniform(*DIGIT, size=n), rng.uniform(-SHIFT, SHIFT, size=(n, 2))
    padded = np.pad(digits, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    placed = zip(padded, sizes.tolist(), shifts.tolist(), strict=True)
    mask = np.stack([_transform_digit(digit, size, *shift) for digit, size, shift in placed])
    alpha = mask[..., None].astype(np.float32) / 255
    mean = (background * alpha).sum(axis=(1, 2)) / np.maximum(alpha.sum(axis=(1, 2)), 1e-6)  # (n, 3), behind the digit
    colour = _contrasting_colours(mean, rng)
    alpha *= rng.uniform(*OPACITY, size=(n, 1, 1, 1)).astype(np.float32)
    blended = background * (1 - alpha) + colour[:, None, None] * alpha
    return np.asarray(np.rint(blended), dtype=np.uint8)


def _crop(photo: Image.Image, size: float, left: float, top: float, mirror: float) -> NDArray[np.uint8]:
    """A square crop of the photograph, mirrored half of the time; the four random numbers are in 0…1."""
    side = (CROP[0] + (CROP[1] - CROP[0]) * size) * min(photo.size)
    x, y = left * (photo.width - side), top * (photo.height - side)
    square = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    pixels = np.asarray(square)
    return pixels[:, ::-1] if mirror < 0.5 else pixels


def _transform_digit(digit: NDArray[np.uint8], size: float, right: float, down: float) -> NDArray[np.uint8]:
    """The digit with its 28 pixels scaled to `size`, shifted within the 32 pixels."""
    scale = size / 28
    half, middle = SIDE / scale / 2, digit.shape[0] / 2
    x, y = middle - right / scale, middle - down / scale
    box = (x - half, y - half, x + half, y + half)
    return np.asarray(Image.fromarray(digit).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))


def _reduce_contrast(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Less contrast for backgrounds both dark and bright, on which no single colour would be visible everywhere."""
    spread = (images @ BRIGHTNESS).std(axis=(1, 2))
    keep = np.minimum(1, SPREAD / np.maximum(spread, 1e-6)).astype(np.float32)[:, None, None, None]
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.asarray(mean + (images - mean) * keep, dtype=np.float32)


def _contrasting_colours(background: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A random colour (n, 3) for each mean background (n, 3): the first one that differs enough in brightness."""
    drawn = rng.uniform(0, 255, size=(len(background), COLOURS, 3)).astype(np.float32)
    # black or white last: one of them always differs enough
    last = np.where(background @ BRIGHTNESS < 128, 255, 0).astype(np.float32)
    drawn = np.concatenate([drawn, np.repeat(last[:, None, None], 3, axis=2)], axis=1)
    differs = np.abs((drawn - background[:, None]) @ BRIGHTNESS) >= CONTRAST
    return np.asarray(drawn[np.arange(len(drawn)), differs.argmax(axis=1)], dtype=np.float32)


def _write_svhn(path: Path, arrays: Arrays) -> None:
    """In the format of SVHN: X (32, 32, 3, n), y (n, 1) with 10 for the digit 0."""
    from scipy.io import savemat

    images, classes = arrays
    labels = np.where(classes == 0, 10, classes).astype(np.uint8)[:, None]
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": labels})

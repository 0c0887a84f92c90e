"""Colour digits: a stand-in for SVHN, MNIST's digits laid over crops of photographs, in SVHN's own file format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuilabel.datasets.builtin.catalogue import COLOUR_DIGITS, open_known
from tuilabel.datasets.builtin.formats import Arrays
from tuilabel.datasets.builtin.photos import read_photos
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.files import atomic_write

SIDE = 32
MARGIN = 10  # of black around a digit, so that what is cut out around it stays inside
DIGIT = (24.0, 32.0)  # what the 28 pixels of a digit become
SHIFT = 2.0
CROP = (0.5, 1.0)  # of the photograph's shorter side
TEST_SHARE = 0.2  # of the photographs
COLOURS = 24  # drawn for each digit; the first that stands out is taken
CONTRAST = 90.0  # that it must have to the background's mean, in levels of brightness
SPREAD = 30.0  # standard deviation of brightness at most that a background keeps
OPACITY = (0.8, 1.0)
CHUNK = 2000
BRIGHTNESS = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Made:
    """What was written."""

    directory: Path
    train: int
    test: int
    train_photos: int
    test_photos: int


def make_colour_digits(
    photos: Path,
    root: Path,
    *,
    train: int = 60_000,
    test: int = 10_000,
    seed: int = 0,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Made:
    """Write the dataset below the torchvision root `root`; the same photographs and seed give the same images.

    Training images show the first digits of MNIST's training split over one part of the photographs, test images those
    of its test split over the rest.

    Parameters
    ----------
    photos : a folder of images or a tar file of them, read in place.
    on_progress : called with (images made, images in all).

    Raises
    ------
    UsageError : where MNIST has not as many digits.
    TuilabelError : where there are fewer than two photographs, the files are there already (without `force`), or
        cannot be written.
    """
    if not (1 <= train <= 60_000 and 1 <= test <= 10_000):
        raise UsageError("--train takes 1 to 60000 and --test 1 to 10000: MNIST has no more digits")
    if seed < 0:
        raise UsageError(f"--seed {seed} is too small: give 0 or more")
    targets = [root / name for name in COLOUR_DIGITS.files]
    there = [path for path in targets if path.exists()]
    if there and not force:
        raise TuilabelError(f"{there[0]} is there already: give --force to overwrite it, or another --out")
    pictures = read_photos(photos, np.random.default_rng([seed, 0]))
    if len(pictures) < 2:
        raise TuilabelError(f"{photos} holds {len(pictures)} photographs: give a folder or tar file with two or more")
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
            images[part] = lay_over(digits[part, ..., 0], backgrounds, rng)
            done += len(digits[part])
            on_progress(done, train + test)
        _write_svhn(path, (images, classes))
    return Made(targets[0].parent, train, test, len(pictures) - cut, cut)


def lay_over(digits: NDArray[np.uint8], photos: list[Image.Image], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Digits (n, 28, 28), bright on black, each in a colour of its own over a crop of a photograph: (n, 32, 32, 3)."""
    n = len(digits)
    chosen = rng.integers(len(photos), size=n)
    crops = np.stack([_crop(photos[k], *row) for k, row in zip(chosen, rng.random((n, 4)).tolist(), strict=True)])
    background = _calmed(crops.astype(np.float32))
    sizes, shifts = rng.uniform(*DIGIT, size=n), rng.uniform(-SHIFT, SHIFT, size=(n, 2))
    padded = np.pad(digits, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    mask = np.stack([_placed(d, s, *o) for d, s, o in zip(padded, sizes.tolist(), shifts.tolist(), strict=True)])
    alpha = mask[..., None].astype(np.float32) / 255
    mean = (background * alpha).sum(axis=(1, 2)) / np.maximum(alpha.sum(axis=(1, 2)), 1e-6)  # (n, 3) behind the digit
    colour = _standing_out(mean, rng)
    alpha *= rng.uniform(*OPACITY, size=(n, 1, 1, 1)).astype(np.float32)
    blended = background * (1 - alpha) + colour[:, None, None] * alpha
    return np.asarray(np.rint(blended), dtype=np.uint8)


def _crop(photo: Image.Image, share: float, left: float, top: float, turn: float) -> NDArray[np.uint8]:
    """A square of the photograph, mirrored half of the time; the four figures are in 0…1."""
    side = (CROP[0] + (CROP[1] - CROP[0]) * share) * min(photo.size)
    x, y = left * (photo.width - side), top * (photo.height - side)
    square = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    pixels = np.asarray(square)
    return pixels[:, ::-1] if turn < 0.5 else pixels


def _placed(digit: NDArray[np.uint8], size: float, right: float, down: float) -> NDArray[np.uint8]:
    """The digit with its 28 pixels scaled to `size`, moved by so many of the 32 pixels."""
    scale = size / 28
    half, middle = SIDE / scale / 2, digit.shape[0] / 2
    x, y = middle - right / scale, middle - down / scale
    box = (x - half, y - half, x + half, y + half)
    return np.asarray(Image.fromarray(digit).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))


def _calmed(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Contrast taken from backgrounds that are both dark and bright: no one colour would be seen on all of them."""
    spread = (images @ BRIGHTNESS).std(axis=(1, 2))
    keep = np.minimum(1, SPREAD / np.maximum(spread, 1e-6)).astype(np.float32)[:, None, None, None]
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.asarray(mean + (images - mean) * keep, dtype=np.float32)


def _standing_out(background: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A random colour (n, 3) for each mean background (n, 3): the first of some that differs enough in brightness."""
    drawn = rng.uniform(0, 255, size=(len(background), COLOURS, 3)).astype(np.float32)
    # black or white last: one of the two is always far enough
    last = np.where(background @ BRIGHTNESS < 128, 255, 0).astype(np.float32)
    drawn = np.concatenate([drawn, np.repeat(last[:, None, None], 3, axis=2)], axis=1)
    differs = np.abs((drawn - background[:, None]) @ BRIGHTNESS) >= CONTRAST
    return np.asarray(drawn[np.arange(len(drawn)), differs.argmax(axis=1)], dtype=np.float32)


def _write_svhn(path: Path, arrays: Arrays) -> None:
    """As SVHN comes: X (32, 32, 3, n), y (n, 1) with 10 for the digit 0."""
    from scipy.io import savemat

    images, classes = arrays
    labels = np.where(classes == 0, 10, classes).astype(np.uint8)[:, None]
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": labels})

"""Folders of images, like those of a user."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (230, 40, 40)}


def picture(colour: str, seed: int, width: int = 48, height: int = 36) -> Image.Image:
    """A noisy field of a colour, different for each seed."""
    rng = np.random.default_rng([seed, width, height])
    noise = rng.normal(0, 25, size=(height, width, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8))


def photograph(seed: int, width: int = 400, height: int = 300) -> Image.Image:
    """Shapes of many sizes and colours, with edges and grain: about as much detail as a photograph has."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 110.0)
    for n, strength in ((3, 50), (8, 36), (24, 20), (80, 10)):
        coarse = rng.normal(0, 1, (n, n, 3)) * 0.5 + rng.normal(0, 1, (n, n, 1))
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel].astype(np.float32))
            pixels[..., channel] += strength * np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC))
    for _ in range(4):
        x, y = rng.integers(0, width), rng.integers(0, height)
        pixels[y : y + height // 4, x : x + width // 5] = rng.integers(0, 256, 3)
    return Image.fromarray(np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def colour_folder(
    root: Path, each: int = 20, *, size: Callable[[int], tuple[int, int]] = lambda _: (48, 36), first: int = 0
) -> Path:
    """`each` JPEGs of each of three colours, in folders named after the colours."""
    for colour in COLOURS:
        (root / colour).mkdir(parents=True, exist_ok=True)
        for k in range(first, first + each):
            (root / colour / f"{k}.jpg").write_bytes(jpeg(picture(colour, k, *size(k))))
    return root
